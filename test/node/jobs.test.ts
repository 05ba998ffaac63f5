/** Asynchronous calls: the queue, aborts, and what keeps a process alive. */

import { describe, expect, test } from 'vitest'
import { conv2d } from '../../lib/index.js'
import * as promises from '../../lib/promises.js'
import { backends, hasNative } from '../support/backends.js'
import { expectSameBits } from '../support/compare.js'
import { Random, reals, seed } from '../support/data.js'
import { longLayer, runChild } from './child.js'

const random = new Random(seed)
const small = { input: reals(random, [1, 4, 12, 12]), weight: reals(random, [4, 4, 3, 3]) }

describe.each(backends)('%s', (backend) => {
  // About as long on either backend.
  const size = backend === 'native' ? 320 : 40
  const large = { input: reals(random, [1, 64, size, size]), weight: reals(random, [64, 64, 3, 3]) }

  test('an abort takes waiting calls out and stops the running one; the others complete', async () => {
    const expected = conv2d(small.input, small.weight, { backend })
    const controllers = Array.from({ length: 6 }, () => new AbortController())
    const doomed = controllers.map(async ({ signal }) =>
      promises.conv2d(large.input, large.weight, { backend, signal }),
    )
    const spared = [0, 1, 2].map(async () => promises.conv2d(small.input, small.weight, { backend }))
    const outcomes = Promise.allSettled(doomed)
    controllers.at(-1)?.abort('first')
    await new Promise((resolve) => setTimeout(resolve, 10))
    for (const controller of controllers) controller.abort('then')
    for (const [i, outcome] of (await outcomes).entries()) {
      // On a fast machine the first may have been done by then.
      if (outcome.status === 'fulfilled') continue
      expect(outcome.reason).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: i === 5 ? 'first' : 'then' })
    }
    expect((await outcomes).at(-1)?.status).toBe('rejected')
    for (const result of await Promise.all(spared)) expectSameBits(result, expected, 'spared')
  })

  test('an abort after completion changes nothing', async () => {
    const controller = new AbortController()
    const result = await promises.conv2d(small.input, small.weight, { backend, signal: controller.signal })
    controller.abort()
    expectSameBits(result, conv2d(small.input, small.weight, { backend }), 'aborted too late')
  })

  test('one signal may serve many calls', async () => {
    const warnings: Error[] = []
    const note = (warning: Error): number => warnings.push(warning)
    process.on('warning', note)
    const controller = new AbortController()
    const calls = Array.from({ length: 12 }, async () =>
      promises.conv2d(small.input, small.weight, { backend, signal: controller.signal }),
    )
    controller.abort()
    for (const outcome of await Promise.allSettled(calls)) expect(outcome).toMatchObject({ status: 'rejected' })
    await new Promise((resolve) => setTimeout(resolve, 5))
    process.off('warning', note)
    expect(warnings).toEqual([])
  })

  test('a prepared operator that is disposed of finishes the calls under way', async () => {
    const prepared = conv2d.prepare(small.weight, { backend })
    const calls = Array.from({ length: 10 }, async () => prepared.async(small.input))
    prepared.dispose()
    const expected = conv2d(small.input, small.weight, { backend })
    for (const result of await Promise.all(calls)) expectSameBits(result, expected, 'disposed of')
    await expect(prepared.async(small.input)).rejects.toMatchObject({ code: 'ERR_CONVKIT_BUFFER' })
  })

  test('prepared weights serve alternating input sizes', async () => {
    const prepared = conv2d.prepare(small.weight, { backend })
    for (const extent of [12, 3, 30, 12, 7]) {
      const input = reals(random, [2, 4, extent, extent])
      const expected = conv2d(input, small.weight, { backend })
      expectSameBits(prepared(input), expected, `synchronous, ${extent}`)
      expectSameBits(await prepared.async(input), expected, `asynchronous, ${extent}`)
    }
  })

  test('a process waits for its calls and for nothing else', async () => {
    const { code, reported } = await runChild(
      `const x = { data: new Float32Array(9).fill(1), shape: [1, 1, 3, 3] }
       promises.conv2d(x, x).then(({ data }) => promises.conv2d(x, { ...x, data: data.slice(0, 1), shape: [1, 1, 1, 1] })).then(({ data }) => report(data[0]))`,
      { env: { CONVKIT_BACKEND: backend } },
    )
    expect({ code, reported }).toEqual({ code: 0, reported: 9 })
  })
})

test.runIf(hasNative)('prepared operators that are dropped give their memory back', async () => {
  const { code, reported } = await runChild(
    `const weight = { data: new Float32Array(512 * 512 * 9).fill(1), shape: [512, 512, 3, 3] }
     const input = { data: new Float32Array(512 * 9), shape: [1, 512, 3, 3] }
     let most = 0
     for (let i = 0; i < 100; i++) {
       convkit.conv2d.prepare(weight)(input)
       most = Math.max(most, process.memoryUsage().rss)
       await new Promise(setImmediate)
     }
     report(most / 2 ** 20)`,
  )
  expect(code).toBe(0)
  // All together they hold 1.8 GiB; V8 collects them in time because it is told of their size.
  expect(reported).toBeLessThan(900)
})

describe.runIf(hasNative)('process.exit with work queued', () => {
  test.each([0, 1, 10, 40])('after %d ms', async (delay) => {
    const { code, signal, stderr } = await runChild(
      `${longLayer}
       for (let i = 0; i < 4; i++) promises.conv2d(input, weight).catch(() => {})
       setTimeout(() => {
         process.on('exit', () => { process.exitCode = 7 })
         process.exit(7)
       }, ${delay})`,
    )
    expect({ code, signal, stderr }).toEqual({ code: 7, signal: null, stderr: '' })
  })

  test('the event loop turns while calls run', async () => {
    const { reported } = await runChild(
      `${longLayer}
       let turns = 0
       const timer = setInterval(() => { turns++ }, 1)
       const work = promises.conv2d(input, weight)
       const started = Date.now()
       await work
       clearInterval(timer)
       report({ turns, elapsed: Date.now() - started })`,
    )
    // Two cores and other tests beside this one: a tenth of the turns of an idle loop will do.
    expect(reported.turns).toBeGreaterThan(Math.min(reported.elapsed / 10, 5))
  })
})
