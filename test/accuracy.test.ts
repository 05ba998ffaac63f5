/**
 * Errors against float64, in units of those of a plain float32 chain: the bounds of docs/accuracy.md, for every algorithm
 * that takes a layer. `npm run bench -- --accuracy` does the same for the layers of the benchmark.
 */

import { describe, expect, test } from 'vitest'
import * as convkit from '../lib/index.js'

interface Layer {
  readonly name: string
  readonly op: 'conv' | 'convTranspose'
  readonly batch: number
  readonly inChannels: number
  readonly outChannels: number
  readonly input: number[]
  readonly kernel: number[]
  readonly stride: number[]
  readonly padding: number[]
  readonly dilation: number[]
  readonly groups: number
  readonly outputPadding?: number[]
}
interface Accuracy {
  readonly algorithm: string
  readonly chosen: boolean
  readonly error: number
}

// The benchmark is plain JavaScript, checked in its own folder.
const { measureAccuracy, isBroken } = (await import(new URL('../bench/accuracy.mjs', import.meta.url).href)) as {
  measureAccuracy(module: unknown, layer: Layer, pass: string): { terms: number; accuracies: Accuracy[] }
  isBroken(accuracy: Accuracy): boolean
}

const layer = (op: Layer['op'], input: number[], kernel: number, changes: Partial<Layer> = {}): Layer => {
  const every = (value: number) => input.map(() => value)
  const [batch, inChannels, outChannels, groups] = [1, 32, 24, 1]
  const sizes = { kernel: every(kernel), stride: every(1), padding: every(1), dilation: every(1) }
  return { name: '', op, batch, inChannels, outChannels, groups, input, ...sizes, ...changes }
}

const layers: Record<string, Layer> = {
  'conv2d 3 × 3': layer('conv', [28, 28], 3, { inChannels: 64, outChannels: 64 }),
  'conv2d 3 × 3, stride 2, dilation 2, batch 2': layer('conv', [19, 23], 3, {
    batch: 2,
    stride: [2, 2],
    dilation: [2, 2],
  }),
  'conv2d 1 × 1': layer('conv', [14, 14], 1, { inChannels: 256, padding: [0, 0] }),
  'conv2d 5 × 5, depthwise': layer('conv', [20, 21], 5, { groups: 32, outChannels: 32, padding: [2, 2] }),
  'conv2d 3 × 3, groups': layer('conv', [17, 17], 3, { groups: 4 }),
  'conv1d of 96 taps': layer('conv', [700], 96, { inChannels: 4, outChannels: 5, padding: [48] }),
  'conv3d 3 × 3 × 3': layer('conv', [6, 9, 10], 3, { inChannels: 16 }),
  'convTranspose2d k4 s2': layer('convTranspose', [13, 12], 4, { stride: [2, 2] }),
  'convTranspose2d k2 s2': layer('convTranspose', [15, 15], 2, { stride: [2, 2], padding: [0, 0] }),
  'convTranspose2d k3 s2, output padding': layer('convTranspose', [11, 12], 3, {
    stride: [2, 2],
    outputPadding: [1, 1],
  }),
  'convTranspose1d k16 s8': layer('convTranspose', [90], 16, { stride: [8], padding: [4] }),
  'convTranspose2d, depthwise': layer('convTranspose', [16, 16], 4, { groups: 32, outChannels: 32, stride: [2, 2] }),
}

describe.each(Object.keys(layers))('%s', (name) => {
  test.each(['forward', 'gradInput', 'gradWeight'])('%s: every algorithm within its bound', (pass) => {
    const { terms, accuracies } = measureAccuracy(convkit, layers[name], pass)
    expect(terms).toBeGreaterThan(1)
    if (convkit.info().backend === 'native') expect(accuracies.some(({ chosen }) => chosen)).toBe(true)
    expect(accuracies.map(({ algorithm }) => algorithm)).toContain('im2col')
    for (const accuracy of accuracies) {
      expect(accuracy.error).toBeGreaterThan(0)
      expect(isBroken(accuracy), `${accuracy.algorithm}: ${accuracy.error}`).toBe(false)
    }
  })
})

test('a result that is off by a tap is far beyond any bound', () => {
  const shifted = {
    ...convkit,
    conv2d: Object.assign(
      (...args: Parameters<typeof convkit.conv2d>) => {
        const { data, shape } = convkit.conv2d(...args)
        return convkit.tensor(
          data.map((_, i) => data[(i + 1) % data.length]),
          shape,
        )
      },
      { plan: convkit.conv2d.plan },
    ),
  }
  const { accuracies } = measureAccuracy(shifted, layers['conv2d 3 × 3'], 'forward')
  expect(accuracies.every((accuracy) => accuracy.algorithm !== 'im2col' || isBroken(accuracy))).toBe(true)
})
