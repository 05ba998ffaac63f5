/**
 * Attacks that need a stage of their own: code of the caller's that runs while a call reads its arguments, memory
 * shared behind two buffers, polluted prototypes, values without end.
 */

import { describe, expect, test } from 'vitest'
import { tensor } from '../lib/index.js'
import * as promises from '../lib/promises.js'
import { countingAllocations } from './support/allocations.js'
import { backends } from './support/backends.js'
import { detach, resizableBuffer } from './support/buffers.js'
import { expectExact } from './support/compare.js'
import { integers, ones, Random, seed, type Plain } from './support/data.js'
import { errorOf, expectTyped, outcomeOf } from './support/errors.js'
import { Lying } from './support/hostile.js'
import { loose, operator, type PreparedResult, type TensorResult } from './support/operators.js'

const random = new Random(seed)
const shapes = { x: [1, 3, 6, 5], w: [4, 3, 3, 3], y: [1, 4, 4, 3] }
const conv2d = operator('conv2d')
const later = promises.conv2d as unknown as (...args: unknown[]) => Promise<TensorResult>

describe.each(backends)('code of the caller, %s', (backend) => {
  const [x, w] = [integers(random, shapes.x), integers(random, shapes.w)]
  const wanted = conv2d(x, w, { backend })

  test('a prepared operator that a getter disposes of', async () => {
    for (const place of ['shape', 'data', 'out'] as const) {
      const attack = (use: (prepared: PreparedResult, input: unknown, options: object) => unknown): unknown => {
        const prepared = conv2d.prepare(w, { backend })
        const disposing = (object: object, key: string, value: unknown): object =>
          Object.defineProperty(object, key, {
            enumerable: true,
            get: () => {
              prepared.dispose()
              return value
            },
          })
        if (place === 'out') return use(prepared, x, disposing({}, 'out', new Float32Array(48)))
        return use(prepared, disposing({ ...x }, place, x[place]), {})
      }
      const message = /disposed/
      const error = expectTyped(
        errorOf(() => attack((prepared, input, options) => prepared(input, options))),
        place,
      )
      expect([error.code, message.test(error.message)], error.message).toEqual(['ERR_CONVKIT_BUFFER', true])
      const rejected = attack((prepared, input, options) => prepared.async(input, options)) as Promise<unknown>
      await expect(rejected, place).rejects.toMatchObject({ code: 'ERR_CONVKIT_BUFFER', message: error.message })
    }
  })

  test('getters that call the library', () => {
    const prepared = conv2d.prepare(w, { backend })
    const nested = (): void => {
      prepared(integers(random, [2, 3, 4, 4]))
      conv2d(integers(random, [1, 3, 9, 9]), w, { stride: 2, backend })
    }
    const input = {
      data: x.data,
      get shape() {
        nested()
        return shapes.x
      },
    }
    expectExact(prepared(input), wanted, 'prepared')
    expectExact(conv2d(input, w, { backend }), wanted, 'functional')
  })

  test('a signal whose getters detach an operand', async () => {
    for (const asked of [1, 2, 3, 4]) {
      const input: Plain = { data: x.data.slice(), shape: shapes.x }
      let count = 0
      const signal = {
        get aborted() {
          if (++count === asked) detach(input.data.buffer)
          return false
        },
        addEventListener: () => undefined,
        removeEventListener: () => undefined,
      }
      const outcome = await later(input, w, { signal, backend }).then(
        (y) => outcomeOf(() => y),
        (error: unknown) => {
          expectTyped(error as never, `asked ${asked} times`)
          return 'error'
        },
      )
      if (outcome !== 'error') expect(outcome, `asked ${asked} times`).toBe(outcomeOf(() => wanted))
    }
  })

  test('a detached operand of an empty batch is detached all the same, a shrunk one is empty', async () => {
    const gone = (): Plain => {
      const data = new Float32Array(4)
      detach(data.buffer)
      return { data, shape: [0, 3, 6, 5] }
    }
    const shrunk = (): Plain => {
      const buffer = resizableBuffer(32, 32)
      const data = new Float32Array(buffer, 16, 4)
      buffer.resize(8)
      return { data, shape: [0, 3, 6, 5] }
    }
    for (const call of [
      (input: Plain) => conv2d(input, w, { backend }),
      (input: Plain) => conv2d.prepare(w, { backend })(input),
    ]) {
      const error = errorOf(() => call(gone()))
      expect(expectTyped(error, 'detached').code).toBe('ERR_CONVKIT_BUFFER')
      expect(call(shrunk()).shape).toEqual([0, 4, 4, 3])
    }
    await expect(later(gone(), w, { backend })).rejects.toMatchObject({ code: 'ERR_CONVKIT_BUFFER' })
    expect((await later(shrunk(), w, { backend })).shape).toEqual([0, 4, 4, 3])
    expect((await conv2d.prepare(w, { backend }).async(shrunk())).shape).toEqual([0, 4, 4, 3])
  })

  test('methods of subclasses are never called', async () => {
    const lying = (tensor: Plain): Plain => ({ data: new Lying(tensor.data as Float32Array), shape: tensor.shape })
    const bias = new Lying([1, 2, 3, 4])
    const exact = conv2d(x, w, { bias: new Float32Array([1, 2, 3, 4]), backend })
    const calls: (() => unknown)[] = [
      () => conv2d(lying(x), lying(w), { bias, out: new Lying(48), backend }),
      () => conv2d.prepare(lying(w), { bias, backend })(lying(x), { out: new Lying(48) }),
    ]
    for (const call of calls) expect(outcomeOf(call)).toBe(outcomeOf(() => exact))
    const y = await later(lying(x), lying(w), { bias, out: new Lying(48), backend })
    expect(outcomeOf(() => y)).toBe(outcomeOf(() => exact))
    for (const call of [
      (a: Plain, out?: unknown) => loose.im2col(a, [3, 3], { out }),
      (a: Plain, out?: unknown) => loose.col2im({ data: a.data, shape: [9, 10] }, [3, 12], [3, 3], { out }),
    ]) {
      const honest = call(x)
      expect(outcomeOf(() => call(lying(x), new Lying(honest.data.length)))).toBe(outcomeOf(() => honest))
    }
    const up = loose.asDirectConvolution(x, integers(random, [3, 4, 3, 3]))
    const { value, bytes } = countingAllocations(1 << 20, () =>
      loose.asDirectConvolution(lying(x), lying(ones([3, 4, 3, 3]))),
    )
    expect(value.input.shape).toEqual(up.input.shape)
    expect(bytes).toBeLessThan(1 << 14)
  })

  test('out in memory that an operand has under another buffer', () => {
    const clone = (shared: SharedArrayBuffer): SharedArrayBuffer => structuredClone(shared)
    const shared = new SharedArrayBuffer(4 * 500)
    const input: Plain = { data: new Float32Array(shared, 0, 90), shape: shapes.x }
    for (const shift of [0, 4, 16, 200, 360]) {
      input.data.set(x.data)
      const out = new Float32Array(clone(shared), shift, 48)
      expectExact(conv2d(input, w, { out, backend }), wanted, `shift ${shift}`)
      input.data.set(x.data)
      expectExact(conv2d.prepare(w, { backend })(input, { out }), wanted, `prepared, shift ${shift}`)
      input.data.set(x.data)
      const sum = loose.gradBias(x, { backend })
      expectExact(loose.gradBias(input, { out: new Float32Array(clone(shared), shift, 3), backend }), sum, 'gradBias')
      const columns = loose.im2col(x, [3, 3])
      input.data.set(x.data)
      const place = new Float32Array(clone(shared), shift - (shift % 16), columns.data.length)
      expectExact(loose.im2col(input, [3, 3], { out: place }), columns, 'im2col')
    }
  })

  test('polluted prototypes change nothing', () => {
    const bias = new Float32Array(4)
    const calls: (() => unknown)[] = [
      () => conv2d(x, w, { padding: 1, bias, backend }),
      () => conv2d(x, w, { stride: [1, 2], activation: { type: 'clip', min: 0, max: 6 }, backend }),
      () => conv2d.gradWeight(x, shapes.w, ones(shapes.y), { backend }),
      () => conv2d.prepare(w, { backend })(x),
      () => conv2d(x, w, { strides: 2, backend }),
      () => conv2d(x, w, { padding: [1, 2, 3], backend }),
      () => outcomeOf(() => conv2d.plan(shapes.x, shapes.w, { backend })),
      () => conv2d(x, w, { algorithm: 'depthwise', backend }),
      () => loose.upsampleAsTranspose(w, 2).weight,
      () => tensor([1, 2, 3, 4], [2, 2]).toArray(),
    ]
    const expected = calls.map(outcomeOf)
    // Options, and names that convkit uses inside. Tensors may inherit what they have, so `dtype` and `type` are theirs.
    const keys =
      'stride padding out signal min slope code dims bias features image weights epilogue complaint isa threads ' +
      'id algorithm reason refused workspaceBytes value length'
    const prototype = Object.prototype as unknown as Record<PropertyKey, unknown>
    for (const key of [...keys.split(' '), Symbol.iterator, Symbol.toPrimitive, Symbol.isConcatSpreadable]) {
      for (const property of [
        { value: 3, writable: false },
        { set: () => undefined, get: () => null },
      ]) {
        Object.defineProperty(prototype, key, { ...property, configurable: true })
        let outcomes: string[]
        try {
          outcomes = calls.map(outcomeOf)
        } finally {
          Reflect.deleteProperty(prototype, key)
        }
        expect(outcomes, String(key)).toEqual(expected)
      }
    }
  })
})

