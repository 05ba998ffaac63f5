// @ts-check
// The sums behind single elements of a result, straight from the definition: which elements of the two operands are
// multiplied and added. Shares nothing with convkit.
import { product, shapes } from './layers.mjs'

/** @typedef {import('./types.js').Layer} Layer */
/** @typedef {import('./types.js').Pass} Pass */

/** Which operands a pass reads, in the order of the pairs that `termsOf` gives, and which it makes. */
export const operandsOf = /** @type {const} */ ({
  forward: ['input', 'weight', 'output'],
  gradInput: ['output', 'weight', 'input'],
  gradWeight: ['input', 'output', 'weight'],
})

/** Three axes, with leading ones of the neutral value. @param {readonly number[]} values @param {number} neutral */
const three = (values, neutral) => [...Array(3 - values.length).fill(neutral), ...values]

/**
 * The pairs of one element of a result, as indices into the operands.
 *
 * @param {Layer} layer
 * @param {Pass} pass
 * @param {number} index  of the element
 * @returns {{ first: number[], second: number[] }}
 */
export function termsOf(layer, pass, index) {
  // A transposed convolution is the adjoint of a direct one, whose image is the output and whose features are the input.
  const transposed = layer.op === 'convTranspose'
  const shape = shapes(layer)
  const [imageShape, featureShape] = transposed ? [shape.output, shape.input] : [shape.input, shape.output]
  const { batch, groups } = layer
  const channels = imageShape[1] / groups
  const features = featureShape[1] / groups
  const image = three(imageShape.slice(2), 1)
  const map = three(featureShape.slice(2), 1)
  const kernel = three(layer.kernel, 1)
  const stride = three(layer.stride, 1)
  const dilation = three(layer.dilation, 1)
  const padding = three(layer.padding, 0)

  const at = (/** @type {number[]} */ [z, y, x], /** @type {number[]} */ extents) =>
    (z * extents[1] + y) * extents[2] + x
  const split = (/** @type {number} */ position, /** @type {number[]} */ extents) => [
    Math.floor(position / extents[1] / extents[2]),
    Math.floor(position / extents[2]) % extents[1],
    position % extents[2],
  ]
  const [images, maps, taps] = [image, map, kernel].map(product)
  const imageIndex = (
    /** @type {number} */ n,
    /** @type {number} */ g,
    /** @type {number} */ c,
    /** @type {number} */ i,
  ) => ((n * groups + g) * channels + c) * images + i
  const mapIndex = (
    /** @type {number} */ n,
    /** @type {number} */ g,
    /** @type {number} */ f,
    /** @type {number} */ o,
  ) => ((n * groups + g) * features + f) * maps + o
  const weightIndex = (
    /** @type {number} */ g,
    /** @type {number} */ f,
    /** @type {number} */ c,
    /** @type {number} */ j,
  ) => ((g * features + f) * channels + c) * taps + j

  /** @type {number[]} */
  const first = []
  /** @type {number[]} */
  const second = []
  const add = (/** @type {number} */ a, /** @type {number} */ b) => {
    first.push(a)
    second.push(b)
  }
  // Image positions of a feature under a tap, features of an image position under a tap; undefined in the padding or between.
  const reads = (/** @type {number[]} */ o, /** @type {number[]} */ j) => {
    const i = o.map((value, axis) => value * stride[axis] + j[axis] * dilation[axis] - padding[axis])
    return i.every((value, axis) => value >= 0 && value < image[axis]) ? at(i, image) : undefined
  }
  const readBy = (/** @type {number[]} */ i, /** @type {number[]} */ j) => {
    const o = i.map((value, axis) => (value + padding[axis] - j[axis] * dilation[axis]) / stride[axis])
    return o.every((value, axis) => Number.isInteger(value) && value >= 0 && value < map[axis]) ? at(o, map) : undefined
  }

  if (pass === 'gradWeight') {
    const j = split(index % taps, kernel)
    const c = Math.floor(index / taps) % channels
    const f = Math.floor(index / taps / channels) % features
    const g = Math.floor(index / taps / channels / features)
    for (let n = 0; n < batch; n++) {
      for (let o = 0; o < maps; o++) {
        const i = reads(split(o, map), j)
        if (i === undefined) continue
        const [a, b] = [imageIndex(n, g, c, i), mapIndex(n, g, f, o)]
        if (transposed) add(b, a)
        else add(a, b)
      }
    }
  } else if ((pass === 'forward') !== transposed) {
    const o = split(index % maps, map)
    const f = Math.floor(index / maps) % features
    const g = Math.floor(index / maps / features) % groups
    const n = Math.floor(index / maps / features / groups)
    for (let c = 0; c < channels; c++) {
      for (let tap = 0; tap < taps; tap++) {
        const i = reads(o, split(tap, kernel))
        if (i !== undefined) add(imageIndex(n, g, c, i), weightIndex(g, f, c, tap))
      }
    }
  } else {
    const i = split(index % images, image)
    const c = Math.floor(index / images) % channels
    const g = Math.floor(index / images / channels) % groups
    const n = Math.floor(index / images / channels / groups)
    for (let f = 0; f < features; f++) {
      for (let tap = 0; tap < taps; tap++) {
        const o = readBy(i, split(tap, kernel))
        if (o !== undefined) add(mapIndex(n, g, f, o), weightIndex(g, f, c, tap))
      }
    }
  }
  return { first, second }
}
