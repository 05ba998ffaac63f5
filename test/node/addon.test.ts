/** The addon itself: what Node-API makes of every kind of buffer, and calls that contradict themselves. */

import { describe, expect, test } from 'vitest'
import { loadAddon } from '../../lib/node/load.js'
import { biasRecord, makeRecord, writeCall, writeProblem } from '../../lib/node/record.js'
import type { ConvProblem } from '../../lib/problem.js'
import { hasNative } from '../support/backends.js'
import { detach, resizableBuffer, viewAt } from '../support/buffers.js'
import { Random, seed } from '../support/data.js'

const problem: ConvProblem = {
  dtype: 'float32',
  batch: 1,
  groups: 1,
  imageChannels: 1,
  featureChannels: 2,
  image: [2, 3],
  kernel: [1, 2],
  features: [2, 2],
  stride: [1, 1],
  dilation: [1, 1],
  padBegin: [0, 0],
  paddingMode: 'zeros',
  flipKernel: false,
  layout: 'channels-first',
  weightLayout: 'channels-first',
}
const image = Float32Array.of(1, 2, 3, 4, 5, 6)
const weights = Float32Array.of(1, 10, 2, 20)
const features = [21, 32, 54, 65, 42, 64, 108, 130]

const forward = (): Float64Array => {
  const record = makeRecord()
  writeProblem(record, problem)
  writeCall(record, 'forward', 'auto', undefined)
  return record
}

const CK_ERROR = expect.objectContaining({ code: expect.stringMatching(/^CK_(INVALID|OUT_OF_MEMORY|UNSUPPORTED)$/) })

