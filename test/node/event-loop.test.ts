/**
 * What long calls do to the rest of a process: nothing but take their share of the processor. The bounds are for a busy
 * machine of two cores; a call that held the loop, or one of libuv's four workers, would miss them tenfold.
 */

import { describe, expect, test } from 'vitest'
import { hasNative } from '../support/backends.js'
import { runChild } from './child.js'

/**
 * Reports, for an idle process, beside one long call and beside more than there are threads: the delay of the loop
 * (99th percentile, ms), and how long file system, name service, cryptography and compression take (median, ms).
 */
const script = `
  const [{ monitorEventLoopDelay }, fs, dns, crypto, zlib, { promisify }, { setTimeout: sleep }] = await Promise.all(
    ['perf_hooks', 'fs/promises', 'dns/promises', 'crypto', 'zlib', 'util', 'timers/promises'].map((name) => import('node:' + name)))
  const [pbkdf2, randomBytes, deflate] = [crypto.pbkdf2, crypto.randomBytes, zlib.deflate].map(promisify)
  const text = Buffer.alloc(20_000, 'convolution ')
  const probes = {
    fs: () => fs.readFile('package.json'),
    dns: () => dns.lookup('localhost'),
    crypto: () => Promise.all([pbkdf2('password', 'salt', 500, 32, 'sha256'), randomBytes(1000)]),
    zlib: () => deflate(text),
  }
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1]

  async function measure(milliseconds) {
    const histogram = monitorEventLoopDelay({ resolution: 2 })
    const times = Object.fromEntries(Object.keys(probes).map((name) => [name, []]))
    const end = performance.now() + milliseconds
    histogram.enable()
    while (performance.now() < end) {
      await Promise.all(Object.entries(probes).map(async ([name, probe]) => {
        const begin = performance.now()
        await probe()
        times[name].push(performance.now() - begin)
      }))
      await sleep(3)
    }
    histogram.disable()
    return { p99: histogram.percentile(99) / 1e6, ...Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)])) }
  }

  async function beside(count) {
    const controller = new AbortController()
    let ended = 0
    const input = { data: new Float32Array(128 * 220 * 220), shape: [1, 128, 220, 220] }
    const weight = { data: new Float32Array(128 * 128 * 144), shape: [128, 128, 12, 12] }
    const calls = Array.from({ length: count }, () =>
      promises.conv2d(input, weight, { algorithm: 'im2col', signal: controller.signal }).then(() => { ended++ }, () => {}))
    await sleep(50)
    const measured = await measure(PERIOD)
    controller.abort()
    await Promise.all(calls)
    return { ...measured, ended }
  }

  await measure(300)
  report({ idle: await measure(PERIOD), one: await beside(1), many: await beside(convkit.info().threads + 5) })`

type Figures = Record<'p99' | 'fs' | 'dns' | 'crypto' | 'zlib' | 'ended', number>

/** What is wrong with a measurement; empty if nothing is. */
const complaints = ({ idle, one, many }: Record<'idle' | 'one' | 'many', Figures>): string[] =>
  [one, many].flatMap((busy) => [
    ...(busy.ended > 0 ? ['the long calls are shorter than the measurement'] : []),
    ...(busy.p99 - idle.p99 < 40 ? [] : ['event loop']),
    ...(['fs', 'dns', 'crypto', 'zlib'] as const).filter((name) => busy[name] > 3 * idle[name] + 30),
  ])

describe.runIf(hasNative)('while long calls run', () => {
  test('the loop turns, and other work of the process is not held up', async () => {
    const seen: unknown[] = []
    // Other programs have their share of the processor, too: the best of three measurements counts.
    for (let attempt = 0; attempt < 3; attempt++) {
      const { code, reported, stderr } = await runChild(script.replaceAll('PERIOD', '900'))
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const wrong = complaints(reported as Parameters<typeof complaints>[0])
      if (wrong.length === 0) return
      seen.push({ wrong, reported: reported as unknown })
    }
    expect.fail(JSON.stringify(seen))
  })
})
