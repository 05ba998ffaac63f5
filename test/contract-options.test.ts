/** Every option of the public contract, on both backends. */

import { describe, expect, test } from 'vitest'
import * as convkit from '../lib/index.js'
import { backends } from './support/backends.js'
import { integers, ones, Random, seed } from './support/data.js'
import { errorOf } from './support/errors.js'
import { operator } from './support/operators.js'

const random = new Random(seed)
const x = integers(random, [2, 4, 6, 5])
const w = integers(random, [6, 4, 3, 3])

/** Paddings that every operator takes. */
const paddings = [
  0,
  [1, 0],
  [
    [1, 2],
    [0, 0],
  ],
  'valid',
  'same',
  'same-lower',
  'full',
  'half',
]

describe.each(backends)('options, %s', (backend) => {
  const y = (options: Record<string, unknown>) => operator('conv2d')(x, w, { ...options, backend })
  const up = (options: Record<string, unknown>) =>
    operator('convTranspose2d')(x, w.shape[0] === 6 ? kernel : w, { ...options, backend })
  const kernel = integers(random, [4, 3, 3, 3])

  test.each([
    ['stride', [1, 2, [1, 1], [3, 2]]],
    ['dilation', [1, 2, [1, 2]]],
    ['padding', [...paddings, 2, 'causal']],
    ['paddingMode', ['zeros', 'reflect', 'replicate', 'circular']],
    ['groups', [1]],
    ['flipKernel', [true, false]],
    ['layout', ['channels-first']],
    ['weightLayout', ['channels-first']],
    ['algorithm', ['auto', 'im2col']],
    [
      'bias',
      [new Float32Array(6), { data: new Float32Array(6), shape: [6] }, { data: new Float32Array(6), dims: [6] }],
    ],
    [
      'activation',
      [
        'linear',
        'relu',
        'relu6',
        'sigmoid',
        'tanh',
        'silu',
        'hard-sigmoid',
        'hard-swish',
        { type: 'leaky-relu', slope: 0.1 },
        { type: 'elu', alpha: 1 },
        { type: 'prelu', slope: new Float32Array(6) },
        { type: 'clip', min: -1, max: 1 },
        { type: 'clip', min: -Infinity, max: Infinity },
        { type: 'clip', min: 2, max: 2 },
      ],
    ],
    ['out', [new Float32Array(2 * 6 * 4 * 3)]],
  ])('conv2d takes every value of %s', (key, values) => {
    for (const value of values) {
      const result = y({ [key]: value })
      expect(result.shape.slice(0, 2), `${key}: ${String(value)}`).toEqual([2, 6])
      expect(operator('conv2d').outputShape(x.shape, w.shape, { [key]: value })).toEqual(result.shape)
      expect(operator('conv2d').plan(x.shape, w.shape, { [key]: value, backend }).outputShape).toEqual(result.shape)
    }
  })

  test.each([
    ['stride', [2, [3, 1]]],
    ['dilation', [2, [1, 2]]],
    ['padding', [...paddings, 1]],
    ['outputPadding', [0, [0, 0]]],
    ['outputShape', [[8, 7]]],
    ['flipKernel', [true, false]],
    ['activation', ['relu', { type: 'prelu', slope: new Float32Array(3) }]],
    ['bias', [new Float32Array(3)]],
  ])('convTranspose2d takes every value of %s', (key, values) => {
    for (const value of values) expect(up({ [key]: value }).shape.slice(0, 2)).toEqual([2, 3])
    expect(up({ stride: 2, outputPadding: [1, 0] }).shape).toEqual([2, 3, 14, 11])
    expect(up({ stride: 2, padding: 'same', outputShape: [11, 10] }).shape).toEqual([2, 3, 11, 10])
  })

  test('outputShape may be one number for all axes', () => {
    const square = integers(random, [1, 4, 5, 5])
    expect(operator('convTranspose2d').outputShape(square.shape, kernel.shape, { stride: 2, outputShape: 12 })).toEqual(
      [1, 3, 12, 12],
    )
  })

  test('layout and weightLayout; the weight follows the layout unless it has its own', () => {
    const input = integers(random, [2, 6, 5, 4])
    const hwio = integers(random, [3, 3, 4, 6])
    const result = operator('conv2d')(input, hwio, { layout: 'channels-last', backend })
    expect(result.shape).toEqual([2, 4, 3, 6])
    const mixed = operator('conv2d')(input, w, { layout: 'channels-last', weightLayout: 'channels-first', backend })
    expect(mixed.shape).toEqual([2, 4, 3, 6])
    const hwoi = integers(random, [3, 3, 2, 4])
    const transposed = operator('convTranspose2d')(input, hwoi, { layout: 'channels-last', stride: 2, backend })
    expect(transposed.shape).toEqual([2, 13, 11, 2])
  })

  test('−0 counts as 0, undefined as absent', () => {
    const options = { padding: -0, stride: undefined, bias: undefined, outputPadding: undefined }
    expect(operator('convTranspose2d')(x, kernel, { ...options, backend }).shape).toEqual([2, 3, 8, 7])
    expect(operator('conv2d')(x, w, undefined).shape).toEqual([2, 6, 4, 3])
  })

  test('unbatched calls give unbatched results, gradients too', () => {
    const one = { data: x.data.subarray(0, 120), shape: [4, 6, 5] }
    const result = operator('conv2d')(one, w, { backend })
    expect(result.shape).toEqual([6, 4, 3])
    expect(operator('conv2d').outputShape([4, 6, 5], w.shape)).toEqual([6, 4, 3])
    expect(operator('conv2d').gradInput([4, 6, 5], w, result, { backend }).shape).toEqual([4, 6, 5])
    expect(operator('conv2d').gradWeight(one, w.shape, result, { backend }).shape).toEqual(w.shape)
  })

  test('the batch may be 0: an empty result, a zero gradWeight', () => {
    for (const options of [{ backend }, { backend, bias: new Float32Array(6), activation: 'relu' }]) {
      const empty = operator('conv2d')({ data: new Float32Array(0), shape: [0, 4, 6, 5] }, w, options)
      expect([empty.shape, empty.data.length]).toEqual([[0, 6, 4, 3], 0])
    }
    const nothing = { data: new Float32Array(0), shape: [0, 6, 4, 3] }
    const input = { data: new Float32Array(0), shape: [0, 4, 6, 5] }
    expect(operator('conv2d').gradInput([0, 4, 6, 5], w, nothing, { backend }).shape).toEqual([0, 4, 6, 5])
    const out = new Float32Array(w.data.length).fill(NaN)
    const gradient = operator('conv2d').gradWeight(input, w.shape, nothing, { backend, out })
    expect(gradient.shape).toEqual(w.shape)
    expect(gradient.data.every((value) => value === 0)).toBe(true)
    expect(convkit.gradBias(nothing, { backend }).toArray()).toEqual([0, 0, 0, 0, 0, 0])
    const transposed = operator('convTranspose2d')({ data: new Float32Array(0), shape: [0, 4, 6, 5] }, kernel, {
      backend,
    })
    expect(transposed.shape).toEqual([0, 3, 8, 7])
    expect(operator('conv2d').plan([0, 4, 6, 5], w.shape, { backend }).flops).toBe(0)
  })

  test('the message of a wrong weight, word for word', () => {
    const call = (): unknown => operator('conv2d')(ones([1, 4, 5, 5]), ones([8, 3, 3, 3]), { backend })
    expect(errorOf(call)).toMatchObject({
      name: 'RangeError',
      code: 'ERR_CONVKIT_SHAPE',
      message:
        'conv2d: weight has 3 input channels per group, but input has 4 channels in 1 group ' +
        '(expected weight shape [8, 4, 3, 3], received [8, 3, 3, 3])',
    })
  })

  test('the common slips behind channels that disagree are named', () => {
    const message = (name: 'conv2d' | 'convTranspose2d', x: number[], w: number[], options = {}): string =>
      errorOf(() => operator(name)(ones(x), ones(w), { backend, ...options }))?.message ?? ''
    expect(message('conv2d', [1, 9, 8, 3], [3, 3, 3, 8])).toMatch(/wants layout: 'channels-last'$/)
    expect(message('conv2d', [1, 3, 8, 9], [3, 3, 3, 8], { layout: 'channels-last' })).toMatch(/'channels-first'$/)
    expect(message('convTranspose2d', [1, 3, 9, 9], [8, 3, 4, 4])).toMatch(
      /: \[Cin, Cout\/groups, \.\.\.k\], channels-last/,
    )
    expect(message('convTranspose2d', [1, 4, 9, 9], [8, 3, 4, 4])).toMatch(/received \[8, 3, 4, 4\]\)$/)
  })

  /** Every function of an operator that is given sizes of both operands, called with weights in the wrong order. */
  const weightCalls = (name: 'conv2d' | 'convTranspose2d', x: number[], w: number[], given = {}) => {
    const op = operator(name)
    const options = { backend, ...given }
    return [
      () => op(ones(x), ones(w), options),
      () => op.gradInput(x, ones(w), ones(x), options),
      () => op.gradWeight(ones(x), w, ones(x), options),
      () => op.outputShape(x, w, options),
      () => op.plan(x, w, options),
      () => op.prepare(ones(w), options)(ones(x)),
    ].map((call) => errorOf(call)?.message ?? '')
  }
  const first = 'channels-first'
  const last = 'channels-last'
  const weightLayoutHint = (layout: string): string =>
    `; weights in the other order of axes want weightLayout: '${layout}'`

  test.each([
    ['conv2d', [1, 9, 8, 24], [32, 24, 3, 3], { layout: last }, first],
    ['conv2d', [1, 24, 9, 8], [3, 3, 24, 32], {}, last],
    ['conv2d', [1, 24, 9, 8], [3, 3, 24, 32], { layout: first }, last],
    ['conv2d', [1, 9, 8, 24], [24, 1, 3, 3], { layout: last, groups: 24 }, first],
    ['conv2d', [1, 24, 9, 8], [3, 3, 1, 24], { groups: 24 }, last],
    ['conv2d', [9, 8, 24], [32, 24, 1, 1], { layout: last }, first],
    ['convTranspose2d', [1, 1, 1, 100], [100, 1024, 4, 4], { layout: last }, first],
    ['convTranspose2d', [1, 100, 1, 1], [4, 4, 1024, 100], {}, last],
    ['convTranspose2d', [1, 5, 5, 32], [32, 1, 3, 3], { layout: last, groups: 32 }, first],
  ] as const)('weights in the other order, %s of %j by %j, %j', (name, x, w, options, meant) => {
    const wanted = weightLayoutHint(meant)
    for (const message of weightCalls(name, [...x], [...w], options)) expect(message.slice(-wanted.length)).toBe(wanted)
    // Whoever names the order of the weights needs no hint; the named order works.
    const follows = 'layout' in options ? options.layout : first
    for (const message of weightCalls(name, [...x], [...w], { ...options, weightLayout: follows })) {
      expect(message).toMatch(/\[.*\]|groups/)
      expect(message).not.toMatch(/weightLayout/)
    }
    expect(operator(name).outputShape([...x], [...w], { ...options, weightLayout: meant })).toHaveLength(x.length)
  })

  test('weights in the other order, word for word', () => {
    const call = (): unknown =>
      operator('convTranspose2d')(ones([1, 1, 1, 100]), ones([100, 64, 4, 4]), { layout: last, backend })
    expect(errorOf(call)?.message).toBe(
      'convTranspose2d: weight has 4 input channels, but input has 100 channels ' +
        '(expected weight shape [100, 64, 4, 100], received [100, 64, 4, 4])' +
        "; weights in the other order of axes want weightLayout: 'channels-first'",
    )
  })

  test('where input or weights may be in the other order, both remedies are named', () => {
    const call = (): unknown => operator('conv2d')(ones([1, 3, 9, 24]), ones([32, 24, 3, 3]), { layout: last, backend })
    expect(errorOf(call)?.message).toMatch(
      /; an input in the other order of axes wants layout: 'channels-first'; weights .* want weightLayout: 'channels-first'$/,
    )
  })

  test('channels that agree in either order: only groups tell', () => {
    const [x, w, options] = [[1, 9, 24], [24, 1, 3], { layout: last, groups: 24, backend }] as const
    const message = errorOf(() => operator('conv1d').outputShape([...x], [...w], options))?.message
    expect(message).toBe(
      'conv1d.outputShape: groups: expected a divisor of the 3 output channels of weight [24, 1, 3], received 24' +
        weightLayoutHint(first),
    )
    const prepare = (): unknown => operator('conv1d').prepare(ones([...w]), options)
    expect(errorOf(prepare)?.message).toBe(
      'conv1d.prepare: groups: expected a divisor of 3, the channels of weight [24, 1, 3], received 24' +
        weightLayoutHint(first),
    )
  })

  test('no hint where the other order fits no better', () => {
    const plain = (x: number[], w: number[], options = {}): void => {
      const message = errorOf(() => operator('conv2d')(ones(x), ones(w), { backend, ...options }))?.message
      expect(message).toMatch(/channel/)
      expect(message).not.toMatch(/weightLayout/)
    }
    plain([1, 9, 8, 24], [32, 23, 3, 3], { layout: last }) // neither order has 24 channels
    plain([1, 9, 8, 24], [32, 8, 3, 3], { layout: last, groups: 3 }) // 3 does not divide the 32 either
    plain([1, 3, 9, 9], [8, 4, 3, 3]) // read the other way round this is a kernel of 8 × 4
    plain([1, 8, 9, 9], [6, 4, 3, 3], { groups: 4 })
  })
})
