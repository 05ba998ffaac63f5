/** Every name and value of the public contract, called as it is written there, with the precise types. */

import { describe, expect, expectTypeOf, test } from 'vitest'
import * as convkit from '../lib/index.js'
import * as promises from '../lib/promises.js'
import * as reference from '../lib/reference.js'
import { backends } from './support/backends.js'
import { expectExact } from './support/compare.js'
import { integers, ones, plain, Random, seed } from './support/data.js'
import { errorOf } from './support/errors.js'
import { operator, operatorNames } from './support/operators.js'

const random = new Random(seed)
const x = integers(random, [2, 4, 6, 5])
const w = integers(random, [6, 4, 3, 3])

describe('entry points', () => {
  const helpers = [
    'im2col',
    'col2im',
    'convolutionMatrix',
    'asDirectConvolution',
    'upsampleAsTranspose',
    'bilinearWeight',
  ]
  const tensors = ['Tensor', 'tensor', 'zeros']
  const members = ['gradInput', 'gradWeight']

  test('convkit', () => {
    const names: Record<string, unknown> = { ...convkit }
    for (const name of [...operatorNames, 'gradBias', ...helpers, ...tensors, 'info', 'setThreads']) {
      expect(names[name], name).toBeTypeOf('function')
    }
    for (const name of operatorNames) {
      for (const member of [...members, 'outputShape', 'plan', 'prepare']) {
        expect((operator(name) as unknown as Record<string, unknown>)[member], `${name}.${member}`).toBeTypeOf(
          'function',
        )
      }
    }
  })

  test('convkit/promises', () => {
    const names: Record<string, unknown> = { ...promises }
    for (const name of [...operatorNames, 'gradBias']) expect(names[name], name).toBeTypeOf('function')
    for (const name of operatorNames) {
      const op = names[name] as Record<string, unknown>
      for (const member of members) expect(op[member], `${name}.${member}`).toBeTypeOf('function')
    }
  })

  test('convkit/reference: the same without native code', async () => {
    const names: Record<string, unknown> = { ...reference }
    for (const name of [...operatorNames, 'gradBias', ...helpers, ...tensors]) {
      expect(names[name], name).toBeTypeOf('function')
    }
    for (const name of operatorNames) {
      const op = names[name] as Record<string, unknown>
      for (const member of [...members, 'outputShape', 'plan', 'prepare']) {
        expect(op[member], `${name}.${member}`).toBeTypeOf('function')
      }
    }
    const wanted = convkit.conv2d(x, w)
    expectExact(reference.conv2d(x, w), wanted, 'forward')
    expectExact(reference.conv2d(x, w, { backend: 'typescript' }), wanted, 'forward')
    const error = errorOf(() => reference.conv2d(x, w, { backend: 'native' }))
    expect(error).toMatchObject({ name: 'Error', code: 'ERR_CONVKIT_BACKEND' })
    const prepared = reference.conv2d.prepare(w)
    let later = true
    const pending = prepared.async(x).then((y) => {
      expect(later).toBe(false)
      return y
    })
    later = false
    expectExact(await pending, wanted, 'prepared.async')
    prepared.dispose()
    expect(reference.conv2d.plan([1, 4, 6, 5], [6, 4, 3, 3]).outputShape).toEqual([1, 6, 4, 3])
  })
})

