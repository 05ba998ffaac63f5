/** How options are read: inapplicable keys, own enumerable keys only, each once, before any operand; getters that throw. */

import { describe, expect, test } from 'vitest'
import { integers, ones, Random, seed } from './support/data.js'
import { errorOf, expectTyped } from './support/errors.js'
import { loose, operator, type OperatorName } from './support/operators.js'

const random = new Random(seed)
const x = integers(random, [2, 4, 6, 5])
const w = integers(random, [6, 4, 3, 3])
const kernel = integers(random, [4, 3, 3, 3])
const g = integers(random, [2, 6, 4, 3])
const conv2d = operator('conv2d')
const option = 'ERR_CONVKIT_OPTION'

describe('keys that do not apply, even with their default value', () => {
  const backends = { gradInput: 'gradInput', gradWeight: 'gradWeight' } as const
  const call = (name: OperatorName, member: string, options: Record<string, unknown>): (() => unknown) => {
    const op = operator(name)
    const weight = name === 'conv2d' ? w : kernel
    const gradOutput = { data: new Float32Array(0), shape: [] }
    if (member === backends.gradInput) return () => op.gradInput(x.shape, weight, gradOutput, options)
    if (member === backends.gradWeight) return () => op.gradWeight(x, weight.shape, gradOutput, options)
    if (member === 'outputShape') return () => op.outputShape(x.shape, weight.shape, options)
    if (member === 'plan') return () => op.plan(x.shape, weight.shape, options)
    if (member === 'prepare') return () => op.prepare(weight, options)
    return () => op(x, weight, options)
  }
  const everywhere = ['', 'gradInput', 'gradWeight', 'outputShape', 'plan', 'prepare']
  const rows: [OperatorName, string[], Record<string, unknown>][] = [
    ['conv2d', everywhere, { outputPadding: 0 }],
    ['conv2d', everywhere, { outputShape: [4, 3] }],
    ['convTranspose2d', everywhere, { paddingMode: 'zeros' }],
    ['conv2d', ['gradInput', 'gradWeight'], { bias: new Float32Array(6) }],
    ['conv2d', ['gradInput', 'gradWeight'], { activation: 'linear' }],
    ['convTranspose2d', ['gradInput', 'gradWeight'], { activation: 'linear' }],
    ['conv2d', ['prepare'], { out: new Float32Array(144) }],
    ['conv2d', ['', 'gradInput', 'gradWeight', 'prepare', 'outputShape'], { pass: 'forward' }],
    ['conv2d', ['', 'gradInput', 'gradWeight', 'prepare', 'outputShape'], { dtype: 'float32' }],
    ['conv2d', everywhere, { signal: new AbortController().signal }],
    ['conv2d', everywhere, { inputShape: [1] }],
    ['conv2d', everywhere, { '': 1 }],
    ['conv2d', everywhere, { __proto__: null, constructor: 1 }],
  ]
  test.each(rows)('%s%j %o', (name, members, options) => {
    const key = Object.keys(options)[0]
    for (const member of members) {
      const error = expectTyped(errorOf(call(name, member, options)), `${name}.${member} ${key}`)
      expect(error.code, error.message).toBe(option)
      expect(error.message).toContain(key)
    }
  })

  test('helpers and gradBias', () => {
    const calls: [string, () => unknown][] = [
      ['algorithm', () => loose.gradBias(g, { algorithm: 'auto' })],
      ['stride', () => loose.gradBias(g, { stride: 1 })],
      ['groups', () => loose.im2col(x, [3, 3], { groups: 1 })],
      ['layout', () => loose.im2col(x, [3, 3], { layout: 'channels-first' })],
      ['paddingMode', () => loose.im2col(x, [3, 3], { paddingMode: 'zeros' })],
      ['flipKernel', () => loose.col2im(ones([1, 36, 12]), [6, 5], [3, 3], { flipKernel: false })],
      ['bias', () => loose.convolutionMatrix(w, x.shape, { bias: new Float32Array(6) })],
      ['activation', () => loose.convolutionMatrix(w, x.shape, { activation: 'linear' })],
      ['paddingMode', () => loose.asDirectConvolution(x, kernel, { paddingMode: 'zeros' })],
      ['stride', () => loose.upsampleAsTranspose(w, 2, { stride: 1 })],
      ['weightLayout', () => loose.bilinearWeight(3, 2, { weightLayout: 'channels-first' })],
      ['stride', () => conv2d.prepare(w)(x, { stride: 1 })],
      ['signal', () => conv2d.prepare(w)(x, { signal: new AbortController().signal })],
    ]
    for (const [key, run] of calls) {
      const error = expectTyped(errorOf(run), key)
      expect(error.code, error.message).toBe(option)
      expect(error.message).toContain(key)
    }
  })
})

