/** The helpers against the operators and against definitions of their own, over random problems and at the edges. */

import { describe, expect, test } from 'vitest'
import { backends } from './support/backends.js'
import { expectClose, expectExact } from './support/compare.js'
import {
  caseCount,
  dot,
  floats,
  fromLayout,
  integers,
  permute,
  plain,
  product,
  Random,
  reals,
  seed,
  toLayout,
  toWeightLayout,
  type Layout,
  type Plain,
} from './support/data.js'
import { Definition, type Problem } from './support/definition.js'
import { loose, operatorOf } from './support/operators.js'
import { randomProblem, type Choice, type Drawn } from './support/problems.js'

const repeat = (count: number, body: (random: Random, at: string) => void): void => {
  for (let i = 0; i < caseCount(count); i++) {
    const at = `CONVKIT_SEED=${seed + i}`
    try {
      body(new Random(seed + i), at)
    } catch (error) {
      throw new Error(`${at}: ${(error as Error).message}`, { cause: error })
    }
  }
}

const repeatProblem = (count: number, choice: Choice, body: (drawn: Drawn, random: Random) => void): void => {
  repeat(count, (random) => {
    const drawn = randomProblem(random, choice)
    try {
      body(drawn, random)
    } catch (error) {
      throw new Error(`${drawn.text}: ${(error as Error).message}`, { cause: error })
    }
  })
}

describe('convolutionMatrix', () => {
  test('is a well-formed CSR matrix whose products are the operators, for every option', () => {
    repeatProblem(
      150,
      { maxWork: 60_000, batch: null },
      ({ problem, definition, layout, weightLayout, options }, random) => {
        const op = operatorOf(problem.family, problem.rank)
        const direct = problem.family === 'conv'
        // outputPadding and outputShape only choose the size of the image, which the matrix is told. An output
        // padding of a stride or more gives an image over which the direct convolution has more positions than the
        // call: there is no such matrix.
        const { outputPadding: _, outputShape: __, ...matrixOptions } = options
        if (!direct) {
          const spatial = definition.imageShape.slice(2)
          const { cin: cout, cout: cin } = problem
          const of = Definition.of({ ...problem, family: 'conv', spatial, cin, cout, options: matrixOptions })
          if (of?.outputShape.join() !== definition.inputShape.join()) return
        }
        const w = toWeightLayout(integers(random, definition.weightShape, problem.dtype), weightLayout)
        const x = toLayout(integers(random, definition.inputShape, problem.dtype), layout, problem.rank)
        const y = op(x, w, options)
        const { rows, cols, rowPtr, colIdx, values } = loose.convolutionMatrix(
          w,
          direct ? x.shape : y.shape,
          matrixOptions,
        )
        expect(rowPtr).toBeInstanceOf(Uint32Array)
        expect(colIdx).toBeInstanceOf(Uint32Array)
        expect(values.constructor).toBe(w.data.constructor)
        expect([rows, cols]).toEqual(
          direct ? [product(y.shape), product(x.shape)] : [product(x.shape), product(y.shape)],
        )
        expect([rowPtr.length, rowPtr[0], rowPtr[rows]]).toEqual([rows + 1, 0, colIdx.length])
        expect(values.length).toBe(colIdx.length)
        const result = floats('float64', y.data.length)
        for (let row = 0; row < rows; row++) {
          for (let at = rowPtr[row]; at < rowPtr[row + 1]; at++) {
            if (at > rowPtr[row] && colIdx[at] <= colIdx[at - 1]) throw new Error(`row ${row}: columns do not ascend`)
            if (direct) result[row] += values[at] * x.data[colIdx[at]]
            else result[colIdx[at]] += values[at] * x.data[row]
          }
        }
        expectExact(y, { data: result, shape: y.shape }, direct ? 'C x' : 'C^T y')
      },
    )
  })

  test('the batch is ignored, zeros of the weight are kept, duplicates of padding modes are summed', () => {
    const weight = plain([1, 0, 3], [1, 1, 3])
    const one = loose.convolutionMatrix(weight, [1, 1, 4], { padding: 1 })
    expect(one).toEqual(loose.convolutionMatrix(weight, [5, 1, 4], { padding: 1 }))
    expect(one).toEqual(loose.convolutionMatrix(weight, [1, 4], { padding: 1 }))
    expect([one.rows, one.cols]).toEqual([4, 4])
    expect(Array.from(one.rowPtr)).toEqual([0, 2, 5, 8, 10])
    expect(Array.from(one.colIdx)).toEqual([0, 1, 0, 1, 2, 1, 2, 3, 2, 3])
    expect(Array.from(one.values)).toEqual([0, 3, 1, 0, 3, 1, 0, 3, 1, 0])
    const folded = loose.convolutionMatrix(plain([1, 2, 4], [1, 1, 3]), [1, 1, 3], {
      padding: 1,
      paddingMode: 'replicate',
    })
    expect(Array.from(folded.colIdx)).toEqual([0, 1, 0, 1, 2, 1, 2])
    expect(Array.from(folded.values)).toEqual([3, 4, 1, 2, 4, 1, 6])
  })

  test("other groups' blocks are absent, and rows and columns follow the layout", () => {
    const weight = plain([1, 2], [2, 1, 1], 'float64')
    const first = loose.convolutionMatrix(weight, [1, 2, 2], { groups: 2 })
    expect(first.values).toEqual(new Float64Array([1, 1, 2, 2]))
    expect(Array.from(first.colIdx)).toEqual([0, 1, 2, 3])
    const options = { groups: 2, layout: 'channels-last', weightLayout: 'channels-first' }
    const last = loose.convolutionMatrix(weight, [1, 2, 2], options)
    expect(last.values).toEqual(new Float64Array([1, 2, 1, 2]))
  })
})

