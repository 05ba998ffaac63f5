/**
 * The TypeScript backend, which is the oracle of other tests, against the formula itself: nine nested loops over the
 * problem as lib/problem.ts states it, with positions in BigInt, since strides, dilations and pads may be anything up to
 * 2⁵³ − 1. Small integers, so everything compares exactly.
 */

import { describe, expect, it } from 'vitest'
import { ACTIVATION_KINDS, type Epilogue } from '../lib/backend/backend.js'
import { createTypescriptBackend } from '../lib/backend/typescript/index.js'
import type { ConvProblem, FloatArray, PaddingMode } from '../lib/problem.js'
import { caseCount, floats, integers, product, Random, seed } from './support/data.js'

const backend = createTypescriptBackend()
const LARGEST = Number.MAX_SAFE_INTEGER
type Layout = ConvProblem['layout']
const layouts: readonly Layout[] = ['channels-first', 'channels-last']

/** The pixel of an axis that tap j of feature o reads, or −1. */
const pixelOf = (problem: ConvProblem, axis: number, o: number, j: number): number => {
  const size = BigInt(problem.image[axis])
  const position =
    BigInt(o) * BigInt(problem.stride[axis]) +
    BigInt(j) * BigInt(problem.dilation[axis]) -
    BigInt(problem.padBegin[axis])
  if (position >= 0n && position < size) return Number(position)
  if (problem.paddingMode === 'zeros') return -1
  if (problem.paddingMode === 'replicate') return position < 0n ? 0 : Number(size) - 1
  if (problem.paddingMode === 'circular') return Number(((position % size) + size) % size)
  return Number(position < 0n ? -position : 2n * (size - 1n) - position)
}

const flat = (index: readonly number[], extents: readonly number[]): number =>
  index.reduce((at, i, axis) => at * extents[axis] + i, 0)

/** Calls back with the flat indices of every product of the problem. */
const visit = (problem: ConvProblem, visitor: (feature: number, image: number, weight: number) => void): void => {
  const { batch, groups, imageChannels, featureChannels } = problem
  const lead = Array.from({ length: 3 - problem.image.length }, () => 1)
  const pad = (extents: readonly number[]): number[] => [...lead, ...extents]
  const [image, features, kernel] = [pad(problem.image), pad(problem.features), pad(problem.kernel)]
  const range = (count: number): number[] => Array.from({ length: count }, (_, k) => k)
  const pixel = image.map((_, axis) =>
    axis < lead.length
      ? [[0]]
      : range(features[axis]).map((o) => range(kernel[axis]).map((j) => pixelOf(problem, axis - lead.length, o, j))),
  )
  const at = (
    layout: Layout,
    n: number,
    c: number,
    channels: number,
    pixels: readonly number[],
    size: readonly number[],
  ) =>
    layout === 'channels-first'
      ? flat([n, c, ...pixels], [batch, channels, ...size])
      : flat([n, ...pixels, c], [batch, ...size, channels])
  const C = imageChannels / groups
  for (let n = 0; n < batch; n++)
    for (let f = 0; f < featureChannels; f++)
      for (let c = 0; c < C; c++)
        for (let od = 0; od < features[0]; od++)
          for (let oh = 0; oh < features[1]; oh++)
            for (let ow = 0; ow < features[2]; ow++)
              for (let jd = 0; jd < kernel[0]; jd++)
                for (let jh = 0; jh < kernel[1]; jh++)
                  for (let jw = 0; jw < kernel[2]; jw++) {
                    const i = [pixel[0][od][jd], pixel[1][oh][jh], pixel[2][ow][jw]]
                    if (i.includes(-1)) continue
                    const channel = Math.floor(f / (featureChannels / groups)) * C + c
                    const j = [jd, jh, jw].map((tap, axis) => (problem.flipKernel ? kernel[axis] - 1 - tap : tap))
                    const weight =
                      problem.weightLayout === 'channels-first'
                        ? flat([f, c, ...j], [featureChannels, C, ...kernel])
                        : flat([...j, c, f], [...kernel, C, featureChannels])
                    visitor(
                      at(problem.layout, n, f, featureChannels, [od, oh, ow], features),
                      at(problem.layout, n, channel, imageChannels, i, image),
                      weight,
                    )
                  }
}

