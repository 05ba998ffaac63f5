/** What `out` promises: it becomes the result's data, has exactly its length, overlaps nothing, and stays untouched by a failure. */

import { describe, expect, test } from 'vitest'
import { backends } from './support/backends.js'
import { expectExact } from './support/compare.js'
import { integers, product, Random, seed } from './support/data.js'
import { errorOf, expectTyped } from './support/errors.js'
import { loose, operator } from './support/operators.js'

const random = new Random(seed)
const shapes = { x: [2, 4, 6, 5], w: [6, 4, 3, 3], g: [2, 6, 4, 3] }
const conv2d = operator('conv2d')

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
})