describe.each(backends)('asDirectConvolution, %s', (backend) => {
  test('equals the transposed convolution, for every option', () => {
    repeatProblem(
      150,
      { family: 'convTranspose' },
      ({ problem, definition, layout, weightLayout, options }, random) => {
        const w = toWeightLayout(integers(random, definition.weightShape, problem.dtype), weightLayout)
        const x = toLayout(integers(random, definition.inputShape, problem.dtype), layout, problem.rank)
        const extra = random.chance(0.5)
          ? { bias: integers(random, [problem.cout], problem.dtype).data, activation: 'relu' }
          : {}
        const y = operatorOf('convTranspose', problem.rank)(x, w, { ...options, ...extra, backend })
        const direct = loose.asDirectConvolution(x, w, { ...options, ...extra })
        for (const key of ['stride', 'padding', 'outputPadding', 'outputShape', 'flipKernel']) {
          const value = direct.options[key]
          const neutral = [undefined, key === 'stride' ? 1 : key === 'flipKernel' ? false : 0]
          const entries = Array.isArray(value) ? (value as unknown[]).flat() : [value]
          if (!entries.every((entry) => neutral.includes(entry as number)))
            throw new Error(`${key} is ${String(value)}`)
        }
        expectExact(
          operatorOf('conv', problem.rank)(direct.input, direct.weight, { ...direct.options, backend }),
          y,
          'direct',
        )
      },
    )
  })
})

/** Every sample `factor` times along each spatial axis of a channels-first tensor. */
const nearest = (x: Plain, factor: readonly number[]): Plain => {
  const rank = factor.length
  const lead = x.shape.length - rank
  const shape = x.shape.map((n, axis) => (axis < lead ? n : n * factor[axis - lead]))
  const data = floats('float64', product(shape))
  for (let i = 0; i < data.length; i++) {
    let [rest, at, step] = [i, 0, 1]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const position = rest % shape[axis]
      rest = Math.floor(rest / shape[axis])
      at += step * (axis < lead ? position : Math.floor(position / factor[axis - lead]))
      step *= x.shape[axis]
    }
    data[i] = x.data[at]
  }
  return { data, shape }
}

