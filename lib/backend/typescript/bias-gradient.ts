/** gradBias[c] = Σ over batch and positions of gradOutput[n, c, position]. */

import type { FloatArray } from '../../problem.js'
import type { BiasProblem } from '../backend.js'
import { scratch } from './operands.js'

export function biasGradient(problem: BiasProblem, gradOutput: FloatArray, out: FloatArray): void {
  const { batch, channels, positions } = problem
  const sums = scratch(channels)
  let next = 0
  if (problem.layout === 'channels-first') {
    for (let n = 0; n < batch; n++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0
        for (let position = 0; position < positions; position++) sum += gradOutput[next++]
        sums[c] += sum
      }
    }
  } else {
    for (let pixel = 0; pixel < batch * positions; pixel++) {
      for (let c = 0; c < channels; c++) sums[c] += gradOutput[next++]
    }
  }
  for (let c = 0; c < channels; c++) out[c] = sums[c]
}