describe('tensors', () => {
  test('tensor, zeros and the members of Tensor', () => {
    const data = new Float32Array([1, 2, 3, 4, 5, 6])
    const t = convkit.tensor(data, [2, 3])
    expect(t).toBeInstanceOf(convkit.Tensor)
    expect(t.data).toBe(data)
    expect(t.shape).toEqual([2, 3])
    expect(Object.isFrozen(t.shape)).toBe(true)
    expect([t.dtype, t.rank, t.size]).toEqual(['float32', 2, 6])
    expect(t.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ])
    const reshaped = t.reshape([3, -1])
    expect(reshaped.shape).toEqual([3, 2])
    expect(reshaped.data).toBe(data)
    expect(t.reshape([-1]).shape).toEqual([6])

    const doubles = convkit.tensor(new Float64Array(4), [2, 2])
    expect([doubles.dtype, doubles.data]).toEqual(['float64', new Float64Array(4)])
    const list = convkit.tensor([1, 2.5], [2])
    expect(list.data).toEqual(new Float32Array([1, 2.5]))
    expect(convkit.tensor([7], []).toArray()).toBe(7)
    expect(convkit.zeros([2, 1]).data).toEqual(new Float32Array(2))
    expect(convkit.zeros([3], 'float64').data).toEqual(new Float64Array(3))
    expect(convkit.zeros([0, 3]).size).toBe(0)
    expect(convkit.zeros([2, 1, 2]).toArray()).toEqual([[[0, 0]], [[0, 0]]])
  })

  test('the shape is copied: the array it came from may change', () => {
    const shape = [2, 3]
    const t = convkit.tensor(new Float32Array(6), shape)
    shape[0] = 99
    expect(t.shape).toEqual([2, 3])
    expect(Object.isFrozen(shape)).toBe(false)
  })

  test('operators take { data, shape } and { data, dims }; shape wins', () => {
    const wanted = convkit.conv2d(x, w)
    expect(wanted).toBeInstanceOf(convkit.Tensor)
    const dims = { data: x.data, dims: x.shape, type: 'float32', size: 240 }
    expectExact(convkit.conv2d(dims, { data: w.data, dims: w.shape }), wanted, 'dims')
    expectExact(convkit.conv2d({ data: x.data, shape: x.shape, dims: [1] }, w), wanted, 'shape wins')
  })

  test('types', () => {
    const y = convkit.conv2d(x, w)
    expectTypeOf(y).toEqualTypeOf<convkit.Tensor>()
    expectTypeOf(convkit.conv2d.outputShape).returns.toEqualTypeOf<number[]>()
    expectTypeOf(promises.conv2d(x, w)).resolves.toEqualTypeOf<convkit.Tensor>()
    expectTypeOf(y.dtype).toEqualTypeOf<'float32' | 'float64'>()
  })
})

