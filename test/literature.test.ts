/** The arithmetic of the literature: published figures and identities, each with its source. */

import { describe, expect, test } from 'vitest'
import { backends } from './support/backends.js'
import { expectExact } from './support/compare.js'
import { integers, ones, permute, plain, Random, seed, type Plain } from './support/data.js'
import { loose, operator, operatorOf } from './support/operators.js'
import { image, rowsOf } from './support/rows.js'

const conv1d = operator('conv1d')
const conv2d = operator('conv2d')
const convTranspose1d = operator('convTranspose1d')
const convTranspose2d = operator('convTranspose2d')

/** Zeros between neighbours along every spatial axis of a [N, C, ...spatial] tensor: the signal-processing ↑stride. */
const stuffed = ({ data, shape }: Plain, stride: number, spatialAxes = shape.length - 2): Plain => {
  const size = shape.map((n, axis) => (axis < shape.length - spatialAxes ? n : (n - 1) * stride + 1))
  const result = plain(new Array<number>(size.reduce((a, b) => a * b, 1)).fill(0), size)
  data.forEach((value, index) => {
    let at = 0
    let step = 1
    let rest = index
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const position = rest % shape[axis]
      rest = Math.floor(rest / shape[axis])
      at += position * (axis < shape.length - spatialAxes ? 1 : stride) * step
      step *= size[axis]
    }
    result.data[at] = value
  })
  return result
}

/** Every stride-th sample of the last axis: the signal-processing ↓stride. */
const decimated = ({ data, shape }: Plain, stride: number): Plain => {
  const width = shape[shape.length - 1]
  const values = Array.from(data).filter((_, i) => (i % width) % stride === 0)
  return plain(values, [...shape.slice(0, -1), Math.ceil(width / stride)])
}

// V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning" (arXiv:1603.07285), figure 1.1; the
// same image and kernel are in Theano's convolution arithmetic tutorial.
const guideImage = image([
  [3, 3, 2, 1, 0],
  [0, 0, 1, 3, 1],
  [3, 1, 2, 2, 3],
  [2, 0, 0, 2, 2],
  [2, 0, 0, 0, 1],
])
const guideKernel = image([
  [0, 1, 2],
  [2, 2, 0],
  [0, 1, 2],
])
const guideResult = image([
  [12, 12, 17],
  [10, 17, 19],
  [9, 6, 14],
])

