/**
 * Large layers on real data: the bits depend neither on the number of threads nor on the batch nor on what ran
 * before, and the error against float64 stays within rounding of the number of terms.
 */

import { afterAll, describe, test } from 'vitest'
import { info, setThreads } from '../lib/index.js'
import * as promises from '../lib/promises.js'
import { backends } from './support/backends.js'
import { expectClose, expectSameBits } from './support/compare.js'
import { product, Random, reals, seed, type Plain } from './support/data.js'
import { operatorOf, type Family, type TensorResult } from './support/operators.js'

interface Layer {
  readonly family: Family
  readonly input: number[]
  readonly weight: number[]
  readonly options: Record<string, unknown>
  /** The largest number of products in one output of any of the three passes. */
  readonly terms: number
}

// More terms than one cache block holds, more positions than one tile row, enough work for several threads.
const layers: Record<string, Layer> = {
  'dense 3 × 3': {
    family: 'conv',
    input: [3, 64, 22, 21],
    weight: [72, 64, 3, 3],
    options: { padding: 1 },
    terms: 3 * 22 * 21,
  },
  'stride 2, channels-last': {
    family: 'conv',
    input: [3, 31, 30, 40],
    weight: [3, 3, 40, 48],
    options: { stride: 2, padding: 'same', layout: 'channels-last' },
    terms: 3 * 16 * 15,
  },
  'k4 s2 p1, transposed': {
    family: 'convTranspose',
    input: [3, 96, 12, 13],
    weight: [96, 40, 4, 4],
    options: { stride: 2, padding: 1 },
    terms: 40 * 16,
  },
  'one channel of many taps': {
    family: 'convTranspose',
    input: [3, 130, 30],
    weight: [130, 1, 512],
    options: { stride: 128, padding: 192 },
    terms: 130 * 4,
  },
  'long kernel': {
    family: 'conv',
    input: [3, 16, 1000],
    weight: [18, 16, 100],
    options: { padding: 50 },
    terms: 3 * 1001,
  },
  'large kernel, transposed, channels-last': {
    family: 'convTranspose',
    input: [3, 30, 28, 10],
    weight: [11, 11, 12, 10],
    options: { layout: 'channels-last' },
    terms: 3 * 30 * 28,
  },
  'large kernel, depthwise': {
    family: 'conv',
    input: [3, 20, 40, 44],
    weight: [20, 1, 21, 21],
    options: { groups: 20, padding: 10 },
    terms: 3 * 40 * 44,
  },
  depthwise: {
    family: 'conv',
    input: [3, 48, 28, 27],
    weight: [48, 1, 5, 5],
    options: { groups: 48, padding: 2 },
    terms: 3 * 28 * 27,
  },
}

const passes = (layer: Layer, backend: string): ((batch?: number) => TensorResult)[] => {
  const random = new Random(seed)
  const op = operatorOf(layer.family, layer.input.length - 2)
  const input = reals(random, layer.input)
  const weight = reals(random, layer.weight)
  const options = { ...layer.options, backend }
  const gradOutput = reals(random, op.outputShape(input.shape, weight.shape, options))
  const images = (tensor: Plain, i?: number): Plain => {
    if (i === undefined) return tensor
    const size = product(tensor.shape.slice(1))
    return { data: tensor.data.subarray(i * size, (i + 1) * size), shape: [1, ...tensor.shape.slice(1)] }
  }
  return [
    (i) => op(images(input, i), weight, options),
    (i) => op.gradInput(images(input, i).shape, weight, images(gradOutput, i), options),
    () => op.gradWeight(input, weight.shape, gradOutput, options),
  ]
}

describe.each(backends)('bits, %s', (backend) => {
  const before = info().threads
  afterAll(() => {
    setThreads(before)
  })

  test.each(Object.entries(layers))('%s: any number of threads, any position in the batch', (name, layer) => {
    setThreads(1)
    const calls = passes(layer, backend)
    const wanted = calls.map((call) => call())
    // The TypeScript path has no threads: once is enough.
    for (const threads of backend === 'native' ? [2, 3, 8] : [2]) {
      setThreads(threads)
      calls.forEach((call, pass) => {
        expectSameBits(call(), wanted[pass], `${name}, pass ${pass}, ${threads} threads`)
      })
    }
    for (const pass of [0, 1]) {
      const { data, shape } = wanted[pass]
      const size = product(shape.slice(1))
      for (const i of [0, 1, 2]) {
        const image = { data: data.subarray(i * size, (i + 1) * size), shape: [1, ...shape.slice(1)] }
        expectSameBits(calls[pass](i), image, `${name}, pass ${pass}, image ${i}`)
      }
    }
  })
})

type Later = Record<'gradInput' | 'gradWeight', (...args: unknown[]) => Promise<TensorResult>> &
  ((...args: unknown[]) => Promise<TensorResult>)

describe.each(backends)('bits of every way to call, %s', (backend) => {
  // The TypeScript path takes its time, and has one way for all layers.
  const some = Object.entries(layers).filter(([name]) => backend === 'native' || name === 'depthwise')
  test.each(some)('%s: at once or later, prepared, after other work', async (name, layer) => {
    const random = new Random(seed)
    const op = operatorOf(layer.family, layer.input.length - 2)
    const later = promises[`${layer.family}${layer.input.length - 2}d` as 'conv2d'] as unknown as Later
    const [input, weight] = [reals(random, layer.input), reals(random, layer.weight)]
    const options = { ...layer.options, backend }
    const gradOutput = reals(random, op.outputShape(input.shape, weight.shape, options))
    const wanted = op(input, weight, options)
    const gradInput = op.gradInput(input.shape, weight, gradOutput, options)
    const gradWeight = op.gradWeight(input, weight.shape, gradOutput, options)
    const prepared = op.prepare(weight, options)
    const wantedPrepared = prepared(input)

    // All at the same time, so that they meet in the pool, among calls of other sizes.
    const running = [
      later(input, weight, options),
      prepared.async(input),
      later.gradInput(input.shape, weight, gradOutput, options),
      later(reals(random, layer.input), weight, options),
      later.gradWeight(input, weight.shape, gradOutput, options),
    ]
    const [y, z, dx, , dw] = await Promise.all(running)
    expectSameBits(y, wanted, `${name}, later`)
    expectSameBits(z, wantedPrepared, `${name}, prepared, later`)
    expectSameBits(dx, gradInput, `${name}, gradInput later`)
    expectSameBits(dw, gradWeight, `${name}, gradWeight later`)
    expectSameBits(op(input, weight, options), wanted, `${name}, again`)
    expectSameBits(op.prepare(weight, options)(input), wantedPrepared, `${name}, prepared anew`)
    const out = wanted.data.slice().fill(NaN)
    expectSameBits(op(input, weight, { ...options, out }), wanted, `${name}, into out`)
  })
})

describe.runIf(backends.includes('native'))('error against float64', () => {
  test.each(Object.entries(layers))('%s', (name, layer) => {
    const [native, exact] = ['native', 'typescript'].map((backend) => passes(layer, backend).map((call) => call()))
    const channels = layer.options['layout']
    const inner = product(layer.weight) / layer.weight[channels === 'channels-last' ? layer.weight.length - 1 : 0]
    native.forEach((result, pass) => {
      expectClose(result, exact[pass], `${name}, pass ${pass}`, { terms: Math.max(layer.terms, inner) })
    })
  })
})
