/** The queue in front of the pool: its order, its bounds, small calls beside large ones, and how soon an abort is felt. */

import { afterEach, describe, expect, test, vi } from 'vitest'
import { conv2d, gradBias, info, setThreads } from '../../lib/index.js'
import * as promises from '../../lib/promises.js'
import { Backlog, defaultLimits } from '../../lib/node/backlog.js'
import { createTypescriptBackend } from '../../lib/backend/typescript/index.js'
import { loadAddon } from '../../lib/node/load.js'
import { withWorker } from '../../lib/node/typescript-async.js'
import type { ConvProblem } from '../../lib/problem.js'
import { hasNative } from '../support/backends.js'
import { expectSameBits } from '../support/compare.js'
import { integers, Random, seed } from '../support/data.js'

const random = new Random(seed)
const small = { input: integers(random, [1, 4, 12, 12]), weight: integers(random, [4, 4, 3, 3]) }
const zeros = (shape: number[]) => ({ data: new Float32Array(shape.reduce((a, b) => a * b, 1)), shape })
/** Of 150 GFLOP: more than a second on any thread. The base path of one thread, so that no transform halves it. */
const long = {
  input: zeros([1, 128, 180, 180]),
  weight: zeros([128, 128, 12, 12]),
  options: { algorithm: 'im2col' } as const,
}