describe.each(backends)('upsampleAsTranspose, %s', (backend) => {
  test('equals nearest upsampling, then the convolution: borders, factors per axis, dilation, groups, layouts, paddings', () => {
    let checked = 0
    repeat(400, (random) => {
      const rank = random.pick([1, 2, 2, 3])
      const factor = Array.from({ length: rank }, () => random.int(1, 4))
      const dilation = random.chance(0.5) ? new Array<number>(rank).fill(1) : factor.map(() => random.int(1, 2))
      const kernel = factor.map(() => random.int(1, 4))
      const eff = kernel.map((k, axis) => dilation[axis] * (k - 1) + 1)
      const pairs = eff.map((e) => [random.int(0, e - 1), random.int(0, e - 1)])
      const padding = random.pick<unknown>([undefined, 'same', 'same-lower', 'valid', 'full', 0, pairs])
      const groups = random.pick([1, 1, 2])
      const options = {
        ...(padding === undefined ? {} : { padding }),
        ...(dilation.every((d) => d === 1) ? {} : { dilation }),
        ...(groups > 1 ? { groups } : {}),
        ...(random.chance(0.3) ? { flipKernel: true } : {}),
      }
      const [cin, cout] = [groups * random.int(1, 3), groups * random.int(1, 3)]
      const spatial = factor.map(() => random.int(1, 6))
      const x = integers(random, [2, cin, ...spatial])
      const w = integers(random, [cout, cin / groups, ...kernel])
      const direct: Problem = {
        family: 'conv',
        rank,
        dtype: 'float32',
        batch: 2,
        groups,
        cin,
        cout,
        kernel,
        spatial: spatial.map((n, axis) => n * factor[axis]),
        options: { padding: 'same', ...options },
      }
      const definition = Definition.of(direct)
      if (definition === undefined) return
      checked++
      const layout = random.pick<Layout>(['channels-first', 'channels-last'])
      const weightLayout = random.pick<Layout>(['channels-first', 'channels-last'])
      const uniform = factor.every((f) => f === factor[0]) && random.chance(0.5)
      const up = loose.upsampleAsTranspose(toWeightLayout(w, weightLayout), uniform ? factor[0] : factor, {
        ...options,
        layout,
        weightLayout,
      })
      const y = operatorOf('convTranspose', rank)(toLayout(x, layout, rank), up.weight, { ...up.options, backend })
      const wanted = definition.forward(nearest(x, factor), w)
      expectExact(fromLayout(y, layout, rank), wanted, JSON.stringify({ factor, kernel, spatial, layout, ...options }))
    })
    expect(checked).toBeGreaterThan(caseCount(400) / 2)
  })

  test('has eff + factor − 1 taps', () => {
    const { weight } = loose.upsampleAsTranspose(integers(new Random(seed), [4, 3, 3, 5]), [2, 3], { dilation: [2, 1] })
    expect(weight.shape).toEqual([3, 4, 5 + 2 - 1, 5 + 3 - 1])
  })
})

