/** Operands in every kind of buffer, and what `out` promises. */

import { describe, expect, test } from 'vitest'
import { backends } from './support/backends.js'
import { detach, resizableBuffer, viewAt } from './support/buffers.js'
import { expectExact } from './support/compare.js'
import { integers, plain, Random, seed, type Plain } from './support/data.js'
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

  test('operands that change while others are read: a result or a typed error, never a crash', () => {
    const [x, w] = [integers(random, shapes.x), integers(random, shapes.w)]
    const fresh = (): Plain => ({ data: x.data.slice(), shape: shapes.x })
    const resizable = (): Plain => {
      const buffer = resizableBuffer(4 * 240, 4 * 240)
      return { data: new Float32Array(buffer, 0, 240), shape: shapes.x }
    }
    const spoils: [string, () => Plain, (input: Plain) => void][] = [
      [
        'detached',
        fresh,
        (input) => {
          detach(input.data.buffer)
        },
      ],
      [
        'shrunk',
        resizable,
        (input) => {
          ;(input.data.buffer as ReturnType<typeof resizableBuffer>).resize(16)
        },
      ],
    ]
    for (const [what, make, spoil] of spoils) {
      const places: ((input: Plain, now: () => void) => unknown)[] = [
        (input, now) =>
          conv2d(
            input,
            {
              get data() {
                now()
                return w.data
              },
              shape: shapes.w,
            },
            { backend },
          ),
        (input, now) =>
          conv2d(
            input,
            {
              data: w.data,
              get shape() {
                now()
                return shapes.w
              },
            },
            { backend },
          ),
        (input, now) =>
          conv2d(input, w, {
            get bias() {
              now()
              return new Float32Array(6)
            },
            backend,
          }),
        (input, now) =>
          conv2d(input, w, {
            get out() {
              now()
              return new Float32Array(144)
            },
            backend,
          }),
        (input, now) =>
          conv2d(
            {
              data: input.data,
              get shape() {
                now()
                return shapes.x
              },
            },
            w,
            { backend },
          ),
        (input, now) =>
          conv2d(
            {
              ...input,
              get dtype() {
                now()
                return 'float32'
              },
            },
            w,
            { backend },
          ),
        (input, now) =>
          conv2d.gradInput(
            shapes.x,
            {
              get data() {
                now()
                return w.data
              },
              shape: shapes.w,
            },
            { data: input.data.subarray(0, 144), shape: shapes.g },
            { backend },
          ),
        (input, now) =>
          conv2d.gradWeight(
            input,
            shapes.w,
            {
              get data() {
                now()
                return new Float32Array(144)
              },
              shape: shapes.g,
            },
            { backend },
          ),
        (input, now) =>
          conv2d.prepare(w, { backend })(input, {
            get out() {
              now()
              return new Float32Array(144)
            },
          }),
        (input, now) =>
          conv2d(input, w, {
            out: input.data.subarray(0, 144),
            get backend() {
              now()
              return backend
            },
          }),
      ]
      for (const [i, place] of places.entries()) {
        const input = make()
        const error = errorOf(() =>
          place(input, () => {
            spoil(input)
          }),
        )
        if (error !== undefined) expectTyped(error, `${what} in place ${i}`)
      }
    }
    // A shape that tells another length every time it is asked.
    let asked = 0
    const restless = new Proxy([...shapes.x], {
      get: (target, key) => (key === 'length' && ++asked % 2 === 0 ? 7 : (Reflect.get(target, key) as unknown)),
    })
    const error = errorOf(() => conv2d({ data: x.data, shape: restless }, w, { backend }))
    if (error !== undefined) expectTyped(error, 'restless shape')
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

  test('typed arrays that lie about themselves', () => {
    const w = integers(random, shapes.w)
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
