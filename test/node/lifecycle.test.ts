/** Processes and contexts that come and go with work under way: cluster, vm, exceptions, loading again. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { backends, hasNative } from '../support/backends.js'
import { longLayer, root, runChild } from './child.js'

const folder = mkdtempSync(join(tmpdir(), 'convkit-'))
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe.each(backends)('%s', (backend) => {
  const env = { CONVKIT_BACKEND: backend }

  test('an uncaught exception ends the process as usual, whatever is queued', async () => {
    const { code, signal, stderr } = await runChild(
      `${longLayer}
       for (let i = 0; i < 6; i++) promises.conv2d(input, weight)
       setTimeout(() => { throw new Error('on purpose') }, 20)`,
      { env },
    )
    expect({ code, signal }).toEqual({ code: 1, signal: null })
    expect(stderr).toContain('on purpose')
    expect(stderr).not.toMatch(/FATAL|Check failed|Segmentation|terminate called/)
  })

  test('pending calls keep a process alive, and nothing else does', async () => {
    const { code, reported, stderr } = await runChild(
      `const x = { data: new Float32Array(9).fill(1), shape: [1, 1, 3, 3] }
       const seen = []
       const prepared = convkit.conv2d.prepare(x)
       prepared.async(x).then(() => seen.push('prepared'))
       promises.gradBias(x).then(() => seen.push('gradBias'))
       promises.conv2d(x, x, { signal: AbortSignal.abort() }).catch(() => seen.push('aborted'))
       process.on('beforeExit', () => {
         seen.push('beforeExit')
         if (seen.length < 6) promises.conv2d(x, x).then(() => seen.push('again'))
       })
       process.on('exit', () => { require('node:fs').writeSync(1, JSON.stringify(seen)) })`,
      { env, module: 'cjs' },
    ).catch((error: unknown) => ({ code: String(error), reported: undefined, stderr: '' }))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect([...(reported as string[]).slice(0, 3)].sort()).toEqual(['aborted', 'gradBias', 'prepared'])
    expect(reported.slice(3)).toEqual(['beforeExit', 'again', 'beforeExit'])
  })

  test('cluster: workers answer, are killed at work, and are replaced', async () => {
    const file = join(folder, `cluster-${backend}.cjs`)
    writeFileSync(
      file,
      `const cluster = require('node:cluster')
       const { conv2d } = require(${JSON.stringify(join(root, 'dist/cjs/promises.js'))})
       const layer = (n) => ({ data: new Float32Array(n * n).fill(1), shape: [1, 1, n, n] })
       if (cluster.isPrimary) {
         let answers = 0, killed = 0
         const fork = () => cluster.fork().on('message', (sum) => {
           if (sum !== 9) process.exit(3)
           answers++
         })
         const workers = [fork(), fork(), fork()]
         cluster.on('exit', (worker, code, signal) => {
           if (signal === 'SIGKILL') { killed++; fork() }
           else if (code !== 0) process.exit(4)
           if (answers >= 4) finish()
         })
         let finished = false
         const finish = () => {
           if (finished) return
           finished = true
           process.stdout.write(JSON.stringify({ answers, killed }))
         }
         workers[0].once('message', () => workers[0].process.kill('SIGKILL'))
       } else {
         conv2d(layer(3), layer(3)).then(({ data }) => {
           process.send(data[0])
           const more = Array.from({ length: 8 }, () => conv2d(layer(60), layer(9)))
           Promise.all(more).then(() => process.disconnect())
         })
       }`,
    )
    const { code, reported, stderr } = await runChild(
      `process.argv[1] = ${JSON.stringify(file)}; require(process.argv[1])`,
      {
        env,
        module: 'cjs',
      },
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(reported).toEqual({ answers: 4, killed: 1 })
  })

  test('operands and results may come from another context', async () => {
    const { code, reported, stderr } = await runChild(
      `const vm = require('node:vm')
       const make = vm.runInNewContext('(values, shape) => ({ data: Float32Array.from(values), shape })')
       const [x, w] = [make([1, 2, 3, 4], [1, 1, 4]), make([1, 10], [1, 1, 2])]
       const out = vm.runInNewContext('new Float32Array(3)')
       const options = vm.runInNewContext('({ stride: [1], padding: [[0, 0]], activation: { type: "clip", min: 0, max: 1e9 } })')
       ;(async () => {
         const own = convkit.conv1d(x, w, options)
         const results = [own, await promises.conv1d(x, w, options), await convkit.conv1d.prepare(w, options).async(x, { out })]
         convkit.conv1d(x, w, { out })
         report({ results: results.map(({ data }) => [...data]), out: [...out], same: results[2].data === out, ours: own.data instanceof Float32Array })
       })()`,
      { env, module: 'cjs' },
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const y = [21, 32, 43]
    expect(reported).toEqual({ results: [y, y, y], out: y, same: true, ours: true })
  })

  test('the library works inside a context of its own, as test runners load it', async () => {
    const { code, reported, stderr } = await runChild(
      `const [vm, fs, path, { createRequire }] = ['vm', 'fs', 'path', 'module'].map((name) => require('node:' + name))
       function load(entry) {
         const context = vm.createContext({ process, console, AbortController, URL, setTimeout, SharedArrayBuffer })
         const cache = new Map()
         const loadFile = (file) => {
           if (!cache.has(file)) {
             const module = { exports: {} }
             cache.set(file, module)
             const native = createRequire(file)
             const require = Object.assign(
               (name) => /^[.]/.test(name) ? loadFile(native.resolve(name)) : native(name), { resolve: native.resolve, cache: {} })
             const source = '(function (exports, require, module, __filename, __dirname) {' + fs.readFileSync(file, 'utf8') + '\\n})'
             vm.runInContext(source, context, { filename: file })(module.exports, require, module, file, path.dirname(file))
           }
           return cache.get(file).exports
         }
         return loadFile(entry)
       }
       ;(async () => {
         const x = { data: new Float32Array(9).fill(1), shape: [1, 1, 3, 3] }
         const seen = []
         for (let i = 0; i < 3; i++) {
           const inside = load(${JSON.stringify(join(root, 'dist/cjs/promises.js'))})
           const { data } = await inside.conv2d(x, x)
           let code
           try { await inside.conv2d(x, x, { algorithm: 'depthwise', groups: 2 }) } catch (error) { code = error.code }
           seen.push([data[0], code])
         }
         report({ seen, here: convkit.conv2d(x, x).data[0], backend: convkit.info().backend })
       })()`,
      { env, module: 'cjs' },
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(reported).toEqual({
      seen: Array.from({ length: 3 }, () => [9, 'ERR_CONVKIT_SHAPE']),
      here: 9,
      backend,
    })
  })
})

describe.runIf(hasNative)('native', () => {
  test('the addon may be loaded many times in one process, and in workers that end', async () => {
    const { code, reported, stderr } = await runChild(
      `const { Worker } = require('node:worker_threads')
       const { binary } = convkit.info()
       const again = () => { const module = { exports: {} }; process.dlopen(module, binary); return module.exports }
       const record = (() => { const { makeRecord, writeProblem, writeCall } = require('./dist/cjs/node/record.js')
         const one = makeRecord()
         writeProblem(one, { dtype: 'float32', batch: 1, groups: 1, imageChannels: 1, featureChannels: 1, image: [4], kernel: [2], features: [3],
           stride: [1], dilation: [1], padBegin: [0], paddingMode: 'zeros', flipKernel: false, layout: 'channels-first', weightLayout: 'channels-first' })
         writeCall(one, 'forward', 'auto', undefined)
         return one })()
       const source = \`const module = { exports: {} }; process.dlopen(module, \${JSON.stringify(binary)}); module.exports.isas()\`
       ;(async () => {
         const sums = []
         for (let i = 0; i < 5; i++) {
           const addons = [again(), again()]
           const outs = addons.map(() => new Float32Array(3))
           const pending = addons.map((addon, k) => addon.runAsync(1, record, Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 10), outs[k]))
           await Promise.all([1, 2].map(() => new Promise((resolve) => new Worker(source, { eval: true }).on('exit', resolve))))
           await Promise.all(pending)
           sums.push(...outs.map((out) => [...out].join()))
         }
         report([...new Set(sums)])
       })()`,
      { module: 'cjs' },
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(reported).toEqual(['21,32,43'])
  })

  test('workers ended at once with long calls queued give back threads, places and memory', async () => {
    const { code, reported, stderr } = await runChild(
      `const { Worker } = require('node:worker_threads')
       const fs = require('node:fs')
       const addon = require(convkit.info().binary)
       const threads = () => fs.existsSync('/proc/self/task') ? fs.readdirSync('/proc/self/task').length : 0
       const source = \`
         const { conv2d } = require(\${JSON.stringify(require.resolve('./dist/cjs/promises.js'))})
         const convkit = require(\${JSON.stringify(require.resolve('./dist/cjs/index.js'))})
         ${longLayer.replaceAll('`', '')}
         const prepared = convkit.conv2d.prepare(weight)
         for (let i = 0; i < 3; i++) { conv2d(input, weight).catch(() => {}); prepared.async(input).catch(() => {}) }
         require('node:worker_threads').parentPort.postMessage('started')
         if (\${Math.random() < 0.3}) setTimeout(() => process.exit(), 5)\`
       ;(async () => {
         const x = { data: new Float32Array(9).fill(1), shape: [1, 1, 3, 3] }
         await promises.conv2d(x, x)
         const before = threads()
         for (let round = 0; round < 2; round++) {
           const workers = Array.from({ length: 4 }, () => new Worker(source, { eval: true }))
           await Promise.all(workers.map((worker) => new Promise((resolve) => worker.on('message', resolve).on('exit', resolve))))
           await Promise.all(workers.map(async (worker) => {
             await new Promise((resolve) => setTimeout(resolve, 30 * Math.random()))
             await worker.terminate()
           }))
         }
         // One place each for quick and for long calls: taken, if a worker had kept one.
         addon.setBacklog(1, 0)
         const { data } = await promises.conv2d(x, x)
         ${longLayer}
         await promises.conv2d({ ...input, shape: [1, 256, 96, 96] }, { data: weight.data.slice(0, 256 * 25), shape: [1, 256, 5, 5] })
         report({ sum: data[0], more: threads() - before, mebibytes: process.memoryUsage().rss / 2 ** 20 })
       })()`,
      { module: 'cjs' },
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(reported.sum).toBe(9)
    // The pool's, and one that Node keeps for workers.
    expect(reported.more).toBeLessThan(8)
    // Eight workers held 6 calls of 25 MB each.
    expect(reported.mebibytes).toBeLessThan(700)
  })
})