describe('im2col and col2im', () => {
  /** torch.nn.Unfold by definition: [N, C · taps, positions], zeros outside the image. */
  const unfold = (
    x: Plain,
    kernel: readonly number[],
    [stride, dilation, begin, end]: readonly (readonly number[])[],
  ): Plain => {
    const rank = kernel.length
    const size = x.shape.slice(-rank)
    const channels = x.shape[x.shape.length - rank - 1]
    const images = x.shape.length > rank + 1 ? x.shape[0] : 1
    const positions = size.map(
      (n, a) => Math.floor((n + begin[a] + end[a] - dilation[a] * (kernel[a] - 1) - 1) / stride[a]) + 1,
    )
    const [taps, columns] = [product(kernel), product(positions)]
    const unflatten = (index: number, shape: readonly number[]): number[] =>
      shape.map((n, axis) => Math.floor(index / product(shape.slice(axis + 1))) % n)
    const data: number[] = []
    for (let plane = 0; plane < images * channels; plane++) {
      for (let tap = 0; tap < taps; tap++) {
        const t = unflatten(tap, kernel)
        for (let column = 0; column < columns; column++) {
          const at = unflatten(column, positions).map((p, a) => p * stride[a] + t[a] * dilation[a] - begin[a])
          const inside = at.every((p, a) => p >= 0 && p < size[a])
          const flat = at.reduce((sum, p, a) => sum * size[a] + p, 0)
          data.push(inside ? x.data[plane * product(size) + flat] : 0)
        }
      }
    }
    return plain(data, [...(x.shape.length > rank + 1 ? [images] : []), channels * taps, columns], 'float64')
  }

  test('im2col is torch.nn.Unfold, and col2im its exact adjoint', () => {
    let checked = 0
    repeat(200, (random) => {
      const rank = random.pick([1, 2, 3])
      const axes = (low: number, high: number): number[] => Array.from({ length: rank }, () => random.int(low, high))
      const [spatial, kernel, stride, dilation, begin, end] = [
        axes(1, 7),
        axes(1, 3),
        axes(1, 3),
        axes(1, 2),
        axes(0, 2),
        axes(0, 2),
      ]
      if (spatial.some((n, a) => n + begin[a] + end[a] < dilation[a] * (kernel[a] - 1) + 1)) return
      checked++
      const lead = random.chance(0.3) ? [] : [random.int(1, 2)]
      const dtype = random.pick(['float32', 'float64'] as const)
      const x = integers(random, [...lead, random.int(1, 3), ...spatial], dtype)
      const options = { stride, dilation, padding: begin.map((b, a) => [b, end[a]]) }
      const columns = loose.im2col(x, kernel, options)
      expect(columns.data.constructor).toBe(x.data.constructor)
      expectExact(columns, unfold(x, kernel, [stride, dilation, begin, end]), 'im2col')
      const y = integers(random, columns.shape, dtype)
      const image = loose.col2im(y, spatial, kernel, options)
      expect(image.shape).toEqual(x.shape)
      expect(dot(columns, y)).toBe(dot(x, image))
    })
    expect(checked).toBeGreaterThan(caseCount(200) / 3)
  })

  test('defaults: stride 1, dilation 1, padding 0; a product with the kernel is the convolution', () => {
    const random = new Random(seed)
    const x = integers(random, [1, 2, 5, 4])
    const w = integers(random, [3, 2, 2, 3])
    const columns = loose.im2col(x, [2, 3])
    expect(columns.shape).toEqual([1, 12, 8])
    const wanted = floats('float64', 24)
    for (let o = 0; o < 3; o++) {
      for (let row = 0; row < 12; row++) {
        for (let p = 0; p < 8; p++) wanted[o * 8 + p] += w.data[o * 12 + row] * columns.data[row * 8 + p]
      }
    }
    expectExact(operatorOf('conv', 2)(x, w), { data: wanted, shape: [1, 3, 4, 2] }, 'GEMM')
  })
})

describe.each(backends)('bilinearWeight, %s', (backend) => {
  test('shapes, defaults and layouts', () => {
    expect(loose.bilinearWeight(4, 3).weight.shape).toEqual([4, 1, 5, 5])
    expect(loose.bilinearWeight(4, [2]).weight.shape).toEqual([4, 1, 4])
    expect(loose.bilinearWeight(4, [2, 3, 1], { groups: 2 }).weight.shape).toEqual([4, 2, 4, 5, 1])
    expect(loose.bilinearWeight(4, 2, { layout: 'channels-last' }).weight.shape).toEqual([4, 4, 1, 4])
    expect(loose.bilinearWeight(1, 2).weight.data).toBeInstanceOf(Float32Array)
    expect(loose.bilinearWeight(1, 2, { dtype: 'float64' }).weight.data).toBeInstanceOf(Float64Array)
  })

  test('keeps channels apart whatever the groups, in both layouts', () => {
    const random = new Random(seed)
    const x = reals(random, [2, 4, 3, 5], 'float64')
    const results = [4, 2, 1].flatMap((groups) =>
      (['channels-first', 'channels-last'] as const).map((layout) => {
        const { weight, options } = loose.bilinearWeight(4, [2, 3], { groups, dtype: 'float64', layout })
        const y = operatorOf('convTranspose', 2)(toLayout(x, layout, 2), weight, { ...options, backend })
        return fromLayout(y, layout, 2)
      }),
    )
    expect(results[0].shape).toEqual([2, 4, 6, 15])
    for (const other of results.slice(1)) expectClose(other, results[0], 'groups', { terms: 100 })
  })

  test('factor 1 is the identity', () => {
    const x = reals(new Random(seed), [1, 2, 3, 4])
    const { weight, options } = loose.bilinearWeight(2, 1)
    expectExact(operatorOf('convTranspose', 2)(x, weight, { ...options, backend }), x, 'identity')
    expectExact(permute(permute(x, [0, 2, 3, 1]), [0, 3, 1, 2]), x, 'permute')
  })
})
