/**
 * Errors: code, class, one line that names the argument, what was expected and what came, and the common slip where
 * there is one.
 */

import { describe, expect, test } from 'vitest'
import { backends } from './support/backends.js'
import { integers, ones, Random, seed, type Plain } from './support/data.js'
import { errorOf, expectTyped, type Code } from './support/errors.js'
import { loose, operator, operatorNames } from './support/operators.js'

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
