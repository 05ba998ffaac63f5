/**
 * Which image positions a row of features reads: all of stride, dilation, padding and padding mode, one axis at a time.
 *
 * Per axis, tap j of feature o reads position `o·stride + j·dilation − padBegin`. Hold j fixed and let o run (or hold
 * o and let j run): the positions form an arithmetic progression, and the image cuts it into at most three pieces,
 * within each of which the index still advances by a constant step, whatever the padding mode:
 *
 *     t        0   1   2   3   4   5   6   7        (stride 1, 4 pixels, padBegin 2)
 *     position −2  −1 | 0   1   2   3 | 4   5
 *     zeros     ·   · | 0   1   2   3 | ·   ·       left out
 *     reflect   2   1 | 0   1   2   3 | 2   1       step −1
 *     replicate 0   0 | 0   1   2   3 | 3   3       step 0
 *     circular  2   3 | 0   1   2   3 | 0   1       step +1
 *
 * So the passes loop over segments and never look at the padding mode, and a pad of 2⁵² costs nothing.
 */

import type { PaddingMode } from '../../problem.js'

/** Members `from ≤ t < to` of a progression lie at the image indices first, first + step, first + 2·step, … */
export interface Segment {
  readonly from: number
  readonly to: number
  readonly first: number
  readonly step: number
}

/** One spatial axis of a problem. */
export interface Axis {
  readonly image: number
  readonly kernel: number
  readonly features: number
  readonly stride: number
  readonly dilation: number
  readonly padBegin: number
}

/** What the features 0 ≤ t < features read through one tap. */
export function segmentsOfTap(axis: Axis, tap: number, mode: PaddingMode): Segment[] {
  return segments(axis.features, axis.stride, offset(tap, axis.dilation, axis.padBegin), axis.image, mode)
}

/** What one feature reads through the taps 0 ≤ t < kernel. */
export function segmentsOfFeature(axis: Axis, feature: number, mode: PaddingMode): Segment[] {
  return segments(axis.kernel, axis.dilation, offset(feature, axis.stride, axis.padBegin), axis.image, mode)
}

/**
 * `index · unit − pad`, exact wherever it is less than 2³² (no image extent is larger), although index · unit alone
 * may lie beyond 2⁵³. With pad = q·unit + r it is (index − q)·unit − r. Where index ≤ q, both terms are at most pad and
 * the sum is exact. Where index > q, the product is exact up to 2⁵³; beyond, rounding cannot bring the difference below
 * 2³², for r is less than unit, so at most half of the product or (index = q + 1) subtracted from unit itself.
 */
function offset(index: number, unit: number, pad: number): number {
  const rest = pad % unit
  return (index - (pad - rest) / unit) * unit - rest
}

/** Cuts the positions `offset + t·step`, 0 ≤ t < count, at the borders of an image of `extent` pixels. */
function segments(count: number, step: number, offset: number, extent: number, mode: PaddingMode): Segment[] {
  // The first t at a position ≥ 0, and that position; both by remainders, since t·step may be inexact.
  const below = Math.max(-offset, 0)
  const rest = below % step
  const begin = Math.min(count, (below - rest) / step + (rest > 0 ? 1 : 0))
  const first = offset >= 0 ? offset : rest > 0 ? step - rest : 0
  const room = extent - 1 - first
  const end = room < 0 ? begin : Math.min(count, begin + (room - (room % step)) / step + 1)

  const pieces = [segment(begin, end, first, step)]
  // Reflect and circular pads are at most as wide as the image, so these sums are small; replicate needs none.
  const beyond = first + (end - begin) * step
  if (mode === 'reflect') {
    pieces.unshift(segment(0, begin, -offset, -step))
    pieces.push(segment(end, count, 2 * (extent - 1) - beyond, -step))
  } else if (mode === 'circular') {
    pieces.unshift(segment(0, begin, offset + extent, step))
    pieces.push(segment(end, count, beyond - extent, step))
  } else if (mode === 'replicate') {
    pieces.unshift(segment(0, begin, 0, 0))
    pieces.push(segment(end, count, extent - 1, 0))
  }
  return pieces.filter((piece) => piece.from < piece.to)
}

/** A lone member takes no step: loops that advance once more at the end then stay within small integers. */
function segment(from: number, to: number, first: number, step: number): Segment {
  return { from, to, first, step: to - from > 1 ? step : 0 }
}