describe.each(backends)('options, %s', (backend) => {
  const y = (options: Record<string, unknown>) => operator('conv2d')(x, w, { ...options, backend })
  const up = (options: Record<string, unknown>) =>
    operator('convTranspose2d')(x, w.shape[0] === 6 ? kernel : w, { ...options, backend })
  const kernel = integers(random, [4, 3, 3, 3])

  test.each([
    ['stride', [1, 2, [1, 1], [3, 2]]],
    ['dilation', [1, 2, [1, 2]]],
    [
      'padding',
      [
        0,
        2,
        [1, 0],
        [
          [1, 2],
          [0, 0],
        ],
        'valid',
        'same',
        'same-lower',
        'full',
        'half',
        'causal',
      ],
    ],
    ['paddingMode', ['zeros', 'reflect', 'replicate', 'circular']],
    ['groups', [1]],
    ['flipKernel', [true, false]],
    ['layout', ['channels-first']],
    ['weightLayout', ['channels-first']],
    ['algorithm', ['auto', 'im2col']],
    [
      'bias',
      [new Float32Array(6), { data: new Float32Array(6), shape: [6] }, { data: new Float32Array(6), dims: [6] }],
    ],
    [
      'activation',
      [
        'linear',
        'relu',
        'relu6',
        'sigmoid',
        'tanh',
        'silu',
        'hard-sigmoid',
        'hard-swish',
        { type: 'leaky-relu', slope: 0.1 },
        { type: 'elu', alpha: 1 },
        { type: 'prelu', slope: new Float32Array(6) },
        { type: 'clip', min: -1, max: 1 },
        { type: 'clip', min: -Infinity, max: Infinity },
        { type: 'clip', min: 2, max: 2 },
      ],
    ],
    ['out', [new Float32Array(2 * 6 * 4 * 3)]],
  ])('conv2d takes every value of %s', (key, values) => {
    for (const value of values) {
      const result = y({ [key]: value })
      expect(result.shape.slice(0, 2), `${key}: ${String(value)}`).toEqual([2, 6])
      expect(operator('conv2d').outputShape(x.shape, w.shape, { [key]: value })).toEqual(result.shape)
      expect(operator('conv2d').plan(x.shape, w.shape, { [key]: value, backend }).outputShape).toEqual(result.shape)
    }
  })

  test.each([
    ['stride', [2, [3, 1]]],
    ['dilation', [2, [1, 2]]],
    [
      'padding',
      [
        0,
        1,
        [1, 0],
        [
          [1, 2],
          [0, 0],
        ],
        'valid',
        'same',
        'same-lower',
        'full',
        'half',
      ],
    ],
    ['outputPadding', [0, [0, 0]]],
    ['outputShape', [[8, 7]]],
    ['flipKernel', [true, false]],
    ['activation', ['relu', { type: 'prelu', slope: new Float32Array(3) }]],
    ['bias', [new Float32Array(3)]],
  ])('convTranspose2d takes every value of %s', (key, values) => {
    for (const value of values) expect(up({ [key]: value }).shape.slice(0, 2)).toEqual([2, 3])
    expect(up({ stride: 2, outputPadding: [1, 0] }).shape).toEqual([2, 3, 14, 11])
    expect(up({ stride: 2, padding: 'same', outputShape: [11, 10] }).shape).toEqual([2, 3, 11, 10])
  })

  test('outputShape may be one number for all axes', () => {
    const square = integers(random, [1, 4, 5, 5])
    expect(operator('convTranspose2d').outputShape(square.shape, kernel.shape, { stride: 2, outputShape: 12 })).toEqual(
      [1, 3, 12, 12],
    )
  })

  test('layout and weightLayout; the weight follows the layout unless it has its own', () => {
    const input = integers(random, [2, 6, 5, 4])
    const hwio = integers(random, [3, 3, 4, 6])
    const result = operator('conv2d')(input, hwio, { layout: 'channels-last', backend })
    expect(result.shape).toEqual([2, 4, 3, 6])
    const mixed = operator('conv2d')(input, w, { layout: 'channels-last', weightLayout: 'channels-first', backend })
    expect(mixed.shape).toEqual([2, 4, 3, 6])
    const hwoi = integers(random, [3, 3, 2, 4])
    const transposed = operator('convTranspose2d')(input, hwoi, { layout: 'channels-last', stride: 2, backend })
    expect(transposed.shape).toEqual([2, 13, 11, 2])
  })

  test('−0 counts as 0, undefined as absent', () => {
    const options = { padding: -0, stride: undefined, bias: undefined, outputPadding: undefined }
    expect(operator('convTranspose2d')(x, kernel, { ...options, backend }).shape).toEqual([2, 3, 8, 7])
    expect(operator('conv2d')(x, w, undefined).shape).toEqual([2, 6, 4, 3])
  })

  test('unbatched calls give unbatched results, gradients too', () => {
    const one = { data: x.data.subarray(0, 120), shape: [4, 6, 5] }
    const result = operator('conv2d')(one, w, { backend })
    expect(result.shape).toEqual([6, 4, 3])
    expect(operator('conv2d').outputShape([4, 6, 5], w.shape)).toEqual([6, 4, 3])
    expect(operator('conv2d').gradInput([4, 6, 5], w, result, { backend }).shape).toEqual([4, 6, 5])
    expect(operator('conv2d').gradWeight(one, w.shape, result, { backend }).shape).toEqual(w.shape)
  })

  test('the batch may be 0: an empty result, a zero gradWeight', () => {
    for (const options of [{ backend }, { backend, bias: new Float32Array(6), activation: 'relu' }]) {
      const empty = operator('conv2d')({ data: new Float32Array(0), shape: [0, 4, 6, 5] }, w, options)
      expect([empty.shape, empty.data.length]).toEqual([[0, 6, 4, 3], 0])
    }
    const nothing = { data: new Float32Array(0), shape: [0, 6, 4, 3] }
    const input = { data: new Float32Array(0), shape: [0, 4, 6, 5] }
    expect(operator('conv2d').gradInput([0, 4, 6, 5], w, nothing, { backend }).shape).toEqual([0, 4, 6, 5])
    const out = new Float32Array(w.data.length).fill(NaN)
    const gradient = operator('conv2d').gradWeight(input, w.shape, nothing, { backend, out })
    expect(gradient.shape).toEqual(w.shape)
    expect(gradient.data.every((value) => value === 0)).toBe(true)
    expect(convkit.gradBias(nothing, { backend }).toArray()).toEqual([0, 0, 0, 0, 0, 0])
    const transposed = operator('convTranspose2d')({ data: new Float32Array(0), shape: [0, 4, 6, 5] }, kernel, {
      backend,
    })
    expect(transposed.shape).toEqual([0, 3, 8, 7])
    expect(operator('conv2d').plan([0, 4, 6, 5], w.shape, { backend }).flops).toBe(0)
  })

  test('the message of a wrong weight, word for word', () => {
    const call = (): unknown => operator('conv2d')(ones([1, 4, 5, 5]), ones([8, 3, 3, 3]), { backend })
    expect(errorOf(call)).toMatchObject({
      name: 'RangeError',
      code: 'ERR_CONVKIT_SHAPE',
      message:
        'conv2d: weight has 3 input channels per group, but input has 4 channels in 1 group ' +
        '(expected weight shape [8, 4, 3, 3], received [8, 3, 3, 3])',
    })
  })

  test('the common slips behind channels that disagree are named', () => {
    const message = (name: 'conv2d' | 'convTranspose2d', x: number[], w: number[], options = {}): string =>
      errorOf(() => operator(name)(ones(x), ones(w), { backend, ...options }))?.message ?? ''
    expect(message('conv2d', [1, 9, 8, 3], [3, 3, 3, 8])).toMatch(/wants layout: 'channels-last'$/)
    expect(message('conv2d', [1, 3, 8, 9], [3, 3, 3, 8], { layout: 'channels-last' })).toMatch(/'channels-first'$/)
    expect(message('convTranspose2d', [1, 3, 9, 9], [8, 3, 4, 4])).toMatch(
      /: \[Cin, Cout\/groups, \.\.\.k\], channels-last/,
    )
    expect(message('convTranspose2d', [1, 4, 9, 9], [8, 3, 4, 4])).toMatch(/received \[8, 3, 4, 4\]\)$/)
  })
})

