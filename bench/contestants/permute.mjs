// @ts-check
// Arrays for contestants whose axes lie in another order than those of the layers.
import { product } from '../layers.mjs'

/**
 * @template {Float32Array | Float64Array} T
 * @param {T} data
 * @param {readonly number[]} shape
 * @param {readonly number[]} order  axis `order[i]` becomes axis i
 * @returns {T} a copy, or the array itself where the order is the same
 */
export function permute(data, shape, order) {
  if (order.every((axis, i) => axis === i)) return data
  const steps = shape.map((_, axis) => product(shape.slice(axis + 1)))
  const result = /** @type {T} */ (data.slice())
  const extents = order.map((axis) => shape[axis])
  let next = 0
  const walk = (/** @type {number} */ depth, /** @type {number} */ at) => {
    if (depth === order.length) result[next++] = data[at]
    else for (let i = 0; i < extents[depth]; i++) walk(depth + 1, at + i * steps[order[depth]])
  }
  walk(0, 0)
  return result
}

/** The order that takes an array back. @param {readonly number[]} order */
export const inverse = (order) => order.map((_, axis) => order.indexOf(axis))