describe('reading options', () => {
  test('every key is read once, before any operand is looked at', () => {
    const log: string[] = []
    const logged = (name: string, values: Record<string, unknown>): Record<string, unknown> => {
      const target = {}
      for (const [key, value] of Object.entries(values)) {
        const get = (): unknown => {
          log.push(`${name}.${key}`)
          return value
        }
        Object.defineProperty(target, key, { enumerable: true, get })
      }
      return target
    }
    const activation = logged('activation', { type: 'clip', min: 0, max: 5 })
    const options = logged('options', {
      stride: 2,
      padding: [
        [1, 0],
        [0, 1],
      ],
      groups: 1,
      bias: new Float32Array(6),
      activation,
    })
    const input = logged('input', { data: x.data, shape: x.shape })
    const weight = logged('weight', { data: w.data, shape: w.shape })
    conv2d(input, weight, options)
    for (const key of ['stride', 'padding', 'groups', 'bias', 'activation']) {
      expect(
        log.filter((entry) => entry === `options.${key}`),
        key,
      ).toHaveLength(1)
    }
    for (const key of ['type', 'min', 'max']) {
      expect(
        log.filter((entry) => entry === `activation.${key}`),
        key,
      ).toHaveLength(1)
    }
    for (const entry of ['input.data', 'input.shape', 'weight.data', 'weight.shape']) {
      expect(
        log.filter((line) => line === entry),
        entry,
      ).toHaveLength(1)
    }
    const lastOption = Math.max(...log.map((entry, i) => (/^(options|activation)\./.test(entry) ? i : -1)))
    const firstData = log.findIndex((entry) => /^(input|weight)\.data/.test(entry))
    expect(firstData).toBeGreaterThan(lastOption)
  })

  test('a bad option is told before a bad operand is looked at', () => {
    let looked = false
    const input = {
      get data(): Float32Array {
        looked = true
        return x.data as Float32Array
      },
      shape: x.shape,
    }
    expect(errorOf(() => conv2d(input, w, { stride: 0 }))?.code).toBe(option)
    expect(looked).toBe(false)
  })

  test("an exception from the caller's own getter or proxy passes through unchanged", () => {
    const boom = new Error('mine')
    const fail = (): never => {
      throw boom
    }
    const getter = (key: string): object => Object.defineProperty({}, key, { enumerable: true, get: fail })
    const trap = new Proxy({}, { ownKeys: fail, get: fail, getOwnPropertyDescriptor: fail })
    for (const call of [
      () => conv2d(x, w, getter('stride')),
      () => conv2d(x, w, trap),
      () => conv2d(getter('data'), w),
      () => conv2d(trap, w),
      () => conv2d(x, w, { activation: getter('type') }),
      () => conv2d(x, w, { stride: new Proxy([1, 1], { get: fail }) }),
      () => conv2d.outputShape(new Proxy([1, 4, 6, 5], { get: fail }), w.shape),
    ]) {
      expect(errorOf(call)).toBe(boom)
    }
  })

  test('only own enumerable keys count', () => {
    const inherited: unknown = Object.create({ stride: 2, nonsense: true })
    expect(conv2d(x, w, inherited).shape).toEqual([2, 6, 4, 3])
    const hidden = Object.defineProperty({}, 'stride', { value: 2, enumerable: false })
    expect(conv2d(x, w, hidden).shape).toEqual([2, 6, 4, 3])
    const bare = Object.assign(Object.create(null) as object, { stride: 2 })
    expect(conv2d(x, w, bare).shape).toEqual([2, 6, 2, 2])
    const polluted = Object.prototype as Record<string, unknown>
    polluted['stride'] = 2
    polluted['nonsense'] = true
    try {
      expect(conv2d(x, w, {}).shape).toEqual([2, 6, 4, 3])
      expect(conv2d(x, w).shape).toEqual([2, 6, 4, 3])
    } finally {
      delete polluted['stride']
      delete polluted['nonsense']
    }
  })

  test.each([null, 0, 1, '', 'same', true, Symbol('s'), 1n, () => undefined, [], [2]])(
    'options that are none: %s',
    (value) => {
      const error = errorOf(() => conv2d(x, w, value))
      // An empty array or a function has no own enumerable keys, so that it may pass; everything else is a wrong kind
      // of value.
      if (error === undefined) expect(['object', 'function']).toContain(typeof value)
      else {
        expectTyped(error, String(value))
        expect(error.code).toBe(option)
        expect(error).toBeInstanceOf(TypeError)
      }
    },
  )
})
