/**
 * Operands as the loops read them: Float64Arrays in one order of memory, channel by channel. Layouts, dtypes and
 * flipKernel end here; sums are in float64 whatever the operands are; and the inner loops see nothing but Float64Arrays,
 * which V8 compiles far better than loops that meet both kinds.
 */

import { allocate } from '../../operand.js'
import type { ConvProblem, FloatArray } from '../../problem.js'
import type { Side } from './grid.js'

/** A zero-filled working array, or `ERR_CONVKIT_MEMORY`. */
export function scratch(length: number): Float64Array {
  return allocate('typescript backend', 'float64', length) as Float64Array
}

/** Reads `count` pixels of all channels of image n to target: `[channels, count]`. */
export function readRows(
  source: FloatArray,
  side: Side,
  n: number,
  firstPixel: number,
  count: number,
  target: Float64Array,
): void {
  for (let channel = 0; channel < side.channels; channel++) {
    let from = n * side.batchStride + channel * side.channelStride + firstPixel * side.pixelStride
    let to = channel * count
    for (let pixel = 0; pixel < count; pixel++, from += side.pixelStride) target[to++] = source[from]
  }
}

/** The inverse of {@link readRows}: writes `finish(element, channel)` of each element of source, `[channels, count]`. */
export function writeRows(
  source: Float64Array,
  side: Side,
  n: number,
  firstPixel: number,
  count: number,
  target: FloatArray,
  finish: (sum: number, channel: number) => number,
): void {
  for (let channel = 0; channel < side.channels; channel++) {
    let from = channel * count
    let to = n * side.batchStride + channel * side.channelStride + firstPixel * side.pixelStride
    for (let pixel = 0; pixel < count; pixel++, to += side.pixelStride) target[to] = finish(source[from++], channel)
  }
}

/** Reads the weights to `[tap, feature channel, image channel of the group]`. */
export function readWeights(problem: ConvProblem, taps: number, source: FloatArray, target: Float64Array): void {
  eachWeight(problem, taps, (packed, natural) => {
    target[packed] = source[natural]
  })
}

/** The inverse of {@link readWeights}. */
export function writeWeights(problem: ConvProblem, taps: number, source: Float64Array, target: FloatArray): void {
  eachWeight(problem, taps, (packed, natural) => {
    target[natural] = source[packed]
  })
}

/** Calls back with the place of each weight in `[tap, feature, channel]` and in the problem's weightLayout. */
function eachWeight(problem: ConvProblem, taps: number, visit: (packed: number, natural: number) => void): void {
  const features = problem.featureChannels
  const channels = problem.imageChannels / problem.groups
  const [featureStride, channelStride, tapStride] =
    problem.weightLayout === 'channels-first' ? [channels * taps, taps, 1] : [1, features, channels * features]
  let packed = 0
  for (let tap = 0; tap < taps; tap++) {
    // Reversing every spatial axis reverses the order of the taps as a whole.
    const tapAt = (problem.flipKernel ? taps - 1 - tap : tap) * tapStride
    for (let f = 0; f < features; f++) {
      for (let c = 0; c < channels; c++) visit(packed++, tapAt + f * featureStride + c * channelStride)
    }
  }
}
