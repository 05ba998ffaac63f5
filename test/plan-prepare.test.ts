/** plan and prepare: what they return, what they promise about memory, and how a prepared operator ends. */

import { describe, expect, test } from 'vitest'
import * as convkit from '../lib/index.js'
import { backends } from './support/backends.js'
import { expectExact } from './support/compare.js'
import { integers, Random, seed } from './support/data.js'
import { errorOf } from './support/errors.js'
import { operator, operatorNames } from './support/operators.js'

const random = new Random(seed)
const x = integers(random, [2, 4, 6, 5])
const w = integers(random, [6, 4, 3, 3])

describe.each(backends)('plan and prepare, %s', (backend) => {
  test.each(operatorNames)('%s.plan: plain data, deterministic, for every pass and dtype', (name) => {
    const rank = Number(name.at(-2))
    const inputShape = [2, 4, ...[9, 8, 7].slice(0, rank)]
    const weightShape = name.startsWith('convT')
      ? [4, 3, ...[3, 2, 3].slice(0, rank)]
      : [3, 4, ...[3, 2, 3].slice(0, rank)]
    for (const pass of [undefined, 'forward', 'gradInput', 'gradWeight']) {
      for (const dtype of [undefined, 'float32', 'float64']) {
        const options = { stride: 2, pass, dtype, backend }
        const plan = operator(name).plan(inputShape, weightShape, options)
        expect(plan.id).toBeTypeOf('string')
        if (backend === 'native') expect(convkit.info().algorithms).toContain(plan.algorithm)
        expect(plan.algorithm).toBeTypeOf('string')
        expect(plan.reason).toBeTypeOf('string')
        expect(plan.refused).toBeTypeOf('object')
        expect(plan.workspaceBytes).toBeGreaterThanOrEqual(0)
        expect(plan.outputShape).toEqual(operator(name).outputShape(inputShape, weightShape, { stride: 2 }))
        expect(operator(name).plan(inputShape, weightShape, options)).toEqual(plan)
        expect(structuredClone(plan)).toEqual(plan)
      }
    }
  })

  test('flops: 2 × all multiply-adds of the direct sum, padding taps counted', () => {
    // conv: every output sees every tap; convTranspose: every input does.
    const conv = operator('conv2d').plan([2, 4, 6, 5], [6, 2, 3, 3], { padding: 1, stride: 2, groups: 2, backend })
    expect(conv.outputShape).toEqual([2, 6, 3, 3])
    expect(conv.flops).toBe(2 * (2 * 6 * 3 * 3) * (2 * 3 * 3))
    const transposed = operator('convTranspose2d').plan([2, 4, 6, 5], [4, 3, 3, 3], { stride: 2, backend })
    expect(transposed.flops).toBe(2 * (2 * 4 * 6 * 5) * (3 * 3 * 3))
    for (const pass of ['gradInput', 'gradWeight']) {
      const options = { padding: 1, stride: 2, groups: 2, pass, backend }
      expect(operator('conv2d').plan([2, 4, 6, 5], [6, 2, 3, 3], options).flops).toBe(conv.flops)
    }
  })

  test('memory stays small: never an im2col matrix of the layer', () => {
    const plan = operator('conv2d').plan([1, 64, 224, 224], [64, 64, 3, 3], { padding: 1, backend })
    const threads = convkit.info().threads
    // Packed weights, one padded copy of an operand per image in flight, 1 MiB a thread.
    const bound = 4 * (2 * 64 * 64 * 9 + threads * 64 * 228 * 228) + threads * 2 ** 20
    expect(plan.workspaceBytes).toBeLessThanOrEqual(bound)
  })

  test('a prepared operator is callable, has its members, and can be disposed twice', async () => {
    const bias = new Float32Array([1, 2, 3, 4, 5, 6])
    const prepared = convkit.conv2d.prepare(w, { bias, activation: 'relu', backend })
    const wanted = convkit.conv2d(x, w, { bias, activation: 'relu', backend })
    bias.fill(100)
    expect(prepared).toBeTypeOf('function')
    expectExact(prepared(x), wanted, 'call')
    const out = new Float32Array(wanted.size)
    expect(prepared(x, { out }).data).toBe(out)
    expectExact(await prepared.async(x), wanted, 'async')
    expectExact(await prepared.async(x, { signal: new AbortController().signal, out }), wanted, 'async with options')
    expect(prepared.outputShape([7, 4, 10, 10])).toEqual([7, 6, 8, 8])
    prepared[Symbol.dispose]()
    prepared.dispose()
    const error = errorOf(() => prepared(x))
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toMatchObject({ code: 'ERR_CONVKIT_BUFFER' })
  })

  test('prepare works for every operator, on any image size, batched or not', () => {
    for (const name of operatorNames) {
      const rank = Number(name.at(-2))
      const weight = integers(
        random,
        name.startsWith('convT') ? [3, 2, 3, 2, 3].slice(0, rank + 2) : [2, 3, 3, 2, 3].slice(0, rank + 2),
      )
      const prepared = operator(name).prepare(weight, { stride: 2, padding: 1, backend })
      for (const size of [
        [5, 6, 4],
        [9, 3, 7],
      ]) {
        for (const lead of [[], [1], [3]]) {
          const input = integers(random, [...lead, 3, ...size.slice(0, rank)])
          expectExact(prepared(input), operator(name)(input, weight, { stride: 2, padding: 1, backend }), name)
        }
      }
      prepared.dispose()
    }
  })

  test('what is kept from call to call: sizes and numbers of threads may change in between', async () => {
    const prepared = convkit.conv2d.prepare(w, { padding: 1, backend })
    const small = integers(random, [1, 4, 5, 6])
    const large = integers(random, [4, 4, 70, 90]) // worth several threads
    const wanted = (input: typeof small) => convkit.conv2d(input, w, { padding: 1, backend: 'typescript' })
    const [wantedSmall, wantedLarge] = [wanted(small), wanted(large)]
    const threads = convkit.info().threads
    try {
      for (const count of [1, 3, 2]) {
        const later = prepared.async(large)
        convkit.setThreads(count)
        expectExact(prepared(small), wantedSmall, `small, ${count} threads`)
        expectExact(prepared(large), wantedLarge, `large, ${count} threads`)
        expectExact(await later, wantedLarge, `large, later, ${count} threads`)
        const [first, second] = [prepared.async(small), prepared.async(large)]
        expectExact(prepared(small), wantedSmall, 'small, beside others')
        expectExact(await second, wantedLarge, 'large, second')
        expectExact(await first, wantedSmall, 'small, first')
        const { data } = prepared(small)
        const out = prepared(small, { out: data })
        expect(out.data).toBe(data)
        expect(errorOf(() => prepared(small, { out: new Float32Array(3) }))).toMatchObject({
          code: 'ERR_CONVKIT_BUFFER',
        })
        expectExact(prepared(small), wantedSmall, 'small, after a refusal')
      }
    } finally {
      convkit.setThreads(threads)
    }
  })
})