/** One axis with ordinary numbers: any sizes for zeros and replicate, pads within the image for the other modes. */
const ordinaryAxis = (random: Random, mode: PaddingMode, longest: number) => {
  for (;;) {
    const image = random.int(1, longest)
    const [kernel, stride, dilation] = [random.int(1, 5), random.int(1, 4), random.int(1, 3)]
    const limit = mode === 'reflect' ? image - 1 : mode === 'circular' ? image : 6
    const [padBegin, padEnd] = [random.int(0, limit), random.int(0, limit)]
    const formula = Math.floor((image + padBegin + padEnd - dilation * (kernel - 1) - 1) / stride) + 1
    // The zeros of transposed convolutions also come with features that no such padEnd explains.
    const features = mode === 'zeros' && random.chance(0.2) ? random.int(1, longest) : formula
    if (features >= 1) return { image, kernel, features, stride, dilation, padBegin }
  }
}

/**
 * One axis with steps and pads up to 2⁵³ − 1, made so that some a · x + b · y, one of them (a, x) index and step of the
 * features, the other of the taps, comes to padBegin give or take a few pixels; either product may exceed 2⁵³.
 */
const hugeAxis = (random: Random) => {
  const image = random.int(1, 4)
  const padBegin = random.chance(0.5) ? LARGEST - random.int(0, 3) : random.int(0, LARGEST)
  const a = random.int(0, 4)
  const b = random.int(1, 5)
  const x = random.int(1, random.pick([3, 2 ** 31, Math.floor(LARGEST / Math.max(a, 1))]))
  const rest = BigInt(padBegin) + BigInt(random.int(-2, 5)) - BigInt(a) * BigInt(x)
  const y = Number(rest / BigInt(b))
  const valid = y >= 1 && y <= LARGEST ? y : 1
  const [one, other] = [
    { count: a + random.int(1, 2), step: x },
    { count: b + random.int(1, 2), step: valid },
  ]
  const [taps, features] = random.chance(0.5) ? [one, other] : [other, one]
  return {
    ...{ image, kernel: taps.count, features: features.count },
    ...{ stride: features.step, dilation: taps.step, padBegin },
  }
}

const randomProblem = (random: Random, huge: boolean): ConvProblem => {
  const rank = random.pick([1, 2, 2, 3])
  const mode = random.pick<PaddingMode>(huge ? ['zeros', 'replicate'] : ['zeros', 'reflect', 'replicate', 'circular'])
  const axes = Array.from({ length: rank }, () =>
    huge ? hugeAxis(random) : ordinaryAxis(random, mode, [20, 9, 5][rank - 1]),
  )
  const groups = random.pick([1, 1, 2, 3])
  return {
    dtype: random.pick(['float32', 'float64'] as const),
    batch: random.pick([0, 1, 1, 2]),
    groups,
    imageChannels: groups * random.int(1, 3),
    featureChannels: groups * random.pick([1, 2, 3, 4, 5, 9]),
    image: axes.map((axis) => axis.image),
    kernel: axes.map((axis) => axis.kernel),
    features: axes.map((axis) => axis.features),
    stride: axes.map((axis) => axis.stride),
    dilation: axes.map((axis) => axis.dilation),
    padBegin: axes.map((axis) => axis.padBegin),
    paddingMode: mode,
    flipKernel: random.chance(0.3),
    layout: random.pick(layouts),
    weightLayout: random.pick(layouts),
  }
}

const operandsOf = (random: Random, problem: ConvProblem) => {
  const { dtype, batch, groups, imageChannels, featureChannels } = problem
  const draw = (...shape: number[]): FloatArray => integers(random, shape, dtype).data
  return {
    image: draw(batch, imageChannels, ...problem.image),
    features: draw(batch, featureChannels, ...problem.features),
    weights: draw(featureChannels, imageChannels / groups, ...problem.kernel),
  }
}

const poisoned = (like: FloatArray): FloatArray => like.slice().fill(NaN)
const inner = (a: FloatArray, b: FloatArray): number => (a as Float64Array).reduce((sum, x, i) => sum + x * b[i], 0)
/** The first element that differs, for a short message; −0 counts as 0. */
const difference = (a: FloatArray, b: FloatArray): string | undefined => {
  const at = (a as Float64Array).findIndex((x, i) => x !== b[i])
  return a.length === b.length && at < 0 ? undefined : `element ${at}: ${a[at]} instead of ${b[at]}`
}