describe.runIf(hasNative)('native', () => {
  const loaded = loadAddon()
  const addon = 'addon' in loaded ? loaded.addon : (undefined as never)
  const threads = info().threads
  const { calls, bytes } = defaultLimits()

  afterEach(() => {
    setThreads(threads)
    addon.setBacklog(calls, bytes)
  })

  test.each([1, 2])('small calls are done while as many large ones run as there are threads (%d)', async (count) => {
    setThreads(count)
    const expected = conv2d(small.input, small.weight)
    const expectedBias = gradBias(small.input)
    const controller = new AbortController()
    const ended: number[] = []
    const large = Array.from({ length: count + 1 }, async (_, i) =>
      promises.conv2d(long.input, long.weight, { ...long.options, signal: controller.signal }).finally(() => {
        ended.push(i)
      }),
    )
    const outcomes = Promise.allSettled(large)
    const prepared = conv2d.prepare(small.weight)
    for (let round = 0; round < 5; round++) {
      const results = await Promise.all(
        Array.from({ length: 60 }, (_, i) =>
          i % 3 === 0
            ? prepared.async(small.input)
            : i % 3 === 1
              ? promises.conv2d(small.input, small.weight)
              : promises.gradBias(small.input),
        ),
      )
      results.forEach((result, i) => {
        expectSameBits(result, i % 3 === 2 ? expectedBias : expected, `call ${i}`)
      })
    }
    expect(ended).toEqual([])
    controller.abort()
    await outcomes
  })

  test('large calls begin in the order in which they came', async () => {
    setThreads(1)
    const order: number[] = []
    const input = zeros([1, 64, 100, 100]) // 1.5 GFLOP with 12 channels more: no quick call
    const weight = zeros([96, 64, 4, 4])
    const all = Array.from({ length: 6 }, async (_, i) => {
      await promises.conv2d(input, weight)
      order.push(i)
    })
    await Promise.all(all)
    expect(order).toEqual([0, 1, 2, 3, 4, 5])
  })

  test('thousands of small calls at once', async () => {
    const expected = conv2d(small.input, small.weight)
    const results = await Promise.all(Array.from({ length: 5000 }, () => promises.conv2d(small.input, small.weight)))
    for (const result of results)
      if (result.data[7] !== expected.data[7]) expectSameBits(result, expected, 'one of many')
    expectSameBits(results.at(-1) ?? expected, expected, 'the last')
  })

  test('calls that have ended together are settled in several turns of the event loop', async () => {
    const count = 9000
    let settled = 0
    for (let i = 0; i < count; i++) void promises.conv2d(small.input, small.weight).then(() => settled++)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000) // what holds up the loop until they have ended
    let most = 0
    while (settled < count) {
      const before = settled
      await new Promise(setImmediate)
      most = Math.max(most, settled - before)
    }
    expect(most).toBeLessThan(count / 2)
  })

  const refusal = (limit: RegExp): unknown =>
    expect.objectContaining({
      name: 'RangeError',
      code: 'ERR_CONVKIT_MEMORY',
      message: expect.stringMatching(limit),
    })

  test('a full queue refuses at once, and has room again when calls are settled', async () => {
    addon.setBacklog(10, bytes)
    const started = Array.from({ length: 25 }, () => promises.conv2d(small.input, small.weight))
    const outcomes = await Promise.allSettled(started)
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 10 }, () => 'fulfilled'),
      ...Array.from({ length: 15 }, () => 'rejected'),
    ])
    expect((outcomes[24] as PromiseRejectedResult).reason).toEqual(
      refusal(/^convkit: the queue is full: 10 calls with 0 MiB .*at most .* calls and .* MiB.*await some/),
    )
    await promises.conv2d(small.input, small.weight)
  })

  test('bytes are counted: copied operands and results, of large calls and of quick ones apart', async () => {
    const input = zeros([1, 16, 800, 800]) // 41 MB, its result 2.6 MB
    const weight = zeros([1, 16, 1, 1])
    addon.setBacklog(calls, 60e6)
    const started = [1, 2, 3].map(async () => promises.conv2d(input, weight))
    const quick = promises.conv2d(small.input, small.weight)
    const outcomes = await Promise.allSettled(started)
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect((outcomes[1] as PromiseRejectedResult).reason).toEqual(refusal(/1 calls with 41 MiB /))
    await quick
    // A call larger than the bound is taken by an empty queue.
    addon.setBacklog(calls, 1000)
    await promises.conv2d(input, weight)
  })

  test('failed, aborted and refused calls give their places back', async () => {
    addon.setBacklog(8, bytes)
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController()
      const { signal } = controller
      const started = Array.from({ length: 12 }, () => promises.conv2d(small.input, small.weight, { signal }))
      started.push(promises.conv2d(small.input, zeros([1, 1, 1, 1])))
      started.push(promises.conv2d(small.input, small.weight, { algorithm: 'depthwise' }))
      if (i % 2 === 0) controller.abort()
      await Promise.allSettled(started)
      await new Promise(setImmediate)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
    await Promise.all(Array.from({ length: 8 }, () => promises.conv2d(small.input, small.weight)))
  })

  test('an aborted call that was waiting gives its place back while the one before it runs', async () => {
    setThreads(1)
    addon.setBacklog(2, bytes)
    const start = async (signal: AbortSignal): Promise<unknown> =>
      promises.conv2d(long.input, long.weight, { ...long.options, signal })
    const first = new AbortController()
    let ended = false
    const running = start(first.signal).finally(() => (ended = true))
    const outcome = Promise.allSettled([running])
    for (let i = 0; i < 4; i++) {
      const waiting = new AbortController()
      const call = start(waiting.signal)
      waiting.abort()
      await expect(call).rejects.toMatchObject({ name: 'AbortError' })
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(ended).toBe(false)
    first.abort()
    await outcome
  })

  test('a call whose signal throws is given up', async () => {
    const cancel = vi.spyOn(addon, 'cancel')
    const spring = (): never => {
      throw new Error('of the caller')
    }
    const signal = { aborted: false, addEventListener: spring, removeEventListener: () => undefined }
    const call = promises.conv2d(long.input, long.weight, { ...long.options, signal })
    await expect(call).rejects.toThrow('of the caller')
    expect(cancel).toHaveBeenCalledOnce()
    cancel.mockRestore()
  })

  /** Milliseconds from an abort after `delay` to the moment when native code has let go of the call. */
  const stopping = async (start: (signal: AbortSignal) => Promise<unknown>, delay: number): Promise<number> => {
    const controller = new AbortController()
    const call = start(controller.signal).catch((error: unknown) => error)
    await new Promise((resolve) => setTimeout(resolve, delay))
    controller.abort()
    await call
    // The queue is first come, first served: a large call behind the aborted one starts when that has stopped.
    const begin = performance.now()
    await promises.gradBias(behind)
    return performance.now() - begin
  }
  const behind = zeros([1, 1, 5_000_000, 2]) // 40 MB: no quick call

  test.each([
    ['direct', 'forward'],
    ['direct', 'gradInput'],
    ['im2col', 'gradWeight'],
    ['winograd', 'forward'],
    ['fft', 'forward'],
  ] as const)('an abort stops %s, %s soon', async (algorithm, pass) => {
    setThreads(1)
    const input = zeros([1, 512, 128, 128]) // some 0.4 s with transforms, more without
    const weight = zeros([512, 512, 3, 3])
    const options = { algorithm, padding: 1 }
    const start = async (signal: AbortSignal): Promise<unknown> =>
      pass === 'forward'
        ? promises.conv2d(input, weight, { ...options, signal })
        : pass === 'gradInput'
          ? promises.conv2d.gradInput(input.shape, weight, input, { ...options, signal })
          : promises.conv2d.gradWeight(input, weight.shape, input, { ...options, signal })
    const alone: number[] = []
    for (let i = 0; i < 3; i++) {
      const begin = performance.now()
      await promises.gradBias(behind)
      alone.push(performance.now() - begin)
    }
    const begin = performance.now()
    await start(new AbortController().signal)
    const whole = performance.now() - begin
    const after: number[] = []
    for (const delay of [1, 15, 60, 120]) after.push(await stopping(start, delay))
    // An idle machine needs 10 ms; on a busy one all things take longer, the whole call as well.
    expect(Math.min(...after)).toBeLessThan(Math.max(...alone) + Math.max(60, 0.35 * whole))
  })
})

