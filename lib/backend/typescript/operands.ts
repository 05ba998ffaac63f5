/**
 * Operands as the loops read them: Float64Arrays in one order of memory, channel by channel. Layouts and dtypes end
 * here, and the inner loops see nothing but Float64Arrays: V8 compiles a loop that meets both kinds of array for the
 * general case, which is several times slower.
 */

import { allocate } from '../../operand.js'
import type { FloatArray } from '../../problem.js'
import type { Side } from './grid.js'

/** Who speaks in an error of this backend; all that can fail here is memory. */
export const WHERE = 'typescript backend'

/** A zero-filled working array, or `ERR_CONVKIT_MEMORY`. */
export function scratch(length: number): Float64Array {
  return allocate(WHERE, 'float64', length) as Float64Array
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
