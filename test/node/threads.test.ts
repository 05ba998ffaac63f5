/** setThreads: its bounds, and results that do not know it. */

import { availableParallelism } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import { conv2d, convTranspose2d, gradBias, info, setThreads } from '../../lib/index.js'
import * as promises from '../../lib/promises.js'
import { expectSameBits } from '../support/compare.js'
import { Random, reals, seed } from '../support/data.js'

afterEach(() => {
  setThreads(availableParallelism())
})

test.each([1, 2, 1024])('setThreads(%d)', (n) => {
  setThreads(n)
  expect(info().threads).toBe(n)
})

test.each([
  [0, 'RangeError'],
  [-1, 'RangeError'],
  [1025, 'RangeError'],
  [2 ** 53, 'RangeError'],
  ['2', 'TypeError'],
  [null, 'TypeError'],
  [undefined, 'TypeError'],
  [2n, 'TypeError'],
])('setThreads(%s) is refused', (n, name) => {
  const before = info().threads
  expect(() => {
    setThreads(n as number)
  }).toThrow(expect.objectContaining({ name, code: 'ERR_CONVKIT_OPTION' }))
  expect(info().threads).toBe(before)
})

test('results are the same bits for 1, 2, 3 and 8 threads, synchronous or not', async () => {
  const random = new Random(seed)
  const input = reals(random, [3, 32, 31, 33])
  const weight = reals(random, [48, 32, 3, 3])
  const options = { stride: 1, padding: 1 }
  const all = async () => {
    const output = conv2d(input, weight, options)
    return [
      output,
      conv2d.gradInput(input.shape, weight, output, options),
      conv2d.gradWeight(input, weight.shape, output, options),
      convTranspose2d(output, weight, { stride: 2 }),
      gradBias(output),
      await promises.conv2d(input, weight, options),
      await promises.conv2d.gradWeight(input, weight.shape, output, options),
      await conv2d.prepare(weight, options).async(input),
    ]
  }
  setThreads(1)
  const expected = await all()
  expectSameBits(expected[5], expected[0], 'synchronous and asynchronous')
  for (const threads of [2, 3, 8]) {
    setThreads(threads)
    const results = await all()
    results.forEach((result, i) => {
      expectSameBits(result, expected[i], `result ${i} with ${threads} threads (CONVKIT_SEED=${seed})`)
    })
  }
})

test('the number of threads may change while calls are under way', async () => {
  const random = new Random(seed)
  const input = reals(random, [1, 16, 40, 40])
  const weight = reals(random, [16, 16, 3, 3])
  const expected = conv2d(input, weight)
  const pending = Array.from({ length: 40 }, (_, i) => {
    setThreads(1 + (i % 6))
    if (i % 5 === 0) expectSameBits(conv2d(input, weight), expected, 'synchronous')
    return promises.conv2d(input, weight)
  })
  for (const result of await Promise.all(pending)) expectSameBits(result, expected, 'asynchronous')
})
