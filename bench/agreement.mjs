// @ts-check
// Do all contestants compute the same? Their results come as files of plain numbers.
import { readFileSync } from 'node:fs'

/** @typedef {import('./types.js').DType} DType */

/** A wrong tap or a shift differs by about 1; rounding, even over a million terms, by less than a thousandth of this. */
export const tolerance = 1e-3

/**
 * @param {string} file
 * @param {DType} dtype
 */
export function readValues(file, dtype) {
  const { buffer, byteOffset, byteLength } = readFileSync(file)
  const memory = buffer.slice(byteOffset, byteOffset + byteLength)
  return dtype === 'float32' ? new Float32Array(memory) : new Float64Array(memory)
}

/**
 * The largest difference as a fraction of the root mean square of what is expected; NaN if any value is.
 *
 * @param {Float32Array | Float64Array} values
 * @param {Float32Array | Float64Array} expected
 */
export function relativeDifference(values, expected) {
  if (values.length !== expected.length) return Infinity
  let largest = 0
  let squares = 0
  for (let i = 0; i < values.length; i++) {
    const difference = Math.abs(values[i] - expected[i])
    if (Number.isNaN(difference)) return NaN
    if (difference > largest) largest = difference
    squares += expected[i] * expected[i]
  }
  return largest / Math.sqrt(squares / values.length)
}
