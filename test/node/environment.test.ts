/** CONVKIT_BACKEND, CONVKIT_ISA and CONVKIT_THREADS, each in a process of its own. */

import { describe, expect, test } from 'vitest'
import { info } from '../../lib/index.js'
import { hasNative } from '../support/backends.js'
import { runChild, type Outcome } from './child.js'

const script = `
  const x = { data: new Float32Array(9).fill(1), shape: [1, 1, 3, 3] }
  const call = (options) => {
    try { return convkit.conv2d(x, x, options).data[0] } catch (error) { return [error.name, error.code, error.message] }
  }
  const first = call()
  report({ first, second: call(), typescript: call({ backend: 'typescript' }), info: convkit.info(), plan: first === 9 && convkit.conv2d.plan(x.shape, x.shape).id })`

const run = async (env: Record<string, string>): Promise<Outcome> => {
  const outcome = await runChild(script, { env })
  expect(outcome.code, outcome.stderr).toBe(0)
  return outcome
}

describe.runIf(hasNative)('CONVKIT_ISA', () => {
  test.each(info().isas)('%s runs when it is forced', async (isa) => {
    const { reported } = await run({ CONVKIT_ISA: isa })
    expect(reported.first).toBe(9)
    expect(reported.info).toMatchObject({ backend: 'native', isa, isas: info().isas })
    expect(reported.info).not.toHaveProperty('reason')
    // The plan is made by the core, so it tells what runs, not what was asked for.
    expect(reported.plan.split('/')).toContain(isa)
  })

  test.each(['avx1024', 'AVX2', 'neon, portable', process.arch === 'arm64' ? 'avx2' : 'neon'])(
    '%s is refused by every call, whatever its backend',
    async (isa) => {
      const { reported } = await run({ CONVKIT_ISA: isa })
      for (const result of [reported.first, reported.second, reported.typescript]) {
        expect(result.slice(0, 2)).toEqual(['Error', 'ERR_CONVKIT_BACKEND'])
        expect(result[2]).toContain(`CONVKIT_ISA=${isa}`)
        expect(result[2]).toContain(info().isas.join(', '))
      }
      expect(reported.info.reason).toContain(`CONVKIT_ISA=${isa}`)
    },
  )
})

describe('CONVKIT_BACKEND', () => {
  test('typescript', async () => {
    const { reported } = await run({ CONVKIT_BACKEND: 'typescript' })
    expect(reported.first).toBe(9)
    expect(reported.info).toMatchObject({ backend: 'typescript', reason: 'CONVKIT_BACKEND=typescript' })
  })

  test.runIf(hasNative)('native', async () => {
    const { reported } = await run({ CONVKIT_BACKEND: 'native' })
    expect(reported).toMatchObject({ first: 9, typescript: 9, info: { backend: 'native' } })
  })

  test.each(['auto', 'Native', 'wasm'])('%s is refused', async (value) => {
    const { reported } = await run({ CONVKIT_BACKEND: value })
    const message = `CONVKIT_BACKEND=${value} does not exist; it takes native or typescript`
    for (const result of [reported.first, reported.second, reported.typescript]) {
      expect(result).toEqual(['Error', 'ERR_CONVKIT_BACKEND', `convkit: ${message}`])
    }
    expect(reported.info.reason).toBe(message)
  })

  test('empty variables count as absent', async () => {
    const { reported } = await run({ CONVKIT_BACKEND: '', CONVKIT_ISA: '', CONVKIT_THREADS: '' })
    expect(reported.first).toBe(9)
    expect(reported.info.reason?.startsWith('CONVKIT_')).not.toBe(true)
  })
})

describe('CONVKIT_THREADS', () => {
  test.each(['1', '3', '1024'])('%s', async (threads) => {
    const { reported } = await run({ CONVKIT_THREADS: threads })
    expect(reported.first).toBe(9)
    expect(reported.info.threads).toBe(Number(threads))
  })

  test.each(['0', '-1', '1.5', '1025', 'two', '1e2', ' 2'])('%s is refused', async (threads) => {
    const { reported } = await run({ CONVKIT_THREADS: threads })
    expect(reported.first.slice(0, 2)).toEqual(['Error', 'ERR_CONVKIT_BACKEND'])
    expect(reported.first[2]).toContain('1 to 1024')
    expect(reported.info.reason).toContain(`CONVKIT_THREADS=${threads}`)
  })

  test('setThreads wins', async () => {
    const { reported } = await runChild('convkit.setThreads(5); report(convkit.info().threads)', {
      env: { CONVKIT_THREADS: '2' },
    })
    expect(reported).toBe(5)
  })
})