describe.each(backends)("Dumoulin and Visin's guide, %s", (backend) => {
  test('the convolution of figure 1.1', () => {
    expectExact(conv2d(guideImage, guideKernel, { backend }), guideResult, 'forward')
  })

  test('gradients of sums with respect to the kernel', () => {
    const gradient = conv2d.gradWeight(guideImage, [1, 1, 3, 3], ones([1, 1, 3, 3]), { backend })
    // The sum of the output weighs tap (u, v) with the sum of the 3×3 window of the image that starts at (u, v).
    expect(rowsOf(gradient)).toEqual([
      [15, 15, 15],
      [9, 11, 16],
      [10, 7, 12],
    ])
    // The sum of the transposed convolution weighs every tap with the sum of its input.
    const transposed = convTranspose2d.gradWeight(guideResult, [1, 1, 3, 3], ones([1, 1, 5, 5]), { backend })
    expect(Array.from(transposed.data)).toEqual(new Array(9).fill(116))
  })

  test('the im2col matrix, and the outer product whose col2im is the transposed convolution', () => {
    const columns = loose.im2col(guideImage, [3, 3])
    expect(columns.shape).toEqual([1, 9, 9])
    expect(rowsOf(columns)).toEqual([
      [3, 3, 2, 0, 0, 1, 3, 1, 2],
      [3, 2, 1, 0, 1, 3, 1, 2, 2],
      [2, 1, 0, 1, 3, 1, 2, 2, 3],
      [0, 0, 1, 3, 1, 2, 2, 0, 0],
      [0, 1, 3, 1, 2, 2, 0, 0, 2],
      [1, 3, 1, 2, 2, 3, 0, 2, 2],
      [3, 1, 2, 2, 0, 0, 2, 0, 0],
      [1, 2, 2, 0, 0, 2, 0, 0, 0],
      [2, 2, 3, 0, 2, 2, 0, 0, 1],
    ])
    const outer = Array.from(guideKernel.data).flatMap((w) => Array.from(guideResult.data).map((y) => w * y))
    expect(outer.slice(9, 18)).toEqual([12, 12, 17, 10, 17, 19, 9, 6, 14])
    const folded = loose.col2im(plain(outer, [1, 9, 9]), [5, 5], [3, 3])
    expectExact(folded, convTranspose2d(guideResult, guideKernel, { backend }), 'col2im')
  })

  test('the 4 × 16 matrix of a 3 × 3 kernel over a 4 × 4 image (section 4.1)', () => {
    const kernel = plain([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3])
    const { rows, cols, rowPtr, colIdx, values } = loose.convolutionMatrix(kernel, [1, 1, 4, 4])
    const dense = Array.from({ length: rows }, (_, row) => {
      const line = new Array<number>(cols).fill(0)
      for (let at = rowPtr[row]; at < rowPtr[row + 1]; at++) line[colIdx[at]] += values[at]
      return line
    })
    expect(dense).toEqual([
      [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0, 0],
      [0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0],
      [0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0],
      [0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9],
    ])
    const random = new Random(seed)
    const x = integers(random, [1, 1, 4, 4])
    const y = integers(random, [1, 1, 2, 2])
    const product = dense.map((line) => line.reduce((sum, w, i) => sum + w * x.data[i], 0))
    expectExact(conv2d(x, kernel, { backend }), plain(product, [1, 1, 2, 2]), 'C x')
    const transposed = dense[0].map((_, i) => dense.reduce((sum, line, row) => sum + line[i] * y.data[row], 0))
    expectExact(convTranspose2d(y, kernel, { backend }), plain(transposed, [1, 1, 4, 4]), 'C^T y')
  })

  test('p + p′ = k − 1: a transposed convolution is a direct one with the flipped kernel (relationship 8 and on)', () => {
    const random = new Random(seed)
    for (const [k, p] of [
      [3, 0],
      [3, 1],
      [4, 2],
      [5, 4],
    ]) {
      const y = integers(random, [1, 1, 6, 7])
      const kernel = integers(random, [1, 1, k, k])
      const direct = conv2d(y, kernel, { padding: k - 1 - p, flipKernel: true, backend })
      expectExact(convTranspose2d(y, kernel, { padding: p, backend }), direct, `k ${k}, p ${p}`)
    }
  })

  test('the remainder a = (i + 2p − k) mod s is the output padding that restores the size (relationship 14)', () => {
    for (let i = 5; i <= 12; i++) {
      for (const [k, s, p] of [
        [3, 2, 1],
        [4, 3, 0],
        [5, 4, 2],
      ]) {
        const a = (i + 2 * p - k) % s
        const features = conv1d.outputShape([1, 1, i], [1, 1, k], { stride: s, padding: p })
        const back = { stride: s, padding: p, outputPadding: a }
        expect(convTranspose1d.outputShape(features, [1, 1, k], back)).toEqual([1, 1, i])
      }
    }
  })

  test('half and full padding (section 2.2)', () => {
    expect(conv2d.outputShape([1, 1, 5, 5], [1, 1, 3, 3], { padding: 'half' })).toEqual([1, 1, 5, 5])
    expect(conv2d.outputShape([1, 1, 5, 5], [1, 1, 3, 3], { padding: 'full' })).toEqual([1, 1, 7, 7])
    // An even kernel under 'half' gives one more than the input, as in Theano.
    expect(conv2d.outputShape([1, 1, 5, 5], [1, 1, 4, 4], { padding: 'half' })).toEqual([1, 1, 6, 6])
  })
})