const compare = (start: number, drawProblem: (random: Random) => ConvProblem): void => {
  const random = new Random(start)
  const problem = drawProblem(random)
  const { image, features, weights } = operandsOf(random, problem)
  const expected = [features, image, weights].map((like) => floats('float64', like.length)) as [
    FloatArray,
    FloatArray,
    FloatArray,
  ]
  visit(problem, (f, i, w) => {
    expected[0][f] += weights[w] * image[i]
    expected[1][i] += weights[w] * features[f]
    expected[2][w] += features[f] * image[i]
  })
  const [forward, adjoint, gradient] = [poisoned(features), poisoned(image), poisoned(weights)]
  backend.run('forward', problem, 'auto', { image, weights }, forward)
  backend.run('adjoint', problem, 'auto', { features, weights }, adjoint)
  backend.run('weightGradient', problem, 'auto', { image, features }, gradient)
  const message = `seed ${start}: ${JSON.stringify(problem)}`
  expect(difference(forward, expected[0]), `forward, ${message}`).toBeUndefined()
  expect(difference(adjoint, expected[1]), `adjoint, ${message}`).toBeUndefined()
  expect(difference(gradient, expected[2]), `weightGradient, ${message}`).toBeUndefined()
  expect(inner(forward, features), `<Cx, y> = <x, C'y>, ${message}`).toBe(inner(image, adjoint))
  expect(inner(gradient, weights), `<w, grad> = <Cx, y>, ${message}`).toBe(inner(forward, features))
}

