/**
 * Errors: code, class, one line that names the argument, what was expected and what came, and the common slip where
 * there is one.
 */

import { describe, expect, test } from 'vitest'
import { backends } from './support/backends.js'
import { integers, ones, Random, seed, type Plain } from './support/data.js'
import { errorOf, expectTyped, type Code } from './support/errors.js'
import { loose, operator, operatorNames, type OperatorName } from './support/operators.js'

const random = new Random(seed)
const x = integers(random, [2, 4, 6, 5])
const w = integers(random, [6, 4, 3, 3])
const kernel = integers(random, [4, 3, 3, 3])
const g = integers(random, [2, 6, 4, 3])
const conv2d = operator('conv2d')
const convTranspose2d = operator('convTranspose2d')

/** [what, options of the call, code, words the message must hold]. */
type Row = readonly [what: string, options: Record<string, unknown>, code: Code | readonly Code[], words?: RegExp]

const option = 'ERR_CONVKIT_OPTION'
const shape = 'ERR_CONVKIT_SHAPE'
const optionOrShape = [option, shape] as const
const buffer = 'ERR_CONVKIT_BUFFER'
const dtype = 'ERR_CONVKIT_DTYPE'

const expectRow = (call: () => unknown, [what, , code, words]: Row): void => {
  const error = expectTyped(errorOf(call), what)
  expect(typeof code === 'string' ? [code] : code, `${what}: ${error.message}`).toContain(error.code)
  if (words) expect(error.message, what).toMatch(words)
}