describe.each(backends)('framework documentation, %s', (backend) => {
  const small = image([
    [1, 2],
    [3, 4],
  ])

  test("TensorFlow's conv2d_transpose: stride 2, SAME, output 4 × 4", () => {
    // The full result is 5 × 5; TensorFlow's SAME drops its last row and column.
    const y = convTranspose2d(small, ones([1, 1, 3, 3]), { stride: 2, padding: 'same', outputShape: [4, 4], backend })
    expect(rowsOf(y)).toEqual([
      [1, 1, 3, 2],
      [1, 1, 3, 2],
      [4, 4, 10, 6],
      [3, 3, 7, 4],
    ])
  })

  test("PyTorch's ConvTranspose2d(3, stride=2, padding=1, output_padding=1) crops the other side of the same result", () => {
    const options = { stride: 2, padding: 1, outputPadding: 1, backend }
    const pyTorch = [
      [1, 3, 2, 2],
      [4, 10, 6, 6],
      [3, 7, 4, 4],
      [3, 7, 4, 4],
    ]
    expect(rowsOf(convTranspose2d(small, ones([1, 1, 3, 3]), options))).toEqual(pyTorch)
    const lower = { stride: 2, padding: 'same-lower', backend }
    expect(rowsOf(convTranspose2d(small, ones([1, 1, 3, 3]), lower))).toEqual(pyTorch)
  })

  test("TensorFlow's conv2d_transpose_test.py, testConv2DTransposeSame: ones everywhere, channels-last", () => {
    // x [2, 6, 4, 3], filter [3, 3, 2, 3], stride 2, SAME: 3 where one pixel reaches, 6 where two do, 12 where four do.
    const options = { stride: 2, padding: 'same', layout: 'channels-last', backend }
    const y = convTranspose2d(ones([2, 6, 4, 3]), ones([3, 3, 2, 3]), options)
    expect(y.shape).toEqual([2, 12, 8, 2])
    const wanted = ones(y.shape)
    for (let at = 0; at < wanted.data.length; at++) {
      const w = Math.floor(at / 2) % 8
      const h = Math.floor(at / 16) % 12
      const [hIn, wIn] = [h % 2 === 0 && h > 0 && h < 11, w % 2 === 0 && w > 0 && w < 7]
      wanted.data[at] = 3 + (hIn && wIn ? 9 : hIn || wIn ? 3 : 0)
    }
    expectExact(y, wanted, 'ones')
  })

  test("TensorFlow's conv2d_transpose_test.py, testConv2DTransposeSingleStride: corners 12, edges 18, inside 27", () => {
    const options = { padding: 'same', layout: 'channels-last', backend }
    const y = convTranspose2d(ones([2, 6, 4, 3]), ones([3, 3, 2, 3]), options)
    expect(y.shape).toEqual([2, 6, 4, 2])
    y.data.forEach((value, at) => {
      const w = Math.floor(at / 2) % 4
      const h = Math.floor(at / 8) % 6
      const edges = Number(w === 0 || w === 3) + Number(h === 0 || h === 5)
      expect(value).toBe([27, 18, 12][edges])
    })
  })

  test('DCGAN: (3, 64, 64) with kernel 4, stride 2, padding 1 gives 32, and back 64', () => {
    const options = { stride: 2, padding: 1 }
    expect(conv2d.outputShape([3, 64, 64], [8, 3, 4, 4], options)).toEqual([8, 32, 32])
    expect(convTranspose2d.outputShape([8, 32, 32], [8, 3, 4, 4], options)).toEqual([3, 64, 64])
  })

  test('VALID, SAME and FULL (notes on padding of tf.nn; scipy.signal.convolve)', () => {
    const sizes = (padding: string, stride: number): number[] =>
      conv1d.outputShape([1, 1, 13], [1, 1, 6], { padding, stride })
    // tf.nn's own example: 13 samples, 6 taps, stride 5; 'VALID' drops the last two samples, 'SAME' pads one before
    // and two behind.
    expect(sizes('valid', 5)).toEqual([1, 1, 2])
    expect(sizes('same', 5)).toEqual([1, 1, 3])
    expect(sizes('full', 1)).toEqual([1, 1, 18])
    const ramp = plain([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], [1, 1, 13])
    const y = conv1d(ramp, ones([1, 1, 6]), { padding: 'same', stride: 5, backend })
    expect(Array.from(y.data)).toEqual([1 + 2 + 3 + 4 + 5, 5 + 6 + 7 + 8 + 9 + 10, 10 + 11 + 12 + 13])
    const valid = conv1d(ramp, ones([1, 1, 6]), { padding: 'valid', stride: 5, backend })
    expect(Array.from(valid.data)).toEqual([21, 51])
  })

  test("PyTorch's example of ConvTranspose2d: output_size restores what a strided convolution rounded away", () => {
    // torch.nn.ConvTranspose2d: input 12 × 12, kernel 3, stride 2, padding 1: down to 6 × 6, up to output_size 12 × 12.
    const options = { stride: 2, padding: 1 }
    const down = conv2d.outputShape([1, 16, 12, 12], [16, 16, 3, 3], options)
    expect(down).toEqual([1, 16, 6, 6])
    expect(convTranspose2d.outputShape(down, [16, 16, 3, 3], options)).toEqual([1, 16, 11, 11])
    const sized = { ...options, outputShape: [12, 12] }
    expect(convTranspose2d.outputShape(down, [16, 16, 3, 3], sized)).toEqual([1, 16, 12, 12])
  })
})

