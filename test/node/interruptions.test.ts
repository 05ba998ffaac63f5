/** What comes between: signals of the system, exceptions, threads that stand still, other threads' writes, deep stacks. */

import { describe, expect, test } from 'vitest'
import { hasNative } from '../support/backends.js'
import { longLayer, runChild } from './child.js'

const ones = `const x = { data: new Float32Array(9).fill(1), shape: [1, 1, 3, 3] }`
const inWorker = (source: string): string => `
  const { Worker } = require('node:worker_threads')
  const prelude = ['convkit', 'promises'].map((name, i) =>
    'const ' + name + ' = require(' + JSON.stringify(require.resolve('./dist/cjs/' + ['index', 'promises'][i] + '.js')) + ');').join('')
  const start = (options) => new Worker(prelude + ${JSON.stringify(`${ones}\n${longLayer}\n${source}`)}, { eval: true, ...options })`

const cjs = { module: 'cjs' } as const

describe.runIf(hasNative)('the process', () => {
  test.each([
    ['none', '', { code: null, signal: 'SIGTERM' }],
    ['one that exits', `process.on('SIGTERM', () => process.exit(5))`, { code: 5, signal: null }],
    ['one that throws', `process.on('SIGTERM', () => { throw new Error('on purpose') })`, { code: 1, signal: null }],
  ])('SIGTERM while calls run; handler: %s', async (_what, handler, expected) => {
    const { code, signal, stderr } = await runChild(
      `${longLayer}
       ${handler}
       for (let i = 0; i < 4; i++) promises.conv2d(input, weight)
       setTimeout(() => process.kill(process.pid, 'SIGTERM'), 20)
       setTimeout(() => {}, 60_000)`,
    )
    expect({ code, signal }).toEqual(expected)
    expect(stderr).not.toMatch(/FATAL|Check failed|terminate called/)
  })

  test('goes on when a call ends while assignments to a polluted prototype throw', async () => {
    const { code, reported, stderr } = await runChild(
      `${ones}
       ${longLayer}
       const controller = new AbortController()
       const aborted = promises.conv2d(input, weight, { signal: controller.signal }).catch(({ name }) => name)
       setTimeout(() => {
         controller.abort()
         const property = { set() { throw new Error('assigned') }, get() {}, configurable: true }
         Object.defineProperty(Object.prototype, 'code', property)
         setTimeout(async () => {
           delete Object.prototype.code
           report([await aborted, (await promises.conv2d(x, x)).data[0]])
         }, 400)
       }, 20)`,
    )
    expect({ code, stderr, reported }).toEqual({ code: 0, stderr: '', reported: ['AbortError', 9] })
  })

  test('goes on after exceptions of the caller in listeners and reactions', async () => {
    const { code, reported, stderr } = await runChild(
      `${ones}
       ${longLayer}
       const seen = []
       process.on('uncaughtException', ({ message }) => seen.push(message))
       process.on('unhandledRejection', ({ message }) => seen.push(message))
       const controller = new AbortController()
       controller.signal.addEventListener('abort', () => { throw new Error('listener') })
       const doomed = promises.conv2d(input, weight, { signal: controller.signal }).catch(({ name }) => name)
       promises.conv2d(x, x).then(() => { throw new Error('reaction') })
       await promises.conv2d(x, x)
       controller.abort()
       seen.push(await doomed)
       await new Promise((resolve) => setTimeout(resolve, 10))
       report({ seen: seen.sort(), after: (await promises.conv2d(x, x)).data[0] })`,
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(reported).toEqual({ seen: ['AbortError', 'listener', 'reaction'], after: 9 })
  })

  test('may stand still while calls run, and take heap snapshots, and have hooks on every promise', async () => {
    const { code, reported, stderr } = await runChild(
      `${ones}
       ${longLayer}
       const { AsyncLocalStorage, createHook } = await import('node:async_hooks')
       const { getHeapSnapshot } = await import('node:v8')
       const storage = new AsyncLocalStorage()
       let nested
       createHook({ init() {}, before() {}, after() {}, promiseResolve() { nested ??= promises.conv2d(x, x) } }).enable()
       const calls = [1, 2, 3].map((n) => storage.run(n, async () => {
         await promises.conv2d(x, x)
         return storage.getStore()
       }))
       const long = promises.conv2d(input, weight)
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
       getHeapSnapshot().resume()
       report({ stores: await Promise.all(calls), long: Math.round((await long).data[0]), nested: (await nested).data[0] })`,
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(reported).toEqual({ stores: [1, 2, 3], long: 6400, nested: 9 })
  })
})

describe.runIf(hasNative)('a worker thread', () => {
  test('that runs out of memory with calls under way', async () => {
    const { code, reported, stderr } = await runChild(
      `${inWorker(`
         convkit.conv2d.prepare(weight).async(input)
         for (let i = 0; i < 3; i++) promises.conv2d(input, weight)
         const kept = []
         setInterval(() => { for (let i = 0; i < 1e5; i++) kept.push({ i, list: [i] }) })`)}
       ${ones}
       let code
       start({ resourceLimits: { maxOldGenerationSizeMb: 40 } })
         .on('error', (error) => { code = error.code })
         .on('exit', async () => report({ code, after: (await promises.conv2d(x, x)).data[0] }))`,
      cjs,
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(reported).toEqual({ code: 'ERR_WORKER_OUT_OF_MEMORY', after: 9 })
  })

  test('that is ended while it turns in a loop, its results waiting', async () => {
    const { code, reported, stderr } = await runChild(
      `${inWorker(`
         for (let i = 0; i < 500; i++) promises.conv2d(x, x)
         require('node:worker_threads').parentPort.postMessage('started')
         for (;;);`)}
       ${ones}
       ;(async () => {
         for (let i = 0; i < 5; i++) {
           const worker = start()
           await new Promise((resolve) => worker.on('message', resolve))
           await new Promise((resolve) => setTimeout(resolve, 5 * i))
           await worker.terminate()
         }
         report((await promises.conv2d(x, x)).data[0])
       })()`,
      cjs,
    )
    expect({ code, stderr, reported }).toEqual({ code: 0, stderr: '', reported: 9 })
  })

  test.each([0.4, 4])('calls at every depth of a stack of %d MiB', async (stackSizeMb) => {
    const { code, reported } = await runChild(
      `${inWorker(`
         const tensor = (...shape) => ({ data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape })
         const [y, w, d, g] = [tensor(1, 16, 20, 20), tensor(16, 16, 3, 3), tensor(16, 1, 3, 3), tensor(1, 16, 18, 18)]
         const prepared = convkit.conv2d.prepare(w)
         promises.conv2d(x, x)
         let calls = 0
         const call = () => {
           for (const algorithm of ['winograd', 'fft', 'direct', 'im2col']) convkit.conv2d(y, w, { algorithm })
           prepared(y)
           convkit.conv2d(y, d, { groups: 16 })
           convkit.conv2d.gradWeight(y, w.shape, g)
         }
         const errors = new Set()
         const deeper = () => {
           try {
             deeper()
           } finally {
             if (calls++ < 200) try { call() } catch (error) { errors.add(error.message) }
           }
         }
         try { deeper() } catch {}
         require('node:worker_threads').parentPort.postMessage([...errors])`)}
       ${ones}
       start({ resourceLimits: { stackSizeMb: ${stackSizeMb} } }).on('message', (errors) => report({ errors, after: convkit.conv2d(x, x).data[0] }))`,
      cjs,
    )
    expect({ code, reported }).toEqual({
      code: 0,
      reported: { errors: ['Maximum call stack size exceeded'], after: 9 },
    })
  })

  test('that writes into operands and out, and grows their memory, while calls run', async () => {
    const { code, reported, stderr } = await runChild(
      `const { Worker } = require('node:worker_threads')
       const elements = 64 * 24 * 24
       const image = new SharedArrayBuffer(4 * elements, { maxByteLength: 16 * elements })
       const [weights, result] = [64 * 64 * 9, elements].map((length) => new SharedArrayBuffer(4 * length))
       new Worker(\`
         const { workerData } = require('node:worker_threads')
         const views = workerData.map((buffer) => new Float32Array(buffer))
         const odd = [NaN, Infinity, -Infinity, 1e38, -1e38, 1e-45, 0, -0, 1]
         for (let i = 0; ; i++) {
           for (const view of views) view[Math.floor(Math.random() * view.length)] = odd[i % odd.length]
           const [{ byteLength, maxByteLength }] = workerData
           if (i % 200_000 === 0 && byteLength + 4096 <= maxByteLength) workerData[0].grow(byteLength + 4096)
         }\`, { eval: true, workerData: [image, weights, result] }).unref()
       ;(async () => {
         const codes = new Set()
         const end = performance.now() + 1500
         for (let i = 0; performance.now() < end || i < 12; i++) {
           const algorithm = ['auto', 'winograd', 'fft', 'direct', 'im2col', 'depthwise'][i % 6]
           const grouped = algorithm === 'depthwise'
           const follows = Math.floor(i / 6) % 2 === 1 // its buffer, which grows
           const x = { data: follows ? new Float32Array(image) : new Float32Array(image, 0, elements), shape: [1, 64, 24, 24] }
           const g = { data: new Float32Array(image, 0, elements), shape: x.shape }
           const w = grouped ? { data: new Float32Array(weights, 0, 576), shape: [64, 1, 3, 3] } : { data: new Float32Array(weights), shape: [64, 64, 3, 3] }
           const options = { algorithm, padding: 1, groups: grouped ? 64 : 1 }
           const out = new Float32Array(result)
           for (const call of [
             () => convkit.conv2d(x, w, { ...options, out }),
             () => convkit.conv2d.gradWeight(x, w.shape, g, options),
             () => convkit.conv2d.gradInput(x.shape, w, g, options),
             () => convkit.conv2d.prepare(w, options)(x, { out }),
             () => promises.conv2d(x, w, { ...options, out }),
             () => promises.conv2d.gradWeight(x, w.shape, g, options),
             () => convkit.gradBias(x, { out: new Float32Array(result, 0, 64) }),
             () => convkit.im2col(x, [3, 3]),
           ]) {
             try {
               await call()
               codes.add('done')
             } catch ({ code }) {
               codes.add(code)
             }
           }
         }
         report([...codes].sort())
       })()`,
      cjs,
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    // A view that follows its buffer has another length all at once; winograd has no weight gradient.
    expect(reported).toEqual(['ERR_CONVKIT_BUFFER', 'ERR_CONVKIT_OPTION', 'done'])
  })
})