const conv: Row[] = [
  ['stride 0', { stride: 0 }, option, /stride.*0/],
  ['stride −1', { stride: -1 }, option, /stride.*-1/],
  ['stride 1.5', { stride: 1.5 }, option, /stride.*1\.5/],
  ['stride NaN', { stride: NaN }, option, /stride.*NaN/],
  ['stride ∞', { stride: Infinity }, option, /stride.*Infinity/],
  ['stride 2⁵³', { stride: 2 ** 53 }, option, /stride/],
  ['stride null', { stride: null }, option, /stride.*null/],
  ['stride text', { stride: '2' }, option, /stride.*"?'?2/],
  ['stride BigInt', { stride: 2n }, option, /stride/],
  ['stride of one axis', { stride: [2] }, option, /stride.*2/],
  ['stride of three axes', { stride: [1, 1, 1] }, option, /stride.*2/],
  ['stride as a typed array', { stride: new Int32Array([1, 1]) }, option, /stride/],
  ['a hole among strides', { stride: [1, , 1].slice(0, 2) }, option, /stride/],
  ['dilation 0', { dilation: [1, 0] }, option, /dilation.*0/],
  ['padding −1', { padding: -1 }, option, /padding.*-1/],
  ['padding of three axes', { padding: [1, 1, 1] }, option, /padding/],
  ['mixed padding', { padding: [1, [1, 1]] }, option, /padding/],
  [
    'padding pair of three',
    {
      padding: [
        [1, 1, 1],
        [0, 0, 0],
      ],
    },
    option,
    /padding/,
  ],
  ['unknown padding', { padding: 'sane' }, option, /padding.*sane/],
  ['unknown mode', { paddingMode: 'mirror' }, option, /paddingMode.*mirror/],
  ['groups 0', { groups: 0 }, option, /groups.*0/],
  ['groups as array', { groups: [1, 1] }, option, /groups/],
  ['groups that do not divide', { groups: 3 }, optionOrShape, /groups|3/],
  ['flipKernel 1', { flipKernel: 1 }, option, /flipKernel/],
  ['unknown layout', { layout: 'channels-middle' }, option, /layout.*channels-middle/],
  ['unknown weightLayout', { weightLayout: 'x' }, option, /weightLayout/],
  ['unknown backend', { backend: 'gpu' }, option, /backend.*gpu/],
  ['unknown algorithm', { algorithm: 'fastest' }, option, /algorithm.*fastest/],
  ['unknown activation', { activation: 'swish' }, option, /activation.*swish/],
  ['activation without its parameter', { activation: 'leaky-relu' }, option, /activation/],
  ['a parameter too few', { activation: { type: 'clip', min: 1 } }, option, /max/],
  ['a parameter too many', { activation: { type: 'elu', alpha: 1, slope: 1 } }, option, /slope/],
  ['min above max', { activation: { type: 'clip', min: 2, max: 1 } }, option, /min|max/],
  ['clip with NaN', { activation: { type: 'clip', min: NaN, max: 1 } }, option, /min/],
  ['infinite slope', { activation: { type: 'leaky-relu', slope: Infinity } }, option, /slope/],
  [
    'a prelu of three channels',
    { activation: { type: 'prelu', slope: new Float32Array(3) } },
    [option, shape, buffer],
    /slope/,
  ],
  ['bias of five', { bias: new Float32Array(5) }, [shape, buffer], /bias.*5|bias.*6/],
  ['bias as numbers', { bias: [1, 2, 3, 4, 5, 6] }, [dtype, option], /bias/],
  ['bias of the other dtype', { bias: new Float64Array(6) }, dtype, /bias.*float64|bias.*Float64/],
  ['bias of rank 2', { bias: { data: new Float32Array(6), shape: [6, 1] } }, shape, /bias/],
  ['out too short', { out: new Float32Array(71) }, buffer, /out.*71|out.*144/],
  ['out too long', { out: new Float32Array(2 * 6 * 4 * 3 + 1) }, buffer, /out/],
  ['out of the other dtype', { out: new Float64Array(2 * 6 * 4 * 3) }, dtype, /out/],
  ['out as numbers', { out: [] }, [dtype, option, buffer], /out/],
  ['a kernel larger than the padded input', { dilation: 4 }, shape, /./],
  ['reflect that far', { paddingMode: 'reflect', padding: 5 }, optionOrShape, /padding|reflect/],
  [
    'circular that far',
    {
      paddingMode: 'circular',
      padding: [
        [0, 0],
        [0, 6],
      ],
    },
    optionOrShape,
    /padding|circular/,
  ],
]

const transposed: Row[] = [
  ['outputPadding −1', { outputPadding: -1 }, option, /outputPadding/],
  ['outputPadding 1 with stride 1', { outputPadding: 1 }, optionOrShape, /outputPadding.*1/],
  [
    'outputPadding and outputShape',
    { stride: 2, outputPadding: 1, outputShape: [14, 12] },
    optionOrShape,
    /outputPadding|outputShape/,
  ],
  ['outputPadding and same', { stride: 2, outputPadding: 1, padding: 'same' }, optionOrShape, /outputPadding|same/],
  ['outputPadding 0 and same', { stride: 2, outputPadding: 0, padding: 'same' }, optionOrShape, /outputPadding|same/],
  ['outputShape out of reach', { stride: 2, outputShape: [15, 12] }, shape, /outputShape.*15/],
  ['outputShape too small', { stride: 2, outputShape: [12, 11] }, shape, /outputShape/],
  ['outputShape with same', { stride: 2, outputShape: [13, 10], padding: 'same' }, shape, /outputShape.*13/],
  ['outputShape 0', { outputShape: [0, 7] }, optionOrShape, /outputShape/],
  ['outputShape of three', { outputShape: [8, 7, 1] }, optionOrShape, /outputShape/],
  ['causal', { padding: 'causal' }, option, /causal/],
  ['a padding mode', { paddingMode: 'zeros' }, option, /paddingMode/],
  ['cropped to nothing', { padding: 4 }, shape, /./],
  ['bias of two', { bias: new Float32Array(2) }, [shape, buffer], /bias/],
]

describe.each(backends)('bad options, %s', (backend) => {
  test.each(conv.map((row) => [row[0], row] as const))('conv2d: %s', (_, row) => {
    expectRow(() => conv2d(x, w, { ...row[1], backend, ...(row[1]['backend'] ? row[1] : {}) }), row)
    // The size helpers check every forward key as well. They know no dtype but their own, and take no out.
    if (row[2] === dtype || 'out' in row[1]) return
    expectRow(() => conv2d.outputShape(x.shape, w.shape, row[1]), row)
    expectRow(() => conv2d.plan(x.shape, w.shape, row[1]), row)
  })

  test.each(transposed.map((row) => [row[0], row] as const))('convTranspose2d: %s', (_, row) => {
    expectRow(() => convTranspose2d(x, kernel, { ...row[1], backend }), row)
    expectRow(() => convTranspose2d.outputShape(x.shape, kernel.shape, row[1]), row)
  })
})

describe('wrong shapes', () => {
  const of = (...sizes: number[]): Plain => ones(sizes)
  test.each<[string, () => unknown, Code | readonly Code[], RegExp]>([
    ['input of rank 2', () => conv2d(of(6, 5), w), shape, /input.*(rank|\[)/],
    ['input of rank 5', () => conv2d(of(1, 1, 4, 6, 5), w), shape, /input/],
    ['weight of rank 3', () => conv2d(x, of(6, 4, 3)), shape, /weight/],
    ['wrong channels', () => conv2d(of(1, 3, 6, 5), w), shape, /3 channels/],
    ['wrong channels, transposed', () => convTranspose2d(of(1, 3, 6, 5), kernel), shape, /channels/],
    ['an extent of 0', () => conv2d(of(1, 4, 0, 5), w), shape, /0/],
    ['a kernel extent of 0', () => conv2d(x, of(6, 4, 0, 3)), shape, /weight/],
    ['no output channels', () => conv2d(x, of(0, 4, 3, 3)), shape, /weight/],
    ['no input channels', () => conv2d(of(1, 0, 6, 5), of(6, 0, 3, 3)), shape, /0/],
    ['inputShape of rank 2', () => conv2d.gradInput([6, 5], w, g), shape, /inputShape/],
    ['gradOutput of another size', () => conv2d.gradInput([2, 4, 6, 6], w, g), shape, /gradOutput.*\[2, 6, 4, 4\]/],
    ['gradOutput of another batch', () => conv2d.gradInput([1, 4, 6, 5], w, g), shape, /gradOutput/],
    ['unbatched on one side', () => conv2d.gradInput([4, 6, 5], w, of(1, 6, 4, 3)), shape, /gradOutput/],
    ['weightShape of rank 3', () => conv2d.gradWeight(x, [6, 4, 3], g), shape, /weightShape/],
    ['weightShape of other channels', () => conv2d.gradWeight(x, [6, 3, 3, 3], g), shape, /weight/],
    ['a fraction in a shape', () => conv2d.gradWeight(x, [6, 4, 1.5, 3], g), optionOrShape, /weightShape.*1\.5/],
    ['a negative size', () => conv2d.outputShape([1, 4, -6, 5], w.shape), shape, /inputShape.*-6/],
    ['gradBias of rank 2', () => loose.gradBias(of(6, 5)), shape, /gradOutput/],
    ['gradBias of rank 6', () => loose.gradBias(of(1, 1, 1, 1, 1, 1)), shape, /gradOutput/],
    [
      'a bias of six for a prepared three',
      () => conv2d.prepare(of(3, 4, 3, 3), { bias: new Float32Array(6) }),
      [shape, buffer],
      /bias/,
    ],
    ['a prepared operator with wrong channels', () => conv2d.prepare(w)(of(1, 3, 6, 5)), shape, /channels/],
    ['im2col of a kernel too large', () => loose.im2col(x, [7, 7]), shape, /./],
    ['col2im of other columns', () => loose.col2im(of(1, 36, 11), [6, 5], [3, 3]), shape, /columns/],
    ['a matrix of wrong channels', () => loose.convolutionMatrix(w, [1, 3, 6, 5]), shape, /channels/],
    ['no factor', () => loose.upsampleAsTranspose(w, [2]), optionOrShape, /factor/],
    ['factor 0', () => loose.upsampleAsTranspose(w, 0), optionOrShape, /factor/],
    ['bilinear factor of four axes', () => loose.bilinearWeight(3, [2, 2, 2, 2]), optionOrShape, /factor/],
    ['bilinear groups that do not divide', () => loose.bilinearWeight(4, 2, { groups: 3 }), optionOrShape, /groups/],
    ['tensor of the wrong size', () => loose.tensor([1, 2, 3], [2, 2]), [shape, buffer], /4|3/],
    [
      'reshape to another size',
      () => (loose.tensor([1, 2, 3, 4], [4]) as unknown as { reshape(s: number[]): unknown }).reshape([3, -1]),
      shape,
      /3/,
    ],
    [
      'reshape with two −1',
      () => (loose.tensor([1, 2, 3, 4], [4]) as unknown as { reshape(s: number[]): unknown }).reshape([-1, -1]),
      shape,
      /-1/,
    ],
  ])('%s', (what, call, code, words) => {
    expectRow(call, [what, {}, code, words])
  })
})

describe('messages', () => {
  test.each(operatorNames)('%s names itself, its member, and the argument', (name) => {
    const op = operator(name)
    const short = name
    const message = (call: () => unknown): string => expectTyped(errorOf(call), name).message
    expect(message(() => op(null, null))).toMatch(new RegExp(`^${short}: input`))
    expect(message(() => op.gradInput(null, null, null))).toMatch(new RegExp(`^${short}\\.gradInput: inputShape`))
    expect(message(() => op.gradWeight(null, null, null))).toMatch(new RegExp(`^${short}\\.gradWeight: input`))
    expect(message(() => op.outputShape(null, null))).toMatch(new RegExp(`^${short}\\.outputShape: inputShape`))
    expect(message(() => op.plan(null, null))).toMatch(new RegExp(`^${short}\\.plan: inputShape`))
    expect(message(() => op.prepare(null))).toMatch(new RegExp(`^${short}\\.prepare: weight`))
  })

  // Slips that users of other libraries make, and the word that helps.
  test.each<[string, () => unknown, RegExp]>([
    ["TensorFlow's 'SAME'", () => conv2d(x, w, { padding: 'SAME' }), /'same'/],
    ["TensorFlow's 'VALID'", () => conv2d(x, w, { padding: 'VALID' }), /'valid'/],
    ["TensorFlow's strides", () => conv2d(x, w, { strides: 2 }), /strides.*\bstride\b/],
    ["TensorFlow's dilations", () => conv2d(x, w, { dilations: 2 }), /dilations.*\bdilation\b/],
    ["TensorFlow's 'NHWC'", () => conv2d(x, w, { layout: 'NHWC' }), /'channels-last'/],
    ["PyTorch's 'NCHW'", () => conv2d(x, w, { layout: 'NCHW' }), /'channels-first'/],
    ["ONNX's flat pads", () => conv2d(x, w, { padding: [1, 1, 1, 1] }), /\[begin, end\]|\[\[1, 1\], \[1, 1\]\]/],
    [
      'a full shape as outputShape',
      () => convTranspose2d(x, kernel, { outputShape: [2, 3, 8, 7] }),
      /\[8, 7\]|spatial/,
    ],
    ['an array too short', () => conv2d({ data: new Float32Array(7), shape: [2, 4, 6, 5] }, w), /240.*7|7.*240/],
    ["PyTorch's output_padding", () => convTranspose2d(x, kernel, { output_padding: 0 }), /outputPadding/],
    ["PyTorch's padding_mode", () => conv2d(x, w, { padding_mode: 'zeros' }), /paddingMode/],
  ])('hint: %s', (what, call, words) => {
    expect(expectTyped(errorOf(call), what).message).toMatch(words)
  })

  test('values of any length and kind are told on one short line', () => {
    const values = [
      'x'.repeat(10_000),
      'two\nlines',
      'para\u2028graph',
      new Array(10_000).fill(1),
      { toString: () => 'a\nb' },
    ]
    for (const value of values) {
      for (const key of ['stride', 'padding', 'layout', 'activation', 'bias', 'algorithm']) {
        expectTyped(
          errorOf(() => conv2d(x, w, { [key]: value })),
          key,
        )
      }
      expectTyped(
        errorOf(() => conv2d(x, w, { [String(value).slice(0, 20_000)]: 1 })),
        'key',
      )
    }
  })
})

describe('keys that do not apply, even with their default value', () => {
  const backends = { gradInput: 'gradInput', gradWeight: 'gradWeight' } as const
  const call = (name: OperatorName, member: string, options: Record<string, unknown>): (() => unknown) => {
    const op = operator(name)
    const weight = name === 'conv2d' ? w : kernel
    const gradOutput = { data: new Float32Array(0), shape: [] }
    if (member === backends.gradInput) return () => op.gradInput(x.shape, weight, gradOutput, options)
    if (member === backends.gradWeight) return () => op.gradWeight(x, weight.shape, gradOutput, options)
    if (member === 'outputShape') return () => op.outputShape(x.shape, weight.shape, options)
    if (member === 'plan') return () => op.plan(x.shape, weight.shape, options)
    if (member === 'prepare') return () => op.prepare(weight, options)
    return () => op(x, weight, options)
  }
  const everywhere = ['', 'gradInput', 'gradWeight', 'outputShape', 'plan', 'prepare']
  const rows: [OperatorName, string[], Record<string, unknown>][] = [
    ['conv2d', everywhere, { outputPadding: 0 }],
    ['conv2d', everywhere, { outputShape: [4, 3] }],
    ['convTranspose2d', everywhere, { paddingMode: 'zeros' }],
    ['conv2d', ['gradInput', 'gradWeight'], { bias: new Float32Array(6) }],
    ['conv2d', ['gradInput', 'gradWeight'], { activation: 'linear' }],
    ['convTranspose2d', ['gradInput', 'gradWeight'], { activation: 'linear' }],
    ['conv2d', ['prepare'], { out: new Float32Array(144) }],
    ['conv2d', ['', 'gradInput', 'gradWeight', 'prepare', 'outputShape'], { pass: 'forward' }],
    ['conv2d', ['', 'gradInput', 'gradWeight', 'prepare', 'outputShape'], { dtype: 'float32' }],
    ['conv2d', everywhere, { signal: new AbortController().signal }],
    ['conv2d', everywhere, { inputShape: [1] }],
    ['conv2d', everywhere, { '': 1 }],
    ['conv2d', everywhere, { __proto__: null, constructor: 1 }],
  ]
  test.each(rows)('%s%j %o', (name, members, options) => {
    const key = Object.keys(options)[0]
    for (const member of members) {
      const error = expectTyped(errorOf(call(name, member, options)), `${name}.${member} ${key}`)
      expect(error.code, error.message).toBe(option)
      expect(error.message).toContain(key)
    }
  })

  test('helpers and gradBias', () => {
    const calls: [string, () => unknown][] = [
      ['algorithm', () => loose.gradBias(g, { algorithm: 'auto' })],
      ['stride', () => loose.gradBias(g, { stride: 1 })],
      ['groups', () => loose.im2col(x, [3, 3], { groups: 1 })],
      ['layout', () => loose.im2col(x, [3, 3], { layout: 'channels-first' })],
      ['paddingMode', () => loose.im2col(x, [3, 3], { paddingMode: 'zeros' })],
      ['flipKernel', () => loose.col2im(ones([1, 36, 12]), [6, 5], [3, 3], { flipKernel: false })],
      ['bias', () => loose.convolutionMatrix(w, x.shape, { bias: new Float32Array(6) })],
      ['activation', () => loose.convolutionMatrix(w, x.shape, { activation: 'linear' })],
      ['paddingMode', () => loose.asDirectConvolution(x, kernel, { paddingMode: 'zeros' })],
      ['stride', () => loose.upsampleAsTranspose(w, 2, { stride: 1 })],
      ['weightLayout', () => loose.bilinearWeight(3, 2, { weightLayout: 'channels-first' })],
      ['stride', () => conv2d.prepare(w)(x, { stride: 1 })],
      ['signal', () => conv2d.prepare(w)(x, { signal: new AbortController().signal })],
    ]
    for (const [key, run] of calls) {
      const error = expectTyped(errorOf(run), key)
      expect(error.code, error.message).toBe(option)
      expect(error.message).toContain(key)
    }
  })
})

describe('reading options', () => {
  test('every key is read once, before any operand is looked at', () => {
    const log: string[] = []
    const logged = (name: string, values: Record<string, unknown>): Record<string, unknown> => {
      const target = {}
      for (const [key, value] of Object.entries(values)) {
        const get = (): unknown => {
          log.push(`${name}.${key}`)
          return value
        }
        Object.defineProperty(target, key, { enumerable: true, get })
      }
      return target
    }
    const activation = logged('activation', { type: 'clip', min: 0, max: 5 })
    const options = logged('options', {
      stride: 2,
      padding: [
        [1, 0],
        [0, 1],
      ],
      groups: 1,
      bias: new Float32Array(6),
      activation,
    })
    const input = logged('input', { data: x.data, shape: x.shape })
    const weight = logged('weight', { data: w.data, shape: w.shape })
    conv2d(input, weight, options)
    for (const key of ['stride', 'padding', 'groups', 'bias', 'activation']) {
      expect(
        log.filter((entry) => entry === `options.${key}`),
        key,
      ).toHaveLength(1)
    }
    for (const key of ['type', 'min', 'max']) {
      expect(
        log.filter((entry) => entry === `activation.${key}`),
        key,
      ).toHaveLength(1)
    }
    for (const entry of ['input.data', 'input.shape', 'weight.data', 'weight.shape']) {
      expect(
        log.filter((line) => line === entry),
        entry,
      ).toHaveLength(1)
    }
    const lastOption = Math.max(...log.map((entry, i) => (/^(options|activation)\./.test(entry) ? i : -1)))
    const firstData = log.findIndex((entry) => /^(input|weight)\.data/.test(entry))
    expect(firstData).toBeGreaterThan(lastOption)
  })

  test('a bad option is told before a bad operand is looked at', () => {
    let looked = false
    const input = {
      get data(): Float32Array {
        looked = true
        return x.data as Float32Array
      },
      shape: x.shape,
    }
    expect(errorOf(() => conv2d(input, w, { stride: 0 }))?.code).toBe(option)
    expect(looked).toBe(false)
  })

  test("an exception from the caller's own getter or proxy passes through unchanged", () => {
    const boom = new Error('mine')
    const fail = (): never => {
      throw boom
    }
    const getter = (key: string): object => Object.defineProperty({}, key, { enumerable: true, get: fail })
    const trap = new Proxy({}, { ownKeys: fail, get: fail, getOwnPropertyDescriptor: fail })
    for (const call of [
      () => conv2d(x, w, getter('stride')),
      () => conv2d(x, w, trap),
      () => conv2d(getter('data'), w),
      () => conv2d(trap, w),
      () => conv2d(x, w, { activation: getter('type') }),
      () => conv2d(x, w, { stride: new Proxy([1, 1], { get: fail }) }),
      () => conv2d.outputShape(new Proxy([1, 4, 6, 5], { get: fail }), w.shape),
    ]) {
      expect(errorOf(call)).toBe(boom)
    }
  })

  test('only own enumerable keys count', () => {
    const inherited: unknown = Object.create({ stride: 2, nonsense: true })
    expect(conv2d(x, w, inherited).shape).toEqual([2, 6, 4, 3])
    const hidden = Object.defineProperty({}, 'stride', { value: 2, enumerable: false })
    expect(conv2d(x, w, hidden).shape).toEqual([2, 6, 4, 3])
    const bare = Object.assign(Object.create(null) as object, { stride: 2 })
    expect(conv2d(x, w, bare).shape).toEqual([2, 6, 2, 2])
    const polluted = Object.prototype as Record<string, unknown>
    polluted['stride'] = 2
    polluted['nonsense'] = true
    try {
      expect(conv2d(x, w, {}).shape).toEqual([2, 6, 4, 3])
      expect(conv2d(x, w).shape).toEqual([2, 6, 4, 3])
    } finally {
      delete polluted['stride']
      delete polluted['nonsense']
    }
  })

  test.each([null, 0, 1, '', 'same', true, Symbol('s'), 1n, () => undefined, [], [2]])(
    'options that are none: %s',
    (value) => {
      const error = errorOf(() => conv2d(x, w, value))
      // An empty array or a function has no own enumerable keys, so that it may pass; everything else is a wrong kind
      // of value.
      if (error === undefined) expect(['object', 'function']).toContain(typeof value)
      else {
        expectTyped(error, String(value))
        expect(error.code).toBe(option)
        expect(error).toBeInstanceOf(TypeError)
      }
    },
  )
})