describe('typescript', () => {
  const problem: ConvProblem = {
    dtype: 'float32',
    batch: 1,
    groups: 1,
    imageChannels: 1,
    featureChannels: 1,
    image: [1000],
    kernel: [1],
    features: [1000],
    stride: [1],
    dilation: [1],
    padBegin: [0],
    paddingMode: 'zeros',
    flipKernel: false,
    layout: 'channels-first',
    weightLayout: 'channels-first',
  }
  const operands = { image: new Float32Array(1000), weights: new Float32Array(1) }

  test.each([
    { calls: 3, bytes: 1e9 },
    { calls: 100, bytes: 25_000 },
  ])('a full queue refuses at once: %o', async (limits) => {
    const backend = withWorker(createTypescriptBackend(), limits)
    for (let round = 0; round < 2; round++) {
      const started = Array.from({ length: 5 }, async () =>
        backend.runAsync('forward', problem, 'auto', operands, undefined),
      )
      const outcomes = await Promise.allSettled(started)
      expect(outcomes.map(({ status }) => status)).toEqual([
        'fulfilled',
        'fulfilled',
        'fulfilled',
        'rejected',
        'rejected',
      ])
      expect((outcomes[4] as PromiseRejectedResult).reason).toMatchObject({
        name: 'RangeError',
        code: 'ERR_CONVKIT_MEMORY',
        message: expect.stringContaining('the queue is full: 3 calls with 0 MiB'),
      })
    }
  })

  test('one signal that aborts hundreds of calls ends one worker, and those that come later find another', async () => {
    let started = 0
    const note = (): number => started++
    process.on('worker', note)
    const backend = withWorker(createTypescriptBackend())
    const run = async (signal?: AbortSignal): Promise<Float32Array | Float64Array> =>
      backend.runAsync('forward', problem, 'auto', operands, signal)
    await run()
    const controller = new AbortController()
    const aborted = Array.from({ length: 500 }, async () => run(controller.signal))
    const spared = run()
    const outcomes = Promise.allSettled(aborted)
    controller.abort()
    const later = run()
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { name: 'AbortError' } })
    expect((await Promise.all([spared, later])).map(({ length }) => length)).toEqual([1000, 1000])
    process.off('worker', note)
    expect(started).toBe(2)
  })

  test('a call larger than the bound fits an empty queue', () => {
    const backlog = new Backlog({ calls: 2, bytes: 10 })
    backlog.enter(11)
    expect(() => {
      backlog.enter(1)
    }).toThrow('the queue is full')
    backlog.leave(11)
    backlog.enter(10)
  })

  test('the bounds follow from the memory of the process', () => {
    const limits = defaultLimits()
    expect(limits.calls).toBeGreaterThanOrEqual(10_000)
    expect(limits.bytes).toBeGreaterThanOrEqual(256 * 2 ** 20)
    expect(Number.isSafeInteger(limits.bytes)).toBe(true)
  })
})
