/** Operands in every kind of buffer, and what `out` promises. */

import { describe, expect, test } from 'vitest'
import { backends } from './support/backends.js'
import { detach, resizableBuffer, viewAt } from './support/buffers.js'
import { expectExact } from './support/compare.js'
import { integers, plain, product, Random, seed, type Plain } from './support/data.js'
import { errorOf, expectTyped, outcomeOf } from './support/errors.js'
import { loose, operator } from './support/operators.js'

const random = new Random(seed)
const shapes = { x: [2, 4, 6, 5], w: [6, 4, 3, 3], g: [2, 6, 4, 3] }
const conv2d = operator('conv2d')

describe.each(backends)('operands, %s', (backend) => {
  const wanted = (x: Plain, w: Plain, g: Plain): Plain[] => [
    conv2d(x, w, { backend }),
    conv2d.gradInput(shapes.x, w, g, { backend }),
    conv2d.gradWeight(x, shapes.w, g, { backend }),
    loose.gradBias(g, { backend }),
  ]
  const kinds: [string, (bytes: number) => ArrayBufferLike][] = [
    ['an ArrayBuffer', (bytes) => new ArrayBuffer(bytes)],
    ['a SharedArrayBuffer', (bytes) => new SharedArrayBuffer(bytes)],
    ['a resizable buffer', (bytes) => resizableBuffer(bytes, bytes + 1000)],
    ['a Node Buffer pool', (bytes) => Buffer.alloc(bytes).buffer],
  ]

  test.each(kinds)('views at every offset of %s, as operands and as out', (_, makeBuffer) => {
    for (const dtype of ['float32', 'float64'] as const) {
      const [x, w, g] = [
        integers(random, shapes.x, dtype),
        integers(random, shapes.w, dtype),
        integers(random, shapes.g, dtype),
      ]
      const expected = wanted(x, w, g)
      const step = dtype === 'float32' ? 4 : 8
      for (const offset of [0, step, 2 * step, 3 * step, 7 * step]) {
        const moved = [x, w, g].map(({ data, shape }) => ({ data: viewAt(data, offset, makeBuffer), shape }))
        wanted(moved[0], moved[1], moved[2]).forEach((result, i) =>
          expectExact(result, expected[i], `offset ${offset}`),
        )
        const out = viewAt(expected[0].data.slice().fill(NaN), offset, makeBuffer)
        const bias = viewAt(integers(random, [6], dtype).data, offset, makeBuffer)
        const y = conv2d(moved[0], moved[1], { out, bias, backend })
        expect(y.data).toBe(out)
        expectExact(y, conv2d(x, w, { bias: bias.slice(), backend }), `out and bias at offset ${offset}`)
      }
    }
  })

  test('a length-tracking view of a resizable buffer has the length it has now', () => {
    const buffer = resizableBuffer(4 * 12, 4 * 100)
    const data = new Float32Array(buffer)
    data.fill(1)
    const w = plain([1, 1], [1, 1, 2])
    expect(operator('conv1d')({ data, shape: [1, 1, 12] }, w, { backend }).shape).toEqual([1, 1, 11])
    buffer.resize(4 * 20)
    const error = errorOf(() => operator('conv1d')({ data, shape: [1, 1, 12] }, w, { backend }))
    expect(['ERR_CONVKIT_SHAPE', 'ERR_CONVKIT_BUFFER']).toContain(expectTyped(error, 'grown').code)
    expect(operator('conv1d')({ data, shape: [1, 1, 20] }, w, { backend }).shape).toEqual([1, 1, 19])
    const fixed = new Float32Array(buffer, 0, 20)
    buffer.resize(4 * 4)
    const gone = errorOf(() => operator('conv1d')({ data: fixed, shape: [1, 1, 20] }, w, { backend }))
    expect(['ERR_CONVKIT_SHAPE', 'ERR_CONVKIT_BUFFER']).toContain(expectTyped(gone, 'out of bounds').code)
  })

  test('a detached operand, bias, slope or out', () => {
    const gone = (length: number): Float32Array => {
      const array = new Float32Array(length)
      detach(array.buffer)
      return array
    }
    const [x, w] = [integers(random, shapes.x), integers(random, shapes.w)]
    const calls: [string, () => unknown][] = [
      ['input', () => conv2d({ data: gone(240), shape: shapes.x }, w, { backend })],
      ['weight', () => conv2d(x, { data: gone(216), shape: shapes.w }, { backend })],
      ['bias', () => conv2d(x, w, { bias: gone(6), backend })],
      ['slope', () => conv2d(x, w, { activation: { type: 'prelu', slope: gone(6) }, backend })],
      ['out', () => conv2d(x, w, { out: gone(144), backend })],
      ['gradOutput', () => conv2d.gradInput(shapes.x, w, { data: gone(144), shape: shapes.g }, { backend })],
      ['gradOutput', () => loose.gradBias({ data: gone(144), shape: shapes.g }, { backend })],
      ['weight', () => conv2d.prepare({ data: gone(216), shape: shapes.w }, { backend })],
      ['input', () => loose.im2col({ data: gone(240), shape: shapes.x }, [3, 3])],
    ]
    for (const [name, call] of calls) {
      const error = expectTyped(errorOf(call), name)
      expect(error.code, error.message).toBe('ERR_CONVKIT_BUFFER')
      expect(error.message).toContain(name)
    }
  })

  test('dtypes: all alike, and no contradiction with dtype or type', () => {
    const [x, w, g] = [integers(random, shapes.x), integers(random, shapes.w), integers(random, shapes.g)]
    const double = (tensor: Plain): Plain => ({ data: Float64Array.from(tensor.data), shape: tensor.shape })
    expect(conv2d(double(x), double(w), { backend }).data).toBeInstanceOf(Float64Array)
    for (const ok of [{ dtype: 'float32' }, { type: 'float32' }, { dtype: undefined }]) {
      expect(conv2d({ ...x, ...ok }, w, { backend }).shape).toEqual(shapes.g)
    }
    const calls: (() => unknown)[] = [
      () => conv2d(double(x), w, { backend }),
      () => conv2d(x, double(w), { backend }),
      () => conv2d.gradInput(shapes.x, double(w), g, { backend }),
      () => conv2d.gradWeight(x, shapes.w, double(g), { backend }),
      () => conv2d({ ...x, dtype: 'float64' }, w, { backend }),
      () => conv2d({ ...x, type: 'float16' }, w, { backend }),
      () => conv2d({ ...x, dtype: 'float32', type: 'float64' }, w, { backend }),
      () => conv2d.prepare(w, { backend })(double(x)),
      () => conv2d({ data: new Int32Array(240), shape: shapes.x }, w, { backend }),
      () => conv2d({ data: new Uint8Array(240), shape: shapes.x }, w, { backend }),
      () => conv2d({ data: new Array(240).fill(0), shape: shapes.x }, w, { backend }),
      () => conv2d({ data: new DataView(new ArrayBuffer(960)), shape: shapes.x }, w, { backend }),
      () => loose.zeros([2], 'float16'),
    ]
    calls.forEach((call, i) => {
      const error = expectTyped(errorOf(call), `call ${i}`)
      expect(
        i === 12 ? ['ERR_CONVKIT_DTYPE', 'ERR_CONVKIT_OPTION'] : ['ERR_CONVKIT_DTYPE'],
        `${i}: ${error.message}`,
      ).toContain(error.code)
    })
  })
})

