/** Comparisons that say where two results differ first: index, coordinates, both values. */

import type { Plain } from './data.js'

const coordinates = (index: number, shape: readonly number[]): string => {
  const parts: number[] = []
  let rest = index
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]
    parts.unshift(rest % size)
    rest = Math.floor(rest / size)
  }
  return `[${parts.join(', ')}]`
}

const compare = (
  actual: Plain,
  expected: Plain,
  what: string,
  differs: (a: number, b: number, index: number) => boolean,
): void => {
  const shapes = `[${actual.shape.join(', ')}]`
  if (shapes !== `[${expected.shape.join(', ')}]`) {
    throw new Error(`${what}: shape ${shapes}, expected [${expected.shape.join(', ')}]`)
  }
  if (actual.data.length !== expected.data.length) {
    throw new Error(`${what}: ${actual.data.length} elements, expected ${expected.data.length}`)
  }
  let bad = 0
  let first = -1
  for (let i = 0; i < expected.data.length; i++) {
    if (!differs(actual.data[i], expected.data[i], i)) continue
    bad++
    if (first < 0) first = i
  }
  if (bad > 0) {
    throw new Error(
      `${what}: ${bad} of ${expected.data.length} elements differ; the first at ${coordinates(first, expected.shape)} ` +
        `of ${shapes}: ${actual.data[first]}, expected ${expected.data[first]}`,
    )
  }
}

/** Equal numbers everywhere. NaN equals NaN, and −0 equals 0 (the sign of zero is unspecified). */
export const expectExact = (actual: Plain, expected: Plain, what: string): void => {
  compare(actual, expected, what, (a, b) => a !== b && !(Number.isNaN(a) && Number.isNaN(b)))
}

/** Whole numbers from transforms (Winograd, Fourier), whose way leads through fractions: off by rounding alone. */
export const expectIntegers = (actual: Plain, expected: Plain, what: string): void => {
  compare(actual, expected, what, (a, b) => !(Math.abs(a - b) < 0.02))
}

/** The same bits, −0 apart: for two calls that must agree bit for bit. */
export const expectSameBits = (actual: Plain, expected: Plain, what: string): void => {
  if (actual.data.constructor !== expected.data.constructor) throw new Error(`${what}: different dtypes`)
  expectExact(actual, expected, what)
}

const epsilon = (tensor: Plain): number => (tensor.data instanceof Float32Array ? 2 ** -24 : 2 ** -53)

/**
 * Within rounding of a sum of `terms` products: |a − b| ≤ factor · (terms + 2) · u · magnitude + |b| · slack, where u
 * is the unit roundoff of the dtype and `magnitude` bounds one product. It is the classical forward bound of a sum in
 * any order.
 */
export const expectClose = (
  actual: Plain,
  expected: Plain,
  what: string,
  { terms = 1, magnitude = 1, factor = 2 }: { terms?: number; magnitude?: number; factor?: number } = {},
): void => {
  const u = epsilon(actual)
  const absolute = factor * (terms + 2) * u * magnitude
  compare(actual, expected, what, (a, b) => {
    if (Number.isNaN(b) || !Number.isFinite(b)) return !Object.is(a, b)
    return !(Math.abs(a - b) <= absolute + 8 * u * Math.abs(b))
  })
}