describe.each(backends)('one matrix, three passes, %s', (backend) => {
  test.each([1, 2, 3])('forward and gradient of conv%id are gradient and forward of its transpose', (rank) => {
    const random = new Random(seed)
    const size = [9, 7, 6].slice(0, rank)
    const kernel = [3, 4, 2].slice(0, rank)
    const options = { stride: 2, padding: 1, dilation: 1, backend }
    const [conv, transpose] = [operatorOf('conv', rank), operatorOf('convTranspose', rank)]
    const x = integers(random, [2, 3, ...size])
    const w = integers(random, [4, 3, ...kernel])
    const y = integers(random, conv.outputShape(x.shape, w.shape, options))
    const up = { ...options, outputShape: size }
    expectExact(transpose(y, w, up), conv.gradInput(x.shape, w, y, options), 'convTranspose = gradient of conv')
    expectExact(transpose.gradInput(y.shape, w, x, up), conv(x, w, options), 'conv = gradient of convTranspose')
    const same = conv.gradWeight(x, w.shape, y, options)
    expectExact(transpose.gradWeight(y, w.shape, x, up), same, 'the same weight gradient')
  })

  test('asDirectConvolution: zero insertion, padding p′, flipped kernel (guide, chapter 4)', () => {
    // Relationship 13's example: 3 × 3 input, 3 × 3 kernel, stride 2, padding 1: stretched to 5 × 5, padded by p′ = 1
    // on both sides.
    const input = plain([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3])
    const kernel = plain([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3])
    const direct = loose.asDirectConvolution(input, kernel, { stride: 2, padding: 1 })
    expect(rowsOf(direct.input)).toEqual([
      [0, 0, 0, 0, 0, 0, 0],
      [0, 1, 0, 2, 0, 3, 0],
      [0, 0, 0, 0, 0, 0, 0],
      [0, 4, 0, 5, 0, 6, 0],
      [0, 0, 0, 0, 0, 0, 0],
      [0, 7, 0, 8, 0, 9, 0],
      [0, 0, 0, 0, 0, 0, 0],
    ])
    expect(Array.from(direct.weight.data)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1])
    const y = conv2d(direct.input, direct.weight, { ...direct.options, backend })
    expectExact(convTranspose2d(input, kernel, { stride: 2, padding: 1, backend }), y, 'direct')
  })
})

describe.each(backends)('signal processing, %s', (backend) => {
  // G. Strang, T. Nguyen, "Wavelets and Filter Banks", chapter 3: decimation and expansion as matrices, (↓ q)ᵀ = qᵀ ↑.
  const random = new Random(seed)
  const x = integers(random, [2, 3, 17])
  const w = integers(random, [4, 3, 5])

  test.each([2, 3, 4])('a convolution of stride %i is the decimated one of stride 1', (stride) => {
    const whole = conv1d(x, w, { padding: 2, backend })
    expectExact(conv1d(x, w, { padding: 2, stride, backend }), decimated(whole, stride), 'decimated')
  })

  test.each([2, 3, 4])('a transposed convolution of stride %i is zero-stuffing, then one of stride 1', (stride) => {
    const y = integers(random, [2, 4, 6])
    const whole = convTranspose1d(stuffed(y, stride), w, { backend })
    expectExact(convTranspose1d(y, w, { stride, backend }), whole, 'stuffed')
  })

  test('the same in two dimensions', () => {
    const y = integers(random, [1, 2, 4, 5])
    const kernel = integers(random, [2, 3, 3, 4])
    const whole = convTranspose2d(stuffed(y, 3), kernel, { padding: 1, backend })
    expectExact(convTranspose2d(y, kernel, { stride: 3, padding: 1, backend }), whole, 'stuffed')
  })

  test('(↓ q)ᵀ = qᵀ ↑: the transpose of filter-and-decimate is stuff-and-filter', () => {
    const y = integers(random, conv1d.outputShape(x.shape, w.shape, { stride: 2 }))
    const transposed = conv1d.gradInput(x.shape, w, y, { stride: 2, backend })
    expectExact(transposed, conv1d.gradInput(x.shape, w, stuffed(y, 2), { backend }), 'transposed')
  })

  test('convolution as in signal processing reverses the kernel: numpy.convolve([1, 2, 3], [0, 1, 0.5])', () => {
    const options = { padding: 'full', flipKernel: true, backend }
    const y = conv1d(plain([1, 2, 3], [1, 1, 3]), plain([0, 1, 0.5], [1, 1, 3]), options)
    expect(Array.from(y.data)).toEqual([0, 1, 2.5, 4, 1.5])
  })
})

test('layouts are permutations of one another', () => {
  const random = new Random(seed)
  const x = integers(random, [2, 3, 5, 4])
  const w = integers(random, [6, 3, 3, 2])
  const first = conv2d(x, w)
  const last = conv2d(permute(x, [0, 2, 3, 1]), permute(w, [2, 3, 1, 0]), { layout: 'channels-last' })
  expectExact(permute(last, [0, 3, 1, 2]), first, 'channels-last')
})