describe('values without end', () => {
  test('are told in a short line, in no time', () => {
    const [x, w] = [ones(shapes.x), ones(shapes.w)]
    const endless: Record<string, unknown> = {
      text: 'stride '.repeat(2 ** 24),
      digits: 2n ** 4_000_000n,
      array: new Array<unknown>(2 ** 32 - 1),
    }
    const begin = performance.now()
    for (const [name, value] of Object.entries(endless)) {
      const calls: (() => unknown)[] = [
        () => conv2d(x, w, { stride: value }),
        () => conv2d(x, w, { padding: value }),
        () => conv2d(x, w, { layout: value }),
        () => conv2d(x, w, { activation: value }),
        () => conv2d(x, w, { [String(name === 'text' ? value : name)]: 1 }),
        () => loose.setThreads(value),
        () => loose.tensor(value, [4]),
        () => (loose.tensor([1, 2], [2]) as unknown as { reshape(shape: unknown): unknown }).reshape(value),
        () => loose.zeros(value),
        () => loose.bilinearWeight(2, value),
        () => loose.convolutionMatrix(w, value),
      ]
      for (const [i, call] of calls.entries()) {
        const { value: error, bytes } = countingAllocations(1 << 20, () => errorOf(call))
        expectTyped(error, `${name}, call ${i}`)
        expect(bytes, `${name}, call ${i}`).toBeLessThanOrEqual(8)
      }
    }
    expect(performance.now() - begin).toBeLessThan(10_000)
  })

  test('a matrix that is too large is known before it is counted entry by entry', () => {
    const kernel = ones([1, 1, 3])
    for (const options of [{ padding: 1 }, { padding: 1, paddingMode: 'replicate' }]) {
      const begin = performance.now()
      const error = expectTyped(
        errorOf(() => loose.convolutionMatrix(kernel, [1, 2 ** 32], options)),
        'matrix',
      )
      expect(error.code).toBe('ERR_CONVKIT_MEMORY')
      expect(performance.now() - begin).toBeLessThan(5_000)
    }
  })
})
