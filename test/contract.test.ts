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