describe('the TypeScript backend', () => {
  it('agrees with the formula on random problems, and its passes with each other', () => {
    for (let k = 0; k < caseCount(300); k++) compare(seed + k, (random) => randomProblem(random, false))
  })

  it('agrees with the formula for steps and pads up to 2^53 - 1', () => {
    for (let k = 0; k < caseCount(300); k++) compare(seed + k, (random) => randomProblem(random, true))
  })

  it('cuts rows into pieces where the features of all channels would not fit its working memory', () => {
    for (const paddingMode of ['zeros', 'circular'] as const) {
      compare(seed, (random) => ({
        ...{
          ...randomProblem(random, false),
          paddingMode,
          batch: 1,
          groups: 1,
          imageChannels: 1,
          featureChannels: 4100,
        },
        ...{ image: [90], kernel: [3], features: [46], stride: [2], dilation: [1], padBegin: [2] },
      }))
    }
  })

  it('takes huge geometry and large kernels without memory in proportion', () => {
    const axis = { stride: [2 ** 51], dilation: [1], padBegin: [2 ** 52] }
    const base = { ...randomProblem(new Random(1), false), ...axis, dtype: 'float32' as const, batch: 1, groups: 1 }
    const single = { ...base, imageChannels: 1, featureChannels: 1, image: [1], paddingMode: 'zeros' as const }
    const five = { ...single, kernel: [1], features: [5] }
    const out = new Float32Array(5)
    const [image, weights] = [new Float32Array([3]), new Float32Array([5])]
    backend.run('forward', five, 'auto', { image, weights }, out)
    expect([...out]).toEqual([0, 0, 15, 0, 0])
    backend.run('forward', { ...five, paddingMode: 'replicate' }, 'auto', { image, weights }, out)
    expect([...out]).toEqual([15, 15, 15, 15, 15])
    // Tap 0 of feature 3 reads pixel 3 · (2^53 + 1) / 3 − (2^53 − 1) = 2; the product is no double.
    const third = Number((2n ** 53n + 1n) / 3n)
    const far = { ...single, image: [3], kernel: [1], features: [4], stride: [third], padBegin: [LARGEST] }
    backend.run('forward', far, 'auto', { image: new Float32Array([1, 2, 3]), weights }, out)
    expect([...out]).toEqual([0, 0, 0, 15, 15])
    const long = { ...single, image: [300_000], kernel: [300_000], features: [1], stride: [1], padBegin: [0] }
    const ones = new Float32Array(300_000).fill(1)
    backend.run('forward', long, 'auto', { image: ones, weights: ones }, out)
    expect(out[0]).toBe(300_000)
    // A plan needs no data, so its sizes may be far beyond what could be run.
    const plan = backend.plan('forward', { ...single, kernel: [2 ** 31], features: [2 ** 31] }, 'auto')
    expect(plan.workspaceBytes).toBeGreaterThan(0)
  })

  it('gives each image of a batch the bits that it gives it alone', () => {
    const random = new Random(seed)
    for (let k = 0; k < caseCount(40); k++) {
      const problem: ConvProblem = { ...randomProblem(random, false), batch: 3 }
      const x = problem.imageChannels * product(problem.image)
      const y = problem.featureChannels * product(problem.features)
      const weights = operandsOf(random, problem).weights.map(() => random.next() - 0.5)
      for (const pass of ['forward', 'adjoint'] as const) {
        const [from, to] = pass === 'forward' ? [x, y] : [y, x]
        const input = floats(problem.dtype, 3 * from).map(() => random.next() - 0.5)
        const operands = (data: FloatArray) =>
          pass === 'forward' ? { image: data, weights } : { features: data, weights }
        const whole = floats(problem.dtype, 3 * to)
        backend.run(pass, problem, 'auto', operands(input), whole)
        for (let n = 0; n < 3; n++) {
          const alone = floats(problem.dtype, to)
          backend.run(pass, { ...problem, batch: 1 }, 'auto', operands(input.slice(n * from, (n + 1) * from)), alone)
          expect(alone, `${pass}, seed ${seed}: ${JSON.stringify(problem)}`).toEqual(whole.slice(n * to, (n + 1) * to))
        }
      }
    }
  })

  it('applies bias and activation to the float64 sum', () => {
    const problem: ConvProblem = {
      ...randomProblem(new Random(1), false),
      ...{ dtype: 'float64', batch: 1, groups: 1, imageChannels: 1, featureChannels: 2, layout: 'channels-first' },
      ...{ image: [8], kernel: [1], features: [8], stride: [1], dilation: [1], padBegin: [0] },
    }
    const image = new Float64Array([-Infinity, -1000, -4, -0.5, 0, 2.5, Infinity, NaN])
    const weights = new Float64Array([1, 1])
    const epilogue = { bias: new Float64Array([0, 1]), a: -0.25, b: 2, slope: new Float64Array([0.5, 3]) }
    const hardSigmoid = (x: number): number => (x <= -3 ? 0 : x >= 3 ? 1 : x / 6 + 0.5)
    const formula: Record<Epilogue['activation'], (x: number, c: number) => number> = {
      linear: (x) => x,
      clip: (x) => (x < -0.25 ? -0.25 : x > 2 ? 2 : x),
      'leaky-relu': (x) => (x < 0 ? -0.25 * x : x),
      prelu: (x, c) => (x < 0 ? epilogue.slope[c] * x : x),
      elu: (x) => (x < 0 ? -0.25 * (Math.exp(x) - 1) : x),
      sigmoid: (x) => 1 / (1 + Math.exp(-x)),
      tanh: Math.tanh,
      silu: (x) => (x === -Infinity ? 0 : x / (1 + Math.exp(-x))),
      'hard-sigmoid': hardSigmoid,
      'hard-swish': (x) => (x === -Infinity ? 0 : x * hardSigmoid(x)),
    }
    for (const activation of ACTIVATION_KINDS) {
      const out = new Float64Array(16)
      backend.run('forward', problem, 'auto', { image, weights, epilogue: { ...epilogue, activation } }, out)
      out.forEach((y, i) => {
        const expected = formula[activation](image[i % 8] + epilogue.bias[i >> 3], i >> 3)
        if (Number.isFinite(expected)) expect(y, `${activation}, element ${i}`).toBeCloseTo(expected, 14)
        else expect(y, `${activation}, element ${i}`).toBe(expected)
      })
    }
  })

  it('copies operands of asynchronous calls and of prepare, and can be aborted until it starts', async () => {
    const random = new Random(seed)
    const problem: ConvProblem = { ...randomProblem(random, false), batch: 1 }
    const { image, weights, features } = operandsOf(random, problem)
    const expected = poisoned(features)
    backend.run('forward', problem, 'auto', { image, weights }, expected)
    const prepared = backend.prepare('forward', 'auto', weights, { activation: 'linear', a: 0, b: 0 })
    const calls = [
      backend.runAsync('forward', problem, 'auto', { image, weights }, undefined),
      prepared.runAsync(problem, image, undefined),
    ]
    const aborted = new AbortController()
    const call = backend.runAsync('forward', problem, 'auto', { image, weights }, aborted.signal)
    aborted.abort('why')
    await expect(call).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: 'why' })
    image.fill(NaN)
    weights.fill(NaN)
    prepared.dispose()
    for (const result of await Promise.all(calls)) expect(result).toEqual(expected)
    expect(() => {
      prepared.run(problem, image, poisoned(features))
    }).toThrow(expect.objectContaining({ code: 'ERR_CONVKIT_BUFFER' }))
  })

  it('sums the bias gradient in float64', async () => {
    const gradient = new Float32Array([2 ** 24, 1, 1, 5, 7, -9, 1, 1, 0, 2, 3, 4])
    const shape = { batch: 2, channels: 2, positions: 3 }
    const out = new Float32Array(2)
    backend.biasGradient({ ...shape, layout: 'channels-first' }, gradient, out)
    expect([...out]).toEqual([2 ** 24 + 4, 12])
    const last = { ...shape, layout: 'channels-last' as const }
    expect([...(await backend.biasGradientAsync(last, gradient, undefined))]).toEqual([2 ** 24 + 12, 4])
  })
})