describe('gradBias, info, setThreads', () => {
  test.each(backends)('gradBias: rank 3 to 5, both layouts, out, %s', (backend) => {
    for (const shape of [
      [2, 3, 4],
      [2, 3, 4, 5],
      [2, 3, 4, 5, 2],
    ]) {
      const g = ones(shape)
      const each = g.data.length / 3
      expect(convkit.gradBias(g, { backend }).toArray()).toEqual([each, each, each])
    }
    const out = new Float32Array(4)
    const last = convkit.gradBias(ones([2, 3, 4]), { layout: 'channels-last', backend, out })
    expect(last.data).toBe(out)
    expect(last.toArray()).toEqual([6, 6, 6, 6])
    expect(convkit.gradBias(ones([1, 2, 3], 'float64')).dtype).toBe('float64')
  })

  test('info tells what runs', () => {
    const info = convkit.info()
    expect(info.version).toMatch(/^\d+\.\d+\.\d+/)
    expect(['native', 'typescript']).toContain(info.backend)
    expect(info.isa).toBeTypeOf('string')
    expect(Array.isArray(info.isas)).toBe(true)
    expect(Number.isInteger(info.threads) && info.threads >= 1).toBe(true)
    expect(info.algorithms).toEqual(expect.arrayContaining(['im2col']))
    if (info.backend === 'native') {
      expect(info.binary).toBeTypeOf('string')
      expect(info.isas).toContain(info.isa)
    } else expect(info.reason).toBeTypeOf('string')
  })

  test('setThreads: 1 to 1024, and the bits stay', () => {
    const before = convkit.info().threads
    const wanted = convkit.conv2d(x, w)
    for (const n of [1, 2, 3, 1024]) {
      convkit.setThreads(n)
      expect(convkit.info().threads).toBe(n)
      expectExact(convkit.conv2d(x, w), wanted, `${n} threads`)
    }
    convkit.setThreads(before)
    for (const n of [0, 1025, 1.5, -1, NaN, '2', null, undefined, 2n]) {
      expect(
        errorOf(() => {
          convkit.setThreads(n as never)
        }),
        String(n),
      ).toMatchObject({ code: 'ERR_CONVKIT_OPTION' })
    }
    expect(convkit.info().threads).toBe(before)
  })
})

