/**
 * Every allocation that the addon makes fails in turn, alone and with all that follow, in every kind of call; and no
 * thread can be started. (native/test/failure_test.cpp does it to the core.) The process goes on: a result or
 * ERR_CONVKIT_MEMORY, nothing kept, and right results afterwards.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { hasNative } from '../support/backends.js'
import { outcome, root, runChild } from './child.js'

const folder = mkdtempSync(join(tmpdir(), 'convkit-'))
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})
const [library, words] = ['faults.so', 'faults'].map((name) => join(folder, name))
const compile = ['-shared', '-fPIC', '-o', library, join(root, 'test/fixtures/faults.c'), '-ldl']
const canInject = hasNative && process.platform === 'linux' && spawnSync('cc', compile).status === 0

/** `command({ word: number })` writes, `word(name)` reads what faults.c counts. */
const preamble = `${outcome}
  import fs from 'node:fs'
  const names = ['armed', 'fail_at', 'from_there', 'no_threads', 'asked', 'failed']
  const file = fs.openSync(process.env.FAULTS, 'r+')
  const command = (values) => {
    for (const [name, value] of Object.entries(values)) fs.writeSync(file, BigInt64Array.of(BigInt(value)), 0, 8, 8 * names.indexOf(name))
  }
  const word = (name) => {
    const value = new BigInt64Array(1)
    fs.readSync(file, value, 0, 8, 8 * names.indexOf(name))
    return Number(value[0])
  }
  const tensor = (...shape) => ({ data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 7) % 13 - 6), shape })
  const [x, w] = [tensor(1, 4, 9, 9), tensor(4, 4, 3, 3)]
  const wanted = convkit.conv2d(x, w, { backend: 'typescript' }).data.join()
  const works = async () => convkit.conv2d(x, w).data.join() === wanted && (await promises.conv2d(x, w)).data.join() === wanted`

const inject = async (script: string) => {
  writeFileSync(words, Buffer.alloc(48))
  const { code, signal, reported, stderr } = await runChild(`${preamble}\n${script}`, {
    env: { LD_PRELOAD: library, FAULTS: words },
    flags: ['--expose-gc'],
  })
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
  return reported as Record<string, unknown>
}

describe.runIf(canInject)('what the addon asks of the system', () => {
  test('every allocation fails in turn', async () => {
    const { outcomes, faults, broken } = await inject(`
      // Plans are kept: each call has a size of its own.
      let rows = 12
      const sized = (batch = 2) => tensor(batch, 16, rows, 20)
      const [dense, depthwise, bias] = [tensor(16, 16, 3, 3), tensor(16, 1, 3, 3), new Float32Array(16)]
      const gradient = () => tensor(2, 16, rows - 2, 18)
      const calls = [
        ...['winograd', 'fft', 'direct', 'im2col'].map((algorithm) => () => convkit.conv2d(sized(), dense, { algorithm, bias })),
        () => convkit.conv2d(sized(), depthwise, { groups: 16 }),
        () => convkit.conv2d.gradWeight(sized(), dense.shape, gradient()),
        () => convkit.conv2d.plan(sized().shape, dense.shape),
        () => convkit.conv2d.prepare(dense, { bias })(sized()),
        () => promises.conv2d(sized(), dense, { bias }),
        () => promises.conv2d.gradInput(sized().shape, dense, gradient()),
        () => promises.gradBias(sized()),
        () => convkit.conv2d.prepare(dense).async(sized()),
        () => Promise.all([1, 2, 3].map((batch) => promises.conv2d(sized(batch), dense))),
      ]
      await works()
      const outcomes = new Set()
      const broken = []
      let faults = 0
      for (const from_there of [0, 1]) {
        for (const [number, call] of calls.entries()) {
          for (let fail_at = 1; fail_at < 200; fail_at++) {
            rows = 12 + (rows + 1) % 90
            command({ fail_at, from_there, asked: 0, failed: 0, armed: 1 })
            outcomes.add(await outcome(call))
            command({ armed: 0 })
            if (!(await works())) broken.push([number, fail_at])
            if (word('failed') === 0) break
            faults++
          }
        }
      }
      report({ outcomes: [...outcomes], faults, broken })`)
    expect(broken).toEqual([])
    expect((outcomes as string[]).sort()).toEqual(['RangeError ERR_CONVKIT_MEMORY', 'done'])
    expect(faults).toBeGreaterThan(100)
  })

  test('asynchronous calls that fail keep neither operands nor results', async () => {
    const { grown, failed } = await inject(`
      const image = tensor(1, 1, 512, 512) // 1 MiB, its result too
      const weight = tensor(1, 1, 1, 1)
      const memory = async () => {
        for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 10)).then(gc)
        return process.memoryUsage().arrayBuffers / 2 ** 20
      }
      await outcome(() => promises.conv2d(image, weight))
      const before = await memory()
      let failed = 0
      for (let fail_at = 1; fail_at <= 16; fail_at++) {
        for (let i = 0; i < 12; i++) {
          command({ fail_at, from_there: 0, failed: 0, armed: 1 , asked: 0 })
          if ((await outcome(() => promises.conv2d(image, weight))) !== 'done') failed++
          command({ armed: 0 })
        }
      }
      report({ grown: (await memory()) - before, failed })`)
    expect(failed).toBeGreaterThan(50)
    expect(grown).toBeLessThan(6)
  })

  test('no thread can be started', async () => {
    const reported = await inject(`
      command({ no_threads: 1 })
      const alone = convkit.conv2d(tensor(1, 64, 60, 60), tensor(64, 64, 3, 3)).data.length
      const later = await outcome(() => promises.conv2d(x, w))
      const failed = word('failed')
      command({ no_threads: 0 })
      report({ alone, later, failed: failed > 0, works: await works() })`)
    expect(reported).toEqual({ alone: 64 * 58 * 58, later: 'RangeError ERR_CONVKIT_MEMORY', failed: true, works: true })
  })
})
