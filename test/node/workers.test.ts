/** The library in worker threads: many at once, ended at random moments, loaded again after its last user is gone. */

import { describe, expect, test } from 'vitest'
import { backends, hasNative } from '../support/backends.js'
import { runChild } from './child.js'

/** Endless mixed work, for a worker that will be ended. */
const busy = (index: string, entry: string): string => `
  const { conv2d, setThreads } = require(${index})
  const promises = require(${entry})
  const input = { data: new Float32Array(32 * 40 * 40).fill(1), shape: [1, 32, 40, 40] }
  const weight = { data: new Float32Array(32 * 32 * 9).fill(1), shape: [32, 32, 3, 3] }
  const prepared = conv2d.prepare(weight)
  ;(async () => {
    for (;;) {
      const controller = new AbortController()
      const calls = []
      for (let i = 0; i < 4; i++) calls.push(promises.conv2d(input, weight, { signal: controller.signal }), prepared.async(input))
      if (Math.random() < 0.2) controller.abort()
      conv2d(input, weight)
      for (const { value } of await Promise.allSettled(calls)) {
        if (value && Math.abs(value.data[50] - 288) > 0.01) throw new Error('wrong result ' + value.data[50])
      }
    }
  })()`

const prelude = `
  const { Worker } = require('node:worker_threads')
  const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
  const [index, entry] = ['index', 'promises'].map((name) => JSON.stringify(require.resolve('./dist/cjs/' + name + '.js')))
  const busy = ${busy.toString()}
  const start = () => {
    const worker = new Worker(busy(index, entry), { eval: true })
    worker.on('error', (error) => { console.error(error); process.exitCode = 1 })
    return worker
  }`

describe.each(backends)('%s', (backend) => {
  const options = { module: 'cjs', env: { CONVKIT_BACKEND: backend } } as const

  test('workers ended at random moments leave the others at work', { timeout: 120_000 }, async () => {
    const outcome = await runChild(
      `${prelude}
       ;(async () => {
         let ended = 0
         const lives = Array.from({ length: 4 }, async () => {
           for (let i = 0; i < 8; i++) {
             const worker = start()
             await sleep(30 + Math.random() * 150)
             await worker.terminate()
             ended++
           }
         })
         const x = { data: new Float32Array(9).fill(1), shape: [1, 1, 3, 3] }
         let here = 0
         while (ended < 32) here += (await promises.conv2d(x, x)).data[0] === 9 && convkit.conv2d(x, x).data[0] === 9
         await Promise.all(lives)
         report({ ended, here: here > 0 })
       })()`,
      options,
    )
    expect(outcome).toEqual({ code: 0, signal: null, reported: { ended: 32, here: true }, stderr: '' })
  })

  test('a process ends with its workers at work', async () => {
    const outcome = await runChild(
      `${prelude}
       ;[1, 2, 3].map(start)
       setTimeout(() => process.exit(), 300)`,
      options,
    )
    expect(outcome).toEqual({ code: 0, signal: null, reported: undefined, stderr: '' })
  })
})

test.runIf(hasNative)('the library may be loaded again after the only worker that used it has ended', async () => {
  const { code, signal, reported, stderr } = await runChild(
    `${prelude}
     ;(async () => {
       const bits = []
       for (let i = 0; i < 4; i++) {
         const worker = new Worker(\`
           const { conv2d, info } = require(\${index})
           const x = { data: new Float32Array(9).fill(1), shape: [1, 1, 3, 3] }
           require(\${entry}).conv2d(x, x).then(({ data }) => {
             require('node:worker_threads').parentPort.postMessage([info().backend, data[0]])
           })\`, { eval: true })
         bits.push(await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject)))
         await worker.terminate()
       }
       report(bits)
     })()`,
    { module: 'cjs' },
  )
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
  expect(reported).toEqual(Array.from({ length: 4 }, () => ['native', 9]))
})
