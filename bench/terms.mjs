// @ts-check
// The sums behind single elements of a result, straight from the definition: which elements of the two operands are
// multiplied and added. Shares nothing with convkit.
import { shapes } from './layers.mjs'

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
 * An element's coordinates, outermost first.
 *
 * @param {number} index
 * @param {readonly number[]} extents
 */
function split(index, extents) {
  const coordinates = []
  for (const extent of [...extents].reverse()) {
    coordinates.unshift(index % extent)
    index = Math.floor(index / extent)
  }
  return coordinates
}

const count = (/** @type {number} */ size) => Array.from({ length: size }, (_, i) => i)

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
  const [imageShape, mapShape] = transposed ? [shape.output, shape.input] : [shape.input, shape.output]
  const { batch, groups } = layer
  const channels = imageShape[1] / groups
  const features = mapShape[1] / groups
  const [image, map] = [imageShape, mapShape].map((extents) => three(extents.slice(2), 1))
  const kernel = three(layer.kernel, 1)
  const steps = { stride: three(layer.stride, 1), dilation: three(layer.dilation, 1), padding: three(layer.padding, 0) }

  // What is summed over: of the image's, the features' and the kernel's coordinates one is the element's own.
  const wanted = pass === 'gradWeight' ? 'weight' : (pass === 'forward') !== transposed ? 'features' : 'image'
  const own = split(
    index,
    wanted === 'weight'
      ? [groups, features, channels, ...kernel]
      : wanted === 'features'
        ? [batch, groups, features, ...map]
        : [batch, groups, channels, ...image],
  )
  const place = own.slice(3)
  const group = wanted === 'weight' ? own[0] : own[1]
  const [images, someFeatures, someChannels] = [
    wanted === 'weight' ? count(batch) : [own[0]],
    wanted === 'weight' ? [own[1]] : wanted === 'features' ? [own[2]] : count(features),
    wanted === 'image' || wanted === 'weight' ? [own[2]] : count(channels),
  ]
  // Along each axis: image position i, feature position o, tap j, where i = o * stride + j * dilation - padding.
  const [zs, ys, xs] = [0, 1, 2].map((axis) => {
    const [stride, dilation, padding] = [steps.stride[axis], steps.dilation[axis], steps.padding[axis]]
    const taps = wanted === 'weight' ? [place[axis]] : count(kernel[axis])
    return taps.flatMap((j) => {
      const shift = j * dilation - padding
      const positions =
        wanted === 'weight'
          ? count(map[axis])
          : wanted === 'features'
            ? [place[axis]]
            : [(place[axis] - shift) / stride].filter((o) => Number.isInteger(o) && o >= 0 && o < map[axis])
      return positions.map((o) => ({ i: o * stride + shift, o, j })).filter(({ i }) => i >= 0 && i < image[axis])
    })
  })

  /** @type {number[]} */
  const first = []
  /** @type {number[]} */
  const second = []
  const at = (/** @type {number[]} */ extents, /** @type {number} */ lead, /** @type {number[]} */ zyx) =>
    ((lead * extents[0] + zyx[0]) * extents[1] + zyx[1]) * extents[2] + zyx[2]
  for (const n of images) {
    for (const f of someFeatures) {
      for (const c of someChannels) {
        for (const z of zs) {
          for (const y of ys) {
            // The last axis by steps of one.
            const i = at(image, (n * groups + group) * channels + c, [z.i, y.i, 0])
            const o = at(map, (n * groups + group) * features + f, [z.o, y.o, 0])
            const w = at(kernel, (group * features + f) * channels + c, [z.j, y.j, 0])
            for (const x of xs) {
              if (wanted === 'weight') {
                first.push(transposed ? o + x.o : i + x.i)
                second.push(transposed ? i + x.i : o + x.o)
              } else {
                first.push(wanted === 'features' ? i + x.i : o + x.o)
                second.push(w + x.j)
              }
            }
          }
        }
      }
    }
  }
  return { first, second }
}
