/** Node with things switched off: code generation, threads, addons, changes of built-ins; and with things switched on. */

import { describe, expect, test } from 'vitest'
import { hasNative } from '../support/backends.js'
import { runChild } from './child.js'

/** Every way to call, on each backend that is there; what each gives. */
const script = `
  const tensor = (...shape) => ({ data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape })
  const [x, w] = [tensor(1, 16, 20, 20), tensor(16, 16, 3, 3)]
  const outcome = async (call) => {
    try {
      return Math.round((await call()).data[0])
    } catch (error) {
      return error.name + ' ' + error.code
    }
  }
  const outcomes = {}
  for (const backend of ['native', 'typescript']) {
    const controller = new AbortController()
    const doomed = promises.conv2d(x, w, { backend, signal: controller.signal })
    controller.abort()
    outcomes[backend] = [
      await outcome(() => convkit.conv2d(x, w, { backend })),
      await outcome(() => convkit.conv2d.prepare(w, { backend })(x)),
      await outcome(() => doomed),
      await outcome(() => promises.conv2d(x, w, { backend })),
      await outcome(() => convkit.conv2d.prepare(w, { backend }).async(x)),
      await outcome(() => promises.gradBias(x, { backend })),
      await outcome(() => convkit.conv2d(x, w, { backend, stride: 0 })),
    ]
  }
  report({ outcomes, info: convkit.info() })`

const right = [144, 144, 'AbortError ABORT_ERR', 144, 144, 400, 'RangeError ERR_CONVKIT_OPTION']
const refused = right.map((outcome, i) => (i === right.length - 1 ? outcome : 'Error ERR_CONVKIT_BACKEND'))

describe.runIf(hasNative)('results and errors are the same with', () => {
  test.each([
    '--frozen-intrinsics',
    '--disable-proto=throw',
    '--jitless',
    '--disallow-code-generation-from-strings',
    '--gc-interval=50',
    '--stack-size=100',
  ])('%s', async (flag) => {
    const { code, signal, reported, stderr } = await runChild(script, { flags: [flag] })
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null })
    expect(reported.outcomes).toEqual({ native: right, typescript: right })
  })
})

const permission = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

describe.runIf(process.allowedNodeEnvironmentFlags.has(permission) && hasNative)('the permission model', () => {
  test.each([
    ['neither addons nor threads', [permission, '--allow-fs-read=*']],
    ['no addons', [permission, '--allow-fs-read=*', '--allow-worker']],
    ['no addons, otherwise anything', ['--no-addons']],
  ])('%s: TypeScript serves, and says what would help', async (_what, flags) => {
    const { code, reported, stderr } = await runChild(script, { flags })
    expect(code, stderr).toBe(0)
    expect(reported.outcomes).toEqual({ native: refused, typescript: right })
    expect(reported.info).toMatchObject({ backend: 'typescript', reason: expect.stringContaining('--allow-addons') })
  })

  test('no threads of its own: native code has them', async () => {
    const flags = [permission, '--allow-fs-read=*', '--allow-addons']
    const { code, reported, stderr } = await runChild(script, { flags })
    expect(code, stderr).toBe(0)
    expect(reported.outcomes).toEqual({ native: right, typescript: right })
  })
})

test.runIf(hasNative)('little heap', async () => {
  const { code, reported, stderr } = await runChild(
    `const x = { data: new Float32Array(9).fill(1), shape: [1, 1, 3, 3] }
     let right = 0
     for (let i = 0; i < 20; i++) {
       const results = await Promise.all(Array.from({ length: 500 }, () => promises.conv2d(x, x)))
       right += results.filter(({ data }) => data[0] === 9).length
     }
     report(right)`,
    { flags: ['--max-old-space-size=16', '--max-semi-space-size=1'] },
  )
  expect({ code, stderr, reported }).toEqual({ code: 0, stderr: '', reported: 10_000 })
})
