// @ts-check
// The layers, their sizes and their data. Every process makes its operands here from the same formula, so that nothing but
// the name of a layer has to travel between them.
import { readFileSync } from 'node:fs'

/** @typedef {import('./types.js').Layer} Layer */
/** @typedef {import('./types.js').Pass} Pass */
/** @typedef {import('./types.js').DType} DType */

/**
 * @param {string} [file]
 * @returns {Layer[]}
 */
export function readLayers(file) {
  return JSON.parse(readFileSync(file ?? new URL('layers.json', import.meta.url), 'utf8'))
}

/**
 * The layers that fit the words of the command line: those whose name contains one of them, or whose operator is one of
 * them (`conv`, `conv2d`, `convTranspose1d`).
 *
 * @param {Layer[]} layers
 * @param {string[]} words
 */
export function selectLayers(layers, words) {
  if (words.length === 0) return layers
  return layers.filter((layer) =>
    words.some((word) => layer.name.includes(word) || word === layer.op || word === operatorName(layer)),
  )
}

/** @param {Layer} layer */
export const operatorName = (layer) => `${layer.op}${layer.input.length}d`

/** @param {readonly number[]} values */
export const product = (values) => values.reduce((total, value) => total * value, 1)

/**
 * @param {Layer} layer
 * @returns {{ input: number[], weight: number[], output: number[] }}
 */
export function shapes(layer) {
  const { batch, inChannels, outChannels, groups, kernel } = layer
  const isConv = layer.op === 'conv'
  const spatial = layer.input.map((size, axis) => {
    const effective = layer.dilation[axis] * (kernel[axis] - 1) + 1
    const stride = layer.stride[axis]
    const padding = 2 * layer.padding[axis]
    return isConv
      ? Math.floor((size + padding - effective) / stride) + 1
      : (size - 1) * stride - padding + effective + (layer.outputPadding?.[axis] ?? 0)
  })
  return {
    input: [batch, inChannels, ...layer.input],
    weight: isConv ? [outChannels, inChannels / groups, ...kernel] : [inChannels, outChannels / groups, ...kernel],
    output: [batch, outChannels, ...spatial],
  }
}

/**
 * Floating-point operations of one call, the same for all three passes: two for every tap that the direct sum visits, taps
 * in the padding included. The side that is visited is the output of a conv and the input of a convTranspose.
 *
 * @param {Layer} layer
 */
export function flops(layer) {
  const { input, weight, output } = shapes(layer)
  const visited = layer.op === 'conv' ? output : input
  return 2 * product(visited) * product(weight.slice(1))
}

/**
 * Bytes of both operands and of the result.
 *
 * @param {import('./types.js').Case} job
 */
export function bytes({ layer, pass, dtype }) {
  const { input, weight, output } = shapes(layer)
  const size = dtype === 'float32' ? 4 : 8
  const written = size * product({ forward: output, gradInput: input, gradWeight: weight }[pass])
  const all = size * (product(input) + product(weight) + product(output))
  return { all, written, read: all - written }
}

const seeds = { input: 1, weight: 2, output: 3 }

/**
 * Values between −1 and 1 for one operand: Marsaglia's xorshift32 (13, 17, 5), started at the operand's seed and scaled.
 *
 * @param {Layer} layer
 * @param {'input' | 'weight' | 'output'} operand  `output` stands for the gradient of the output
 * @param {DType} dtype
 */
export function makeData(layer, operand, dtype) {
  const size = product(shapes(layer)[operand])
  const data = dtype === 'float32' ? new Float32Array(size) : new Float64Array(size)
  let state = seeds[operand]
  // Small seeds need some steps before all bits are in use.
  for (let i = -16; i < size; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    if (i >= 0) data[i] = state / 2 ** 31
  }
  return data
}