describe('helpers as written in the contract', () => {
  test('im2col and col2im', () => {
    const columns = convkit.im2col(x, [3, 3], { stride: 1, dilation: [1, 1], padding: 1 })
    expect(columns.shape).toEqual([2, 36, 30])
    expect(convkit.col2im(columns, [6, 5], [3, 3], { padding: 1 }).shape).toEqual([2, 4, 6, 5])
    const one = convkit.im2col({ data: x.data.subarray(0, 120), shape: [4, 6, 5] }, [3, 3])
    expect(one.shape).toEqual([36, 12])
    expect(convkit.col2im(one, [6, 5], [3, 3]).shape).toEqual([4, 6, 5])
    for (const padding of ['valid', 'same', 'same-lower', 'full', 'half'] as const) {
      const { shape } = convkit.im2col(x, [3, 3], { padding })
      expect(shape[2]).toBe(
        operator('conv2d')
          .outputShape(x.shape, w.shape, { padding })
          .slice(2)
          .reduce((a, b) => a * b),
      )
    }
  })

  test('convolutionMatrix', () => {
    const matrix = convkit.convolutionMatrix(w, [4, 6, 5], { stride: 2, padding: 'same', paddingMode: 'circular' })
    expect([matrix.rows, matrix.cols]).toEqual([6 * 3 * 3, 4 * 6 * 5])
    expect(convkit.convolutionMatrix(w, [9, 4, 6, 5]).rows).toBe(6 * 4 * 3)
  })

  test('asDirectConvolution, upsampleAsTranspose, bilinearWeight', () => {
    const kernel = integers(random, [4, 3, 3, 3])
    const bias = new Float32Array([1, 2, 3])
    const { input, weight, options } = convkit.asDirectConvolution(x, kernel, { stride: 2, bias, activation: 'relu' })
    const wanted = convkit.convTranspose2d(x, kernel, { stride: 2, bias, activation: 'relu' })
    expectExact(convkit.conv2d(input, weight, options), wanted, 'asDirectConvolution')
    const up = convkit.upsampleAsTranspose(w, 2, { padding: 'same', dilation: 1, groups: 1, flipKernel: false })
    expect(convkit.convTranspose2d(x, up.weight, up.options).shape).toEqual([2, 6, 12, 10])
    const bilinear = convkit.bilinearWeight(4, [2, 2], { groups: 4, dtype: 'float32', layout: 'channels-first' })
    expect(convkit.convTranspose2d(x, bilinear.weight, bilinear.options).shape).toEqual([2, 4, 12, 10])
  })

  test('a depthwise kernel of TensorFlow is the same memory reshaped', () => {
    const kernel = convkit.tensor(integers(random, [3, 3, 4, 2]).data, [3, 3, 4, 2]).reshape([3, 3, 1, 8])
    const y = convkit.conv2d(plain(new Array<number>(100).fill(1), [1, 5, 5, 4]), kernel, {
      groups: 4,
      layout: 'channels-last',
    })
    expect(y.shape).toEqual([1, 3, 3, 8])
  })
})
