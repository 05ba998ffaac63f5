/** A few seconds of doubt: every operator and gradient once, on the backend in use, beside the TypeScript reference. */

import * as convkit from '../../index.js'

export interface Check {
  readonly name: string
  /** The largest difference, as a share of the largest magnitude in the reference's result. */
  readonly error: number
  readonly passed: boolean
}

/** Far above the rounding of these small sums in float32, far below any wrong result. */
const TOLERANCE = 1e-4

const batch = 2
const channels = 6
const outChannels = 10

/** Whole-number noise in [-1, 1], the same every time. */
function noise(shape: readonly number[], seed: number): convkit.Tensor {
  let state = seed >>> 0
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1))
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    data[i] = state / 2 ** 31 - 1
  }
  return convkit.tensor(data, [...shape])
}

type Execution = Pick<convkit.ExecutionOptions, 'backend'>
type Case = readonly [name: string, run: (execution: Execution) => convkit.Tensor]

function cases(rank: 1 | 2 | 3): Case[] {
  const options = { stride: 2, padding: 1, dilation: 1 }
  const input = noise([batch, channels, ...Array<number>(rank).fill(rank === 3 ? 7 : 13)], rank)
  const kernel = Array<number>(rank).fill(3)
  const conv = [convkit.conv1d, convkit.conv2d, convkit.conv3d][rank - 1]
  const transposed = [convkit.convTranspose1d, convkit.convTranspose2d, convkit.convTranspose3d][rank - 1]
  return [
    operator(`conv${rank}d`, conv, input, noise([outChannels, channels, ...kernel], 10 + rank), options),
    operator(`convTranspose${rank}d`, transposed, input, noise([channels, outChannels, ...kernel], 20 + rank), options),
  ].flat()
}

function operator(
  name: string,
  op: convkit.ConvOperator | convkit.ConvTransposeOperator,
  input: convkit.Tensor,
  weight: convkit.Tensor,
  options: convkit.ConvTransposeGradientOptions & convkit.ConvGradientOptions & { padding: number },
): Case[] {
  const gradOutput = noise(op.outputShape(input.shape, weight.shape, options), 3)
  const bias = noise([outChannels], 4)
  return [
    [name, (e) => op(input, weight, { ...options, bias, activation: 'relu', ...e })],
    [`${name}.gradInput`, (e) => op.gradInput(input.shape, weight, gradOutput, { ...options, ...e })],
    [`${name}.gradWeight`, (e) => op.gradWeight(input, weight.shape, gradOutput, { ...options, ...e })],
  ]
}

export function selfTest(): Check[] {
  const gradient = noise([batch, channels, 5, 5], 7)
  const all: Case[] = [
    ...cases(1),
    ...cases(2),
    ...cases(3),
    ['gradBias', (execution) => convkit.gradBias(gradient, execution)],
  ]
  return all.map(([name, run]) => {
    const actual = run({}).data
    const expected = run({ backend: 'typescript' }).data
    let error = actual.length === expected.length ? 0 : Infinity
    let scale = 0
    for (let i = 0; i < expected.length; i++) {
      // A NaN is a difference too; Math.max would keep it, and no comparison with it holds.
      error = Math.max(error, Math.abs(actual[i] - expected[i]))
      scale = Math.max(scale, Math.abs(expected[i]))
    }
    error /= scale
    return { name, error, passed: error <= TOLERANCE }
  })
}
