/**
 * Little memory: calls for which there is none give ERR_CONVKIT_MEMORY, and everything works afterwards. Each process
 * limits its own address space (Linux: prlimit) once the library has been loaded and used.
 */

import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { backends } from '../support/backends.js'
import { outcome, runChild } from './child.js'

const canLimit = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0

/** `limit(bytes)`: the address space may grow by that much; without, as it likes. */
const preamble = (backend: string): string => `${outcome}
    const { execFileSync } = await import('node:child_process')
    const { readFileSync } = await import('node:fs')
    const backend = ${JSON.stringify(backend)}
    const limit = (room) => {
      const used = Number(/VmSize:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
      const soft = room === undefined ? 'unlimited' : used + room
      execFileSync('prlimit', ['--pid', process.pid, '--as=' + soft + ':unlimited'])
    }
    const tensor = (shape) => ({ data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape })
    const small = [tensor([1, 8, 16, 16]), tensor([8, 8, 3, 3]), { padding: 1, backend }]
    const wanted = convkit.conv2d(...small).data.join()
    const works = async () =>
      convkit.conv2d(...small).data.join() === wanted &&
      (await promises.conv2d(...small)).data.join() === wanted &&
      convkit.conv2d.prepare(small[1], small[2])(small[0]).data.join() === wanted
    await works()`

describe.runIf(canLimit).each(backends)('little memory, %s', (backend) => {
  test('results, copies of operands and packed weights for which there is no room', async () => {
    const { code, signal, reported, stderr } = await runChild(`${preamble(backend)}
      const wide = tensor([1, 1, 2 ** 24])
      const kernel = tensor([4, 1, 1])
      const [weight, image] = [tensor([2048, 1024, 3, 3]), tensor([1, 1024, 3, 3])]
      const native = backend === 'native'
      limit(48 << 20)
      const outcomes = [
        await outcome(() => convkit.conv1d(wide, kernel, { backend })),
        await outcome(() => convkit.convTranspose1d(wide, tensor([1, 1, 2]), { stride: 2, backend })),
        await outcome(() => promises.conv1d(wide, tensor([1, 1, 1]), { backend })),
        await outcome(() => convkit.conv1d.gradInput([1, 4, 2 ** 24], tensor([1, 4, 1]), wide, { backend })),
        await outcome(() => convkit.zeros([2 ** 28])),
        await outcome(() => convkit.conv1d.prepare(kernel, { backend }).async(wide)),
        await outcome(() => convkit.im2col(wide, [9])),
        await outcome(() => convkit.conv2d.prepare(weight, { backend })(image)),
      ]
      if (native) outcomes.push(await outcome(() => convkit.conv2d(tensor([1, 1024, 4, 4]), weight, { backend, algorithm: 'fft' })))
      const usable = await works()
      limit()
      report({ outcomes, usable, later: await works(), large: await outcome(() => convkit.conv2d.prepare(weight, { backend })(image)) })`)
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null })
    const memory = 'RangeError ERR_CONVKIT_MEMORY'
    expect(new Set(reported.outcomes), JSON.stringify(reported)).toEqual(new Set([memory]))
    expect(reported).toMatchObject({ usable: true, later: true, large: 'done' })
  })
})

test('results that no ArrayBuffer can hold', async () => {
  const { code, reported, stderr } = await runChild(`
    const outcomes = []
    for (const call of [
      () => convkit.zeros([2 ** 32 + 1]),
      () => convkit.conv1d({ data: new Float32Array(1), shape: [1, 1, 1] }, { data: new Float32Array(1), shape: [1, 1, 1] }, { padding: 2 ** 32 }),
      () => convkit.upsampleAsTranspose({ data: new Float32Array(1), shape: [1, 1, 1] }, 2 ** 33),
      () => convkit.zeros([2 ** 31, 2, 2], 'float64'),
    ]) {
      try { call() } catch ({ code }) { outcomes.push(code) }
    }
    report(outcomes)`)
  expect(code, stderr).toBe(0)
  expect(new Set(reported)).toEqual(new Set(['ERR_CONVKIT_MEMORY']))
})
