/** The literature on upsampling by transposed convolution, each figure with its source. */

import { describe, expect, test } from 'vitest'
import { backends } from './support/backends.js'
import { expectClose, expectExact } from './support/compare.js'
import { ones, plain, Random, reals, seed } from './support/data.js'
import { loose, operator } from './support/operators.js'
import { rowsOf } from './support/rows.js'

const conv1d = operator('conv1d')
const convTranspose1d = operator('convTranspose1d')
const convTranspose2d = operator('convTranspose2d')

describe.each(backends)('upsampling, %s', (backend) => {
  test('nearest by 2, then 3 taps, is one transposed convolution of 4 taps, borders included', () => {
    // A. Odena, V. Dumoulin, C. Olah, "Deconvolution and Checkerboard Artifacts" (Distill, 2016): resize-convolution;
    // the two steps are linear, so that their product is one transposed convolution. Tap by tap: [a, b, c] behind
    // nearest ×2 is [c, b + c, a + b, a].
    const { weight, options } = loose.upsampleAsTranspose(plain([1, 10, 100], [1, 1, 3]), 2)
    expect(weight.shape).toEqual([1, 1, 4])
    expect(Array.from(weight.data)).toEqual([100, 110, 11, 1])
    const x = plain([1, 2, 3], [1, 1, 3])
    const y = convTranspose1d(x, weight, { ...options, backend })
    const doubled = plain([1, 1, 2, 2, 3, 3], [1, 1, 6])
    expectExact(y, conv1d(doubled, plain([1, 10, 100], [1, 1, 3]), { padding: 1, backend }), 'upsampled')
  })

  test('the bilinear filler of FCN and Caffe', () => {
    // J. Long, E. Shelhamer, T. Darrell, "Fully Convolutional Networks" (2015), surgery.py: upsample_filt; Caffe's
    // filler.hpp, BilinearFiller.
    const { weight, options } = loose.bilinearWeight(3, 2)
    expect(weight.shape).toEqual([3, 1, 4, 4])
    expect(options['groups']).toBe(3)
    expect(new Set([options['stride']].flat())).toEqual(new Set([2]))
    expect(new Set([options['padding']].flat(2))).toEqual(new Set([1]))
    const kernel = [
      [0.0625, 0.1875, 0.1875, 0.0625],
      [0.1875, 0.5625, 0.5625, 0.1875],
      [0.1875, 0.5625, 0.5625, 0.1875],
      [0.0625, 0.1875, 0.1875, 0.0625],
    ]
    expect(Array.from(weight.data)).toEqual([...kernel.flat(), ...kernel.flat(), ...kernel.flat()])
    // Caffe's formula, for even and odd factors: k = 2f − f mod 2, centre c = (2f' − 1 − f' mod 2) / 2f' with f' =
    // ceil(k / 2).
    for (const factor of [1, 2, 3, 4, 5]) {
      const filler = loose.bilinearWeight(1, factor, { dtype: 'float64' }).weight
      const k = 2 * factor - (factor % 2)
      const f = Math.ceil(k / 2)
      const c = (2 * f - 1 - (f % 2)) / (2 * f)
      const tap = (i: number): number => 1 - Math.abs(i / f - c)
      const wanted = Array.from({ length: k * k }, (_, i) => tap(i % k) * tap(Math.floor(i / k)))
      expectClose(filler, plain(wanted, [1, 1, k, k], 'float64'), `factor ${factor}`)
    }
  })

  test('bilinear upsampling interpolates each channel by itself', () => {
    const x = plain([0, 4, 8, 12, 16, 1, 1, 1, 1, 1], [1, 2, 5])
    for (const groups of [2, 1]) {
      const { weight, options } = loose.bilinearWeight(2, [2], { groups })
      const y = convTranspose1d(x, weight, { ...options, backend })
      // Quarter positions: 3/4 of the near sample and 1/4 of the far one; outside the image there are zeros.
      expect(Array.from(y.data)).toEqual([
        ...[0, 1, 3, 5, 7, 9, 11, 13, 15, 12],
        ...[0.75, 1, 1, 1, 1, 1, 1, 1, 1, 0.75],
      ])
    }
    const random = new Random(seed)
    const picture = reals(random, [1, 3, 5, 4])
    const apart = loose.bilinearWeight(3, 3)
    const dense = loose.bilinearWeight(3, 3, { groups: 1 })
    const one = convTranspose2d(picture, apart.weight, { ...apart.options, backend })
    const other = convTranspose2d(picture, dense.weight, { ...dense.options, backend })
    expectClose(one, other, 'dense and depthwise', { terms: 12 })
  })

  test('the checkerboard: overlaps away from the borders are uniform exactly where the stride divides the kernel', () => {
    // Odena, Dumoulin, Olah, as above.
    for (let k = 1; k <= 8; k++) {
      for (let stride = 1; stride <= 5; stride++) {
        const y = convTranspose1d(ones([1, 1, 12]), ones([1, 1, k]), { stride, backend })
        const inner = Array.from(y.data).slice(k, y.data.length - k)
        expect(new Set(inner).size === 1, `kernel ${k}, stride ${stride}`).toBe(k % stride === 0)
        const plane = convTranspose2d(ones([1, 1, 10, 10]), ones([1, 1, k, k]), { stride, backend })
        const rows = rowsOf(plane).slice(k, plane.shape[2] - k)
        const square = new Set(rows.flatMap((row) => row.slice(k, row.length - k)))
        expect(square.size === 1, `kernel ${k} × ${k}, stride ${stride}`).toBe(k % stride === 0)
      }
    }
  })
})