describe.runIf(hasNative)('addon', () => {
  // The tests are collected, and then skipped, where there is no native code.
  const loaded = loadAddon()
  const addon = 'addon' in loaded ? loaded.addon : (undefined as never)

  const buffers: readonly [string, () => [Float32Array, Float32Array, Float32Array]][] = [
    ['arrays of their own', () => [image.slice(), weights.slice(), new Float32Array(8)]],
    ['views at odd offsets', () => [viewAt(image, 4), viewAt(weights, 12), viewAt(new Float32Array(8), 20)]],
    [
      'shared memory',
      () => {
        const shared = (bytes: number): SharedArrayBuffer => new SharedArrayBuffer(bytes)
        return [viewAt(image, 8, shared), viewAt(weights, 4, shared), viewAt(new Float32Array(8), 4, shared)]
      },
    ],
    [
      'resizable buffers',
      () => {
        const resizable = (bytes: number): ArrayBuffer => resizableBuffer(bytes, 4096)
        return [viewAt(image, 8, resizable), viewAt(weights, 4, resizable), viewAt(new Float32Array(8), 4, resizable)]
      },
    ],
    [
      'length-tracking views',
      () => {
        const tracking = (values: Float32Array): Float32Array => {
          const buffer = resizableBuffer(4, 4096)
          const view = new Float32Array(buffer, 4 * 0)
          buffer.resize(values.byteLength)
          view.set(values)
          return view
        }
        return [tracking(image), tracking(weights), tracking(new Float32Array(8))]
      },
    ],
    [
      'growable shared memory',
      () => {
        const tracking = (values: Float32Array): Float32Array => {
          const Growable = SharedArrayBuffer as unknown as new (
            bytes: number,
            options: { maxByteLength: number },
          ) => SharedArrayBuffer & { grow(bytes: number): void }
          const buffer = new Growable(4, { maxByteLength: 4096 })
          const view = new Float32Array(buffer)
          buffer.grow(values.byteLength)
          view.set(values)
          return view
        }
        return [tracking(image), tracking(weights), tracking(new Float32Array(8))]
      },
    ],
  ]

  test.each(buffers)('reads and writes %s', async (_name, make) => {
    const [x, w, out] = make()
    addon.run(forward(), x, w, out)
    expect([...out]).toEqual(features)

    const result = new Float32Array(8)
    const done = addon.runAsync(1, forward(), x, w, result)
    x.fill(NaN)
    w.fill(NaN)
    await done
    expect([...result]).toEqual(features)
  })

  test('sees at once that a buffer was detached or has shrunk', () => {
    const out = new Float32Array(8)
    const detached = image.slice()
    detach(detached.buffer)
    expect(() => addon.run(forward(), detached, weights, out)).toThrow(CK_ERROR)

    const buffer = resizableBuffer(24, 24)
    for (const view of [new Float32Array(buffer), new Float32Array(buffer, 0, 6)]) {
      buffer.resize(24)
      view.set(image)
      addon.run(forward(), view, weights, out)
      expect([...out]).toEqual(features)
      buffer.resize(20)
      expect(() => addon.run(forward(), view, weights, out)).toThrow(CK_ERROR)
    }
  })

  test('refuses operands that do not fit the problem', () => {
    const [record, out] = [forward(), new Float32Array(8)]
    const bad: readonly unknown[][] = [
      [],
      [record],
      [record, image, weights],
      [record, image, weights, new Float32Array(7)],
      [record, image, weights, new Float64Array(8)],
      [record, image, new Float32Array(5), out],
      [record, Float64Array.from(image), weights, out],
      [record, [...image], weights, out],
      [record, new DataView(image.buffer), weights, out],
      [record, new Int32Array(6), weights, out],
      [record, image, weights, out, new Float32Array(1)],
      [record, image, weights, out, undefined, new Float32Array(2)],
      [record.slice(0, 34), image, weights, out],
      [Float32Array.from(record), image, weights, out],
      [{}, image, weights, out],
    ]
    for (const args of bad) {
      expect(() => (addon.run as (...args: unknown[]) => void)(...args)).toThrow(CK_ERROR)
    }
    expect(() => {
      addon.biasGradient(biasRecord({ batch: 1, channels: 2, positions: 4, layout: 'channels-first' }), image, weights)
    }).toThrow(CK_ERROR)
    const prepared = addon.prepare(record, weights)
    const runner = addon.runner(prepared) as (...args: unknown[]) => void
    const refuses = (call: () => unknown): void => {
      expect(call).toThrow(CK_ERROR)
    }
    refuses(() => addon.runner({} as typeof prepared))
    refuses(() => addon.setSize({} as typeof prepared, record))
    refuses(() => runner(image, out)) // no size yet
    const other = forward()
    other[7] = 3
    refuses(() => addon.setSize(prepared, other)) // weights of another length
    addon.setSize(prepared, record)
    runner(image, out)
    for (const args of [
      [],
      [image],
      [image, image],
      [out, out],
      [image, new Float64Array(8)],
      [image, [...out]],
      [1, out],
    ]) {
      refuses(() => {
        runner(...args)
      })
    }
    addon.dispose(prepared)
    addon.dispose(prepared)
    refuses(() => runner(image, out))
    refuses(() => addon.runner(prepared))
    refuses(() => addon.setSize(prepared, record))
  })

  test('refuses an id that is taken, or that nothing finds again', async () => {
    const out = new Float32Array(8)
    const start = async (id: unknown): Promise<void> => addon.runAsync(id as number, forward(), image, weights, out)
    for (const id of [NaN, undefined, '1', 1n, {}]) await expect(start(id)).rejects.toEqual(CK_ERROR)
    const first = start(-0)
    await expect(start(0)).rejects.toEqual(CK_ERROR)
    await first
    expect([...out]).toEqual(features)
  })

  test('survives records of nonsense', () => {
    const values = [0, 1, 2, 3, -1, 0.5, NaN, Infinity, -0, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 62, 1e300]
    let refused = 0
    for (let i = 0; i < 20_000; i++) {
      const random = new Random(seed + i)
      const record = forward()
      for (let changes = random.int(1, 4); changes > 0; changes--) {
        record[random.int(0, record.length - 1)] = random.pick(values)
      }
      const out = new Float32Array(8)
      try {
        addon.run(record, image, weights, out)
      } catch (error) {
        refused++
        expect(error, `CONVKIT_SEED=${seed + i}`).toEqual(CK_ERROR)
      }
    }
    expect(refused).toBeGreaterThan(1000)
  })
})
