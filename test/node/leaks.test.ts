/** Memory is flat over mixed calls: the short form of `npm run soak`. */

import { expect, test } from 'vitest'
import { hasNative } from '../support/backends.js'
import { runChild } from './child.js'

// The C library gives back what was freed, so that resident memory is that of live objects.
const env = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '32768', MALLOC_TRIM_THRESHOLD_: '65536' }

test.runIf(hasNative)('memory is flat over calls of every kind, and what V8 is told of it balances', async () => {
  const { code, reported, stderr } = await runChild(
    `const tensor = (...shape) => ({ data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape })
     const [x, w, bias] = [tensor(1, 8, 24, 24), tensor(16, 8, 3, 3), new Float32Array(16)]
     const g = tensor(1, 16, 22, 22)
     const kept = tensor(64, 64, 3, 3)
     const failing = [{ stride: 0 }, { bias: new Float32Array(3) }, { out: new Float32Array(1) }, { algorithm: 'depthwise' }]

     const { createRequire } = await import('node:module')
     const addon = createRequire(process.cwd() + '/')(convkit.info().binary)

     async function turn(i) {
       convkit.conv2d(x, w, { bias })
       convkit.conv2d.gradWeight(x, w.shape, g)
       convkit.gradBias(g)
       const controller = new AbortController()
       const options = { signal: controller.signal }
       const calls = [
         promises.conv2d(x, w), promises.conv2d.gradInput(x.shape, w, g), promises.conv2d.gradWeight(x, w.shape, g),
         promises.gradBias(g), promises.conv2d(x, w, options), promises.conv2d.gradInput(x.shape, w, g, options),
         promises.conv2d(x, w, failing[i % 4]), promises.conv2d(x, w, { out: structuredClone(g.data) }),
       ]
       const dropped = convkit.conv2d.prepare(kept)
       calls.push(dropped.async({ ...x, data: new Float32Array(64 * 81), shape: [1, 64, 9, 9] }))
       const outcomes = Promise.allSettled(calls)
       if (i % 2) await calls[0]
       controller.abort()
       if (i % 3 === 0) dropped.dispose()
       await outcomes
       await new Promise(setImmediate)
     }
     async function memory() {
       const least = { rss: Infinity, external: Infinity }
       for (let i = 0; i < 6; i++) {
         gc()
         await new Promise((resolve) => setTimeout(resolve, 30))
         least.rss = Math.min(least.rss, process.memoryUsage.rss())
         least.external = Math.min(least.external, addon.externalMemory())
       }
       return least
     }
     const runs = async (count) => { for (let i = 0; i < count; i++) await turn(i) }
     await runs(300)
     const warm = await memory()
     await runs(900)
     report({ warm, end: await memory() })`,
    { env, flags: ['--expose-gc', '--max-semi-space-size=1'] },
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { warm, end } = reported as Record<'warm' | 'end', { rss: number; external: number }>
  expect(end.rss / warm.rss, JSON.stringify(reported)).toBeLessThan(1.05)
  // The operators' weights, 147 kB and more each, would be 130 MB; a result, 31 kB.
  expect(Math.abs(end.external - warm.external), JSON.stringify(reported)).toBeLessThan(200_000)
})
