/**
 * Every asynchronous function × everything that can happen to its operands and to `out` while it runs: operands were
 * copied when the call was made, `out` is looked at again when it completes.
 */

import { describe, expect, test } from 'vitest'
import { conv2d, convTranspose2d, gradBias } from '../lib/index.js'
import * as promises from '../lib/promises.js'
import type { FloatArray } from '../lib/problem.js'
import { backends, type BackendName } from './support/backends.js'
import { detach, resizableBuffer } from './support/buffers.js'
import { expectSameBits } from './support/compare.js'
import { integers, Random, seed, type Plain } from './support/data.js'
import type { TensorResult } from './support/operators.js'

interface Options {
  readonly out?: FloatArray
  readonly signal?: AbortSignal
}

interface Case {
  readonly name: string
  /** In the order in which both functions take them. */
  readonly operands: readonly Plain[]
  readonly now: (operands: readonly Plain[], backend: BackendName) => TensorResult
  readonly later: (operands: readonly Plain[], backend: BackendName, options: Options) => Promise<TensorResult>
}

/** Long enough to be met running, on either backend; the others are as long. */
const [channels, extent] = [12, 40]

const cases = ((): Case[] => {
  const random = new Random(seed)
  const draw = (...shape: number[]): Plain => integers(random, shape)
  const options = { padding: 1 }
  const x = draw(2, channels, extent, extent)
  const w = draw(channels, channels, 3, 3)
  const [bias, slope] = [draw(channels), draw(channels)]
  const epilogue = ([, , b, s]: readonly Plain[]) =>
    ({ bias: b, activation: { type: 'prelu', slope: s.data } }) as const
  const families = [
    ['conv2d', conv2d, promises.conv2d],
    ['convTranspose2d', convTranspose2d, promises.convTranspose2d],
  ] as const
  return [
    ...families.flatMap(([name, operator, asynchronous]): Case[] => [
      {
        name,
        operands: [x, w, bias, slope],
        now: (o, backend) => operator(o[0], o[1], { ...options, ...epilogue(o), backend }),
        later: (o, backend, more) => asynchronous(o[0], o[1], { ...options, ...epilogue(o), backend, ...more }),
      },
      {
        name: `${name}.gradInput`,
        operands: [w, x],
        now: (o, backend) => operator.gradInput(x.shape, o[0], o[1], { ...options, backend }),
        later: (o, backend, more) => asynchronous.gradInput(x.shape, o[0], o[1], { ...options, backend, ...more }),
      },
      {
        name: `${name}.gradWeight`,
        operands: [x, draw(...x.shape)],
        now: (o, backend) => operator.gradWeight(o[0], w.shape, o[1], { ...options, backend }),
        later: (o, backend, more) => asynchronous.gradWeight(o[0], w.shape, o[1], { ...options, backend, ...more }),
      },
      {
        name: `${name}, prepared`,
        operands: [x, w, bias, slope],
        now: (o, backend) => operator.prepare(o[1], { ...options, ...epilogue(o), backend })(o[0]),
        later: (o, backend, more) => operator.prepare(o[1], { ...options, ...epilogue(o), backend }).async(o[0], more),
      },
    ]),
    {
      name: 'gradBias',
      operands: [draw(8, channels, extent, extent)],
      now: ([g], backend) => gradBias(g, { backend }),
      later: ([g], backend, more) => promises.gradBias(g, { backend, ...more }),
    },
  ]
})()

/** Copies an operand into memory of some kind; `happen` is what befalls it. */
const fates: readonly [string, (operand: Plain) => { operand: Plain; happen: () => void }][] = [
  ['overwritten', (operand) => inside(operand, new ArrayBuffer(bytesOf(operand)), (view) => view.fill(NaN))],
  [
    'overwritten in shared memory',
    (operand) => inside(operand, new SharedArrayBuffer(bytesOf(operand)), (view) => view.fill(NaN)),
  ],
  [
    'detached',
    (operand) =>
      inside(operand, new ArrayBuffer(bytesOf(operand)), (view) => {
        detach(view.buffer)
      }),
  ],
  [
    'transferred to another owner, who overwrites it',
    (operand) =>
      inside(operand, new ArrayBuffer(bytesOf(operand)), (view) => {
        const buffer = view.buffer as ArrayBuffer
        new Float32Array(structuredClone(buffer, { transfer: [buffer] })).fill(NaN)
      }),
  ],
  [
    'shrunk to nothing',
    (operand) => {
      const buffer = resizableBuffer(bytesOf(operand), bytesOf(operand))
      return inside(operand, buffer, () => {
        buffer.resize(0)
      })
    },
  ],
]

const bytesOf = ({ data }: Plain): number => data.byteLength

function inside({ data, shape }: Plain, buffer: ArrayBufferLike, fate: (view: Float32Array) => unknown) {
  const view = new Float32Array(buffer)
  view.set(data)
  return { operand: { data: view, shape }, happen: () => void fate(view) }
}

describe.each(backends)('%s', (backend) => {
  describe.each(cases)('$name', ({ operands, now, later }) => {
    const expected = now(operands, backend)
    const length = expected.data.length

    test.each(fates)('operands that are %s while it runs', async (_what, fate) => {
      const made = operands.map(fate)
      const pending = later(
        made.map(({ operand }) => operand),
        backend,
        {},
      )
      for (const { happen } of made) happen()
      expectSameBits(await pending, expected, 'the result')
    })

    test('out is written when the call completes, on this thread', async () => {
      const out = new Float32Array(length).fill(7)
      const pending = later(operands, backend, { out })
      // Nothing but this loop runs here: what changes out within it is another thread.
      const end = performance.now() + 15
      while (performance.now() < end) if (out[0] !== 7 || out[length - 1] !== 7) expect.fail('written too soon')
      const result = await pending
      expect(result.data).toBe(out)
      expectSameBits(result, expected, 'out')
    })

    test('out that is detached or has shrunk by then', async () => {
      const gone = new Float32Array(length)
      const pending = later(operands, backend, { out: gone })
      detach(gone.buffer)
      await expect(pending).rejects.toMatchObject({ name: 'TypeError', code: 'ERR_CONVKIT_BUFFER' })

      const buffer = resizableBuffer(4 * length, 4 * length)
      const shrinking = later(operands, backend, { out: new Float32Array(buffer) })
      buffer.resize(4)
      await expect(shrinking).rejects.toMatchObject({ name: 'TypeError', code: 'ERR_CONVKIT_BUFFER' })
      expect([...new Float32Array(buffer)]).toEqual([0])
    })

    test('out of an aborted call stays as it is', async () => {
      const out = new Float32Array(length).fill(7)
      const controller = new AbortController()
      const pending = later(operands, backend, { out, signal: controller.signal })
      controller.abort()
      await expect(pending).rejects.toMatchObject({ name: 'AbortError' })
      await later(operands, backend, {})
      expect(out.every((value) => value === 7)).toBe(true)
    })

    test('the result is memory of its own', async () => {
      const [first, second] = await Promise.all([later(operands, backend, {}), later(operands, backend, {})])
      first.data.fill(NaN)
      expectSameBits(second, expected, 'the other result')
      expect(second.data.byteLength).toBe(second.data.buffer.byteLength)
    })
  })
})
