/**
 * Signals of every making: any object with the three members will do, so their functions and getters may do anything,
 * at any moment. A call then rejects, with an AbortError or with what was thrown; nothing is thrown elsewhere.
 */

import { describe, expect, test } from 'vitest'
import * as promises from '../lib/promises.js'
import * as reference from '../lib/reference.js'
import { backends } from './support/backends.js'
import { integers, Random, seed } from './support/data.js'

type Later = (options: Record<string, unknown>) => Promise<{ readonly data: ArrayLike<number> }>

const random = new Random(seed)
const x = integers(random, [1, 24, 40, 40])
const w = integers(random, [24, 24, 3, 3])
const length = 24 * 38 * 38

const ways: [string, Later][] = [
  ...backends.map((backend): [string, Later] => [
    backend,
    async (options) => promises.conv2d(x, w, { ...options, backend }),
  ]),
  ['convkit/reference', async (options) => reference.conv2d.prepare(w).async(x, options)],
]

const sleep = async (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds))
const nothing = (): void => undefined
const boom = new Error('of the caller')
const spring = (): never => {
  throw boom
}

describe.each(ways)('%s', (_name, later) => {
  /** Without a result, `out` is as it was. */
  const rejection = async (signal: unknown): Promise<unknown> => {
    const out = new Float32Array(length).fill(7)
    const outcome = await later({ signal, out }).then(
      () => 'a result',
      (error: unknown) => error,
    )
    expect(out.every((value) => value === 7)).toBe(true)
    return outcome
  }
  const aborted = (cause: unknown): unknown => expect.objectContaining({ name: 'AbortError', code: 'ABORT_ERR', cause })

  test.each(['before', 'after'])('aborted while it is told to listen, %s it does', async (when) => {
    const { signal, abort } = stage()
    const listen = signal.addEventListener.bind(signal)
    Object.defineProperty(signal, 'addEventListener', {
      value: (...args: Parameters<typeof listen>) => {
        if (when === 'before') abort()
        listen(...args)
        if (when === 'after') abort()
      },
    })
    let turns = 0
    const immediate = setImmediate(() => turns++)
    expect(await rejection(signal)).toEqual(aborted('why'))
    expect(turns).toBe(0) // at once
    clearImmediate(immediate)
  })

  test('aborted, and somebody keeps the event from all others', async () => {
    const { signal, abort } = stage()
    signal.addEventListener('abort', (event) => {
      event.stopImmediatePropagation()
    })
    const outcome = rejection(signal)
    abort()
    expect(await outcome).toEqual(aborted('why'))
  })

  test('that never tell of an abort, or tell too often', async () => {
    let asked = 0
    const silent = { addEventListener: nothing, removeEventListener: nothing, reason: 'late' }
    const late = Object.defineProperty(silent, 'aborted', { get: () => asked++ > 0 })
    expect(await rejection(late)).toEqual(aborted('late'))

    const calls: (() => void)[] = []
    const often = {
      aborted: false,
      addEventListener: (_type: string, listener: () => void) => calls.push(listener),
      removeEventListener: nothing,
    }
    const outcome = rejection(often)
    for (const call of [...calls, ...calls]) call()
    expect(await outcome).toEqual(aborted(undefined))
    for (const call of calls) call()
  })

  test('whose members throw', async () => {
    const sound = { aborted: false, addEventListener: nothing, removeEventListener: nothing }
    expect(await rejection({ ...sound, addEventListener: spring })).toBe(boom)
    expect(await rejection({ ...sound, removeEventListener: spring })).toBe(boom)
    let asked = 0
    const shy = Object.defineProperty({ ...sound }, 'aborted', { get: () => asked++ > 0 && spring() })
    expect(await rejection(shy)).toBe(boom)
    // One that is thrown out of an event's listener ends a process.
    const { signal, abort } = stage()
    Object.defineProperty(signal, 'reason', { get: spring })
    const outcomes = [rejection(signal), rejection(signal)]
    abort()
    expect(await Promise.all(outcomes)).toEqual([boom, boom])
  })

  test('AbortSignal.any and AbortSignal.timeout', async () => {
    const { signal, abort } = stage()
    const first = rejection(AbortSignal.any([new AbortController().signal, signal]))
    abort()
    expect(await first).toEqual(aborted('why'))
    const timeout = AbortSignal.timeout(1)
    while (!timeout.aborted) await sleep(1)
    expect(await rejection(timeout)).toEqual(aborted(timeout.reason))
  })

  test('whose listeners make calls with the same signal', async () => {
    const { signal, abort } = stage()
    const inner: Promise<unknown>[] = []
    signal.addEventListener('abort', () => inner.push(rejection(signal)))
    const outer = rejection(signal)
    abort()
    expect([await outer, ...(await Promise.all(inner))]).toEqual([aborted('why'), aborted('why')])
    expect((await later({})).data).toHaveLength(length)
  })
})

function stage(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController()
  return {
    signal: controller.signal,
    abort: () => {
      controller.abort('why')
    },
  }
}