describe.each(backends)('out, %s', (backend) => {
  const [x, w, g] = [integers(random, shapes.x), integers(random, shapes.w), integers(random, shapes.g)]
  const kernel = integers(random, [4, 3, 3, 3])
  type Run = (options: Record<string, unknown>) => { data: Float32Array | Float64Array; shape: readonly number[] }
  const calls: [string, Run][] = [
    ['conv2d', (o) => conv2d(x, w, o)],
    ['conv2d.gradInput', (o) => conv2d.gradInput(shapes.x, w, g, o)],
    ['conv2d.gradWeight', (o) => conv2d.gradWeight(x, shapes.w, g, o)],
    ['convTranspose2d', (o) => operator('convTranspose2d')(x, kernel, o)],
    ['gradBias', (o) => loose.gradBias(g, o)],
    ['prepared', ({ backend: _, ...o }) => conv2d.prepare(w, { backend })(x, o)],
  ]

  test.each(calls)('%s: becomes the data; exactly the length; what was there before does not matter', (_, run) => {
    const wanted = run({ backend })
    const out = new Float32Array(wanted.data.length).fill(NaN)
    const y = run({ backend, out })
    expect(y.data).toBe(out)
    expect(y.shape).toEqual(wanted.shape)
    expectExact(y, wanted, 'out')
    for (const length of [0, 1, wanted.data.length - 1, wanted.data.length + 1, 2 * wanted.data.length]) {
      const other = new Float32Array(length).fill(7)
      const error = expectTyped(
        errorOf(() => run({ backend, out: other })),
        `${length}`,
      )
      expect(error.code).toBe('ERR_CONVKIT_BUFFER')
      expect(error.message).toContain('out')
      expect(other.every((value) => value === 7)).toBe(true)
    }
    for (const other of [new Float64Array(wanted.data.length), new Int32Array(wanted.data.length)]) {
      expect(
        expectTyped(
          errorOf(() => run({ backend, out: other })),
          'dtype',
        ).code,
      ).toBe('ERR_CONVKIT_DTYPE')
    }
  })

  test('overlap with any operand throws, neighbours do not', () => {
    const [nx, nw, ny] = [product(shapes.x), product(shapes.w), product(shapes.g)]
    const memory = new Float32Array(nx + nw + ny + 6)
    const input = { data: memory.subarray(0, nx), shape: shapes.x }
    const weight = { data: memory.subarray(nx, nx + nw), shape: shapes.w }
    const bias = memory.subarray(nx + nw, nx + nw + 6)
    const out = memory.subarray(nx + nw + 6)
    memory.set(x.data)
    memory.set(w.data, nx)
    const before = memory.slice()
    const overlapping: [string, Float32Array][] = [
      ['the input itself', memory.subarray(0, ny)],
      ['its last element and the weight', memory.subarray(nx - 1, nx - 1 + ny)],
      ['the weight', memory.subarray(nx + 10, nx + 10 + ny)],
      ['the bias', memory.subarray(nx + nw + 5, nx + nw + 5 + ny)],
    ]
    for (const [what, view] of overlapping) {
      const error = expectTyped(
        errorOf(() => conv2d(input, weight, { bias, out: view, backend })),
        what,
      )
      expect(error.code, what).toBe('ERR_CONVKIT_BUFFER')
      expect(memory).toEqual(before)
    }
    const slope = memory.subarray(nx + nw, nx + nw + 6)
    const prelu = { activation: { type: 'prelu', slope }, out: memory.subarray(nx + nw + 5, nx + nw + 5 + ny), backend }
    expect(
      expectTyped(
        errorOf(() => conv2d(x, w, prelu)),
        'slope',
      ).code,
    ).toBe('ERR_CONVKIT_BUFFER')
    const gradient = { data: memory.subarray(0, ny), shape: shapes.g }
    const self = { out: memory.subarray(2, 2 + nx), backend }
    expect(errorOf(() => conv2d.gradInput(shapes.x, w, gradient, self))?.code).toBe('ERR_CONVKIT_BUFFER')
    expect(errorOf(() => loose.gradBias(gradient, { out: memory.subarray(3, 9), backend }))?.code).toBe(
      'ERR_CONVKIT_BUFFER',
    )
    const prepared = conv2d.prepare(weight, { bias, backend })
    expect(errorOf(() => prepared(input, { out: memory.subarray(0, ny) }))?.code).toBe('ERR_CONVKIT_BUFFER')
    expectExact(conv2d(input, weight, { bias, out, backend }), conv2d(x, w, { backend }), 'neighbours')
    // The same bytes through a shared buffer, twice wrapped.
    const shared = new SharedArrayBuffer(4 * nx)
    const one = { data: new Float32Array(shared), shape: shapes.x }
    const error = errorOf(() => conv2d(one, w, { out: new Float32Array(shared, 4, ny), backend }))
    expect(error?.code).toBe('ERR_CONVKIT_BUFFER')
  })

  test('nothing is written unless the call succeeds', () => {
    const out = new Float32Array(product(shapes.g)).fill(7)
    const bad: Record<string, unknown>[] = [
      { stride: 0 },
      { stride: 2 },
      { padding: 'SAME' },
      { bias: new Float32Array(5) },
      { activation: { type: 'prelu', slope: new Float32Array(5) } },
      { groups: 5 },
      { algorithm: 'none' },
    ]
    for (const options of bad) {
      expectTyped(
        errorOf(() => conv2d(x, w, { ...options, out, backend })),
        JSON.stringify(options),
      )
      expect(out.every((value) => value === 7)).toBe(true)
    }
  })

  test('an empty out for an empty batch', () => {
    const out = new Float32Array(0)
    const y = conv2d({ data: new Float32Array(0), shape: [0, 4, 6, 5] }, w, { out, backend })
    expect(y.data).toBe(out)
    expect(y.shape).toEqual([0, 6, 4, 3])
  })

  test('typed arrays that lie about themselves', () => {
    class Lying extends Float32Array {
      override get length(): number {
        return 1_000_000
      }
      override get byteLength(): number {
        return 4_000_000
      }
      override get byteOffset(): number {
        return 4_000
      }
    }
    const lie = (): Float32Array => new Lying(240)
    const honest = outcomeOf(() => conv2d({ data: new Float32Array(240), shape: shapes.x }, w, { backend }))
    expect(outcomeOf(() => conv2d({ data: lie(), shape: shapes.x }, w, { backend }))).toBe(honest)
    expectTyped(
      errorOf(() => conv2d({ data: lie(), shape: [100, 4, 50, 50] }, w, { backend })),
      'lying input',
    )
    const fake: unknown = Object.setPrototypeOf({ length: 240, byteLength: 960, byteOffset: 0 }, Float32Array.prototype)
    expectTyped(
      errorOf(() => conv2d({ data: fake, shape: shapes.x }, w, { backend })),
      'fake input',
    )
    expectTyped(
      errorOf(() => conv2d({ data: new Proxy(new Float32Array(240), {}), shape: shapes.x }, w, { backend })),
      'proxy',
    )
  })
})
