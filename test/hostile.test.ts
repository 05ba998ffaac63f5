/**
 * Any JavaScript value in any place gives a result or a typed error, before anything is written, and the same one
 * from every backend: a catalogue of hostile values × every argument and option of every function. Then sizes whose
 * products overflow.
 */

import { describe, expect, test } from 'vitest'
import { zeros } from '../lib/index.js'
import * as promises from '../lib/promises.js'
import { backends } from './support/backends.js'
import { integers, ones, Random, seed } from './support/data.js'
import { codes, errorOf, expectTyped, outcomeOf, type ConvkitError } from './support/errors.js'
import { catalogue, describeValue, isTrap } from './support/hostile.js'
import {
  loose,
  operator,
  operatorNames,
  operatorOf,
  optionNames,
  type Family,
  type Operator,
} from './support/operators.js'

/** A function that takes anything, or nothing. */
type Loosest = (...args: unknown[]) => unknown

type Outcome = (value: unknown, backend: string) => unknown

const shapes = {
  conv: { input: [1, 2, 5, 5], weight: [6, 2, 3, 3], output: [1, 6, 3, 3] },
  convTranspose: { input: [1, 2, 5, 5], weight: [2, 6, 3, 3], output: [1, 6, 7, 7] },
} as const

const optionKeys = [...optionNames, 'backend', 'signal', 'strides']

/** Every place of every operator where a value can go. */
const places = (family: Family): Record<string, Outcome> => {
  const op = operatorOf(family, 2)
  const { input, weight, output } = shapes[family]
  const [x, w, g] = [ones(input), ones(weight), ones(output)]
  const result: Record<string, Outcome> = {
    input: (v, backend) => op(v, w, { backend }),
    weight: (v, backend) => op(x, v, { backend }),
    options: (v) => op(x, w, v),
    'gradInput: inputShape': (v, backend) => op.gradInput(v, w, g, { backend }),
    'gradInput: weight': (v, backend) => op.gradInput(input, v, g, { backend }),
    'gradInput: gradOutput': (v, backend) => op.gradInput(input, w, v, { backend }),
    'gradWeight: input': (v, backend) => op.gradWeight(v, weight, g, { backend }),
    'gradWeight: weightShape': (v, backend) => op.gradWeight(x, v, g, { backend }),
    'gradWeight: gradOutput': (v, backend) => op.gradWeight(x, weight, v, { backend }),
    'outputShape: inputShape': (v, backend) => op.outputShape(v, weight, { backend }),
    'outputShape: weightShape': (v, backend) => op.outputShape(input, v, { backend }),
    'plan: inputShape': (v) => op.plan(v, weight).outputShape,
    'plan: weightShape': (v) => op.plan(input, v).outputShape,
    'prepare: weight': (v, backend) => op.prepare(v, { backend })(x),
    'prepare: options': (v) => op.prepare(w, v)(x),
    'prepared: input': (v, backend) => op.prepare(w, { backend })(v),
    'prepared: options': (v, backend) => op.prepare(w, { backend })(x, v),
    'prepared: out': (v, backend) => op.prepare(w, { backend })(x, { out: v }),
    'prepared: outputShape': (v, backend) => op.prepare(w, { backend }).outputShape(v),
    'every data': (v, backend) => op({ data: v, shape: input }, w, { backend }),
    'every shape': (v, backend) => op({ data: new Float32Array(50), shape: v }, w, { backend }),
    'every dims': (v, backend) => op({ data: new Float32Array(50), dims: v }, w, { backend }),
    'every dtype': (v, backend) => op({ ...x, dtype: v }, w, { backend }),
    'bias data': (v, backend) => op(x, w, { bias: { data: v, shape: [6] }, backend }),
    'prelu slope': (v, backend) => op(x, w, { activation: { type: 'prelu', slope: v }, backend }),
    'leaky-relu slope': (v, backend) => op(x, w, { activation: { type: 'leaky-relu', slope: v }, backend }),
    'clip max': (v, backend) => op(x, w, { activation: { type: 'clip', min: 0, max: v }, backend }),
  }
  for (const key of optionKeys) {
    const options = (value: unknown, backend: string): Record<string, unknown> =>
      key === 'backend' ? { backend: value } : { backend, [key]: value }
    result[`${key} of the forward pass`] = (v, backend) => op(x, w, options(v, backend))
    result[`${key} of gradInput`] = (v, backend) => op.gradInput(input, w, g, options(v, backend))
    result[`${key} of gradWeight`] = (v, backend) => op.gradWeight(x, weight, g, options(v, backend))
    result[`${key} of outputShape`] = (v, backend) => op.outputShape(input, weight, options(v, backend))
    result[`${key} of plan`] = (v, backend) => op.plan(input, weight, options(v, backend)).outputShape
    result[`${key} of prepare`] = (v, backend) => op.prepare(w, options(v, backend))(x)
  }
  return result
}

/** The other functions. */
const helperPlaces: Record<string, Outcome> = {
  'gradBias: gradOutput': (v, backend) => loose.gradBias(v, { backend }),
  'gradBias: options': (v) => loose.gradBias(ones([1, 6, 3, 3]), v),
  'gradBias: layout': (v, backend) => loose.gradBias(ones([1, 6, 3, 3]), { layout: v, backend }),
  'gradBias: out': (v, backend) => loose.gradBias(ones([1, 6, 3, 3]), { out: v, backend }),
  'im2col: input': (v) => loose.im2col(v, [3, 3]),
  'im2col: kernelShape': (v) => loose.im2col(ones([1, 2, 5, 5]), v),
  'im2col: options': (v) => loose.im2col(ones([1, 2, 5, 5]), [3, 3], v),
  'im2col: padding': (v) => loose.im2col(ones([1, 2, 5, 5]), [3, 3], { padding: v }),
  'col2im: columns': (v) => loose.col2im(v, [5, 5], [3, 3]),
  'col2im: spatialShape': (v) => loose.col2im(ones([1, 18, 9]), v, [3, 3]),
  'col2im: kernelShape': (v) => loose.col2im(ones([1, 18, 9]), [5, 5], v),
  'col2im: stride': (v) => loose.col2im(ones([1, 18, 9]), [5, 5], [3, 3], { stride: v }),
  'convolutionMatrix: weight': (v) => loose.convolutionMatrix(v, [2, 5, 5]),
  'convolutionMatrix: inputShape': (v) => loose.convolutionMatrix(ones([6, 2, 3, 3]), v),
  'convolutionMatrix: options': (v) => loose.convolutionMatrix(ones([6, 2, 3, 3]), [2, 5, 5], v),
  'convolutionMatrix: dilation': (v) => loose.convolutionMatrix(ones([6, 2, 3, 3]), [2, 5, 5], { dilation: v }),
  'asDirectConvolution: input': (v) => loose.asDirectConvolution(v, ones([2, 6, 3, 3])).input,
  'asDirectConvolution: weight': (v) => loose.asDirectConvolution(ones([1, 2, 5, 5]), v).input,
  'asDirectConvolution: options': (v) => loose.asDirectConvolution(ones([1, 2, 5, 5]), ones([2, 6, 3, 3]), v).input,
  'asDirectConvolution: stride': (v) =>
    loose.asDirectConvolution(ones([1, 2, 5, 5]), ones([2, 6, 3, 3]), { stride: v }).input,
  'upsampleAsTranspose: weight': (v) => loose.upsampleAsTranspose(v, 2).weight,
  'upsampleAsTranspose: factor': (v) => loose.upsampleAsTranspose(ones([6, 2, 3, 3]), v).weight,
  'upsampleAsTranspose: options': (v) => loose.upsampleAsTranspose(ones([6, 2, 3, 3]), 2, v).weight,
  'upsampleAsTranspose: padding': (v) => loose.upsampleAsTranspose(ones([6, 2, 3, 3]), 2, { padding: v }).weight,
  'bilinearWeight: channels': (v) => loose.bilinearWeight(v, 2).weight,
  'bilinearWeight: factor': (v) => loose.bilinearWeight(2, v).weight,
  'bilinearWeight: options': (v) => loose.bilinearWeight(2, 2, v).weight,
  'bilinearWeight: groups': (v) => loose.bilinearWeight(2, 2, { groups: v }).weight,
  'bilinearWeight: dtype': (v) => loose.bilinearWeight(2, 2, { dtype: v }).weight,
  'tensor: data': (v) => loose.tensor(v, [2]),
  'tensor: shape': (v) => loose.tensor([1, 2, 3, 4], v),
  'zeros: shape': (v) => loose.zeros(v),
  'zeros: dtype': (v) => loose.zeros([2], v),
  'reshape: shape': (v) =>
    (loose.tensor([1, 2, 3, 4, 5, 6], [6]) as unknown as { reshape(shape: unknown): unknown }).reshape(v),
}

const described = catalogue.map((make) => describeValue(make()))

const checkPlace = (name: string, call: Outcome): void => {
  for (const [i, make] of catalogue.entries()) {
    const what = `${name} = ${described[i]}`
    const results = backends.map((backend) => outcomeOf(() => call(make(), backend)))
    // A result, or a typed error.
    if (!results[0].startsWith('result ')) {
      const error = errorOf(() => call(make(), backends[0]))
      if (!isTrap(error)) expectTyped(error, what)
    }
    for (const other of results.slice(1)) expect(other, what).toBe(results[0])
  }
}

describe('hostile values', () => {
  for (const family of ['conv', 'convTranspose'] as const) {
    test.each(Object.entries(places(family)))(`${family}2d, %s`, checkPlace)
  }
  test.each(Object.entries(helperPlaces))('%s', checkPlace)

  test('null is an error in every option of every function', () => {
    for (const family of ['conv', 'convTranspose'] as const) {
      for (const [name, call] of Object.entries(places(family))) {
        if (!/ of /.test(name)) continue
        const error = errorOf(() => call(null, 'typescript'))
        expect(expectTyped(error, name).code, `${family} ${name}: ${error?.message}`).toBe('ERR_CONVKIT_OPTION')
        expect(error, name).toBeInstanceOf(TypeError)
      }
    }
  })

  test('too few arguments', () => {
    for (const name of operatorNames) {
      const op = operator(name) as unknown as Loosest & Record<keyof Operator, Loosest>
      for (const call of [
        () => op(),
        () => op(ones([1])),
        () => op.gradInput(),
        () => op.gradWeight(),
        () => op.outputShape(),
        () => op.plan(),
        () => op.prepare(),
      ]) {
        expectTyped(errorOf(call), name)
      }
    }
  })

  test('the promise versions reject with what the synchronous ones throw', async () => {
    const random = new Random(seed)
    const [x, w] = [integers(random, [1, 2, 5, 5]), integers(random, [6, 2, 3, 3])]
    for (const key of ['stride', 'padding', 'groups', 'activation', 'bias', 'out', 'layout', 'algorithm']) {
      for (const make of catalogue) {
        const wanted = outcomeOf(() => operator('conv2d')(x, w, { [key]: make(), backend: 'typescript' }))
        const later = promises.conv2d as unknown as (...args: unknown[]) => Promise<unknown>
        if (wanted.startsWith('result ')) continue
        const got = await later(x, w, { [key]: make(), backend: 'typescript' }).then(
          () => 'result',
          (error: unknown) =>
            outcomeOf(() => {
              throw error as Error
            }),
        )
        expect(got, key).toBe(wanted)
      }
    }
  })
})

describe('sizes that overflow', () => {
  const huge = [2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53 - 1]

  test('size helpers give a size or a typed error, and no result of more than 2³² elements', () => {
    for (const family of ['conv', 'convTranspose'] as const) {
      const op = operatorOf(family, 2)
      for (const a of huge) {
        for (const b of [1, 3, 2 ** 16, 2 ** 32, 2 ** 53 - 1]) {
          const calls = [
            () => op.outputShape([1, 1, a, b], [1, 1, 1, 1]),
            () => op.outputShape([a, 1, b, 1], [1, 1, 1, 1]),
            () => op.outputShape([1, a, b, 1], [1, a, 1, 1]),
            () => op.outputShape([1, 1, 3, 3], [1, 1, a, b], { padding: 'full' }),
            () => op.outputShape([1, 1, 3, 3], [1, 1, 2, 2], { padding: [a, b] }),
            () => op.outputShape([1, 1, 3, 3], [1, 1, 2, 2], { stride: [a, b] }),
            () => op.outputShape([1, 1, 3, 3], [1, 1, 2, 2], { dilation: [a, b], padding: 'full' }),
            () => op.outputShape([1, 1, 3, 3], [1, 1, 2, 2], { dilation: a, padding: 'same', stride: b }),
            () => op.plan([1, 1, a, b], [1, 1, 1, 1]).outputShape,
            () => op.plan([1, 1, 3, 3], [1, 1, 2, 2], { padding: [a, b] }).outputShape,
          ]
          for (const [i, call] of calls.entries()) {
            const what = `${family} call ${i} with ${a}, ${b}`
            try {
              const size = call().reduce((product, n) => product * n, 1)
              expect(size, what).toBeLessThanOrEqual(2 ** 32)
            } catch (error) {
              if (!codes.includes((error as ConvkitError).code)) throw error
              expectTyped(error as ConvkitError, what)
            }
          }
        }
      }
    }
  })

  test('ERR_CONVKIT_MEMORY: operands and results of more than 2³² elements', () => {
    const conv1d = operator('conv1d')
    for (const call of [
      () => conv1d.outputShape([1, 1, 2 ** 32 + 1], [1, 1, 1]),
      () => conv1d.outputShape([2 ** 20, 2 ** 10, 2 ** 10], [1, 2 ** 10, 1]),
      () => conv1d.outputShape([1, 1, 2 ** 20], [2 ** 13, 1, 1]),
      () => operator('convTranspose1d').outputShape([1, 1, 2 ** 20], [1, 1, 2], { stride: 2 ** 13 }),
      () => conv1d.outputShape([1, 1, 5], [1, 1, 2], { padding: 2 ** 32 }),
      () => conv1d.plan([1, 1, 2 ** 33], [1, 1, 1]),
    ]) {
      const error = expectTyped(errorOf(call), String(call))
      expect(error.code, error.message).toBe('ERR_CONVKIT_MEMORY')
    }
    expect(conv1d.outputShape([1, 1, 2 ** 32], [1, 1, 1])).toEqual([1, 1, 2 ** 32])
  })

  test.each(backends)('calls whose result cannot be allocated throw before anything is written, %s', (backend) => {
    const x = ones([1, 1, 2])
    const calls: (() => unknown)[] = [
      () => operator('conv1d')(x, ones([1, 1, 1]), { padding: 2 ** 33, backend }),
      () => operator('convTranspose1d')(x, ones([1, 1, 2]), { stride: 2 ** 40, backend }),
      () => operator('convTranspose1d')(x, ones([1, 1, 2]), { dilation: 2 ** 52, stride: 2 ** 52, backend }),
      () => operator('conv1d')(x, ones([1, 1, 2]), { dilation: 2 ** 53 - 1, padding: 'full', backend }),
      () => loose.zeros([2 ** 33]),
      () => loose.zeros([2 ** 31, 2 ** 31]),
      () => loose.zeros([0, 2 ** 31, 2 ** 31]), // nothing, but no size to compute with
      () => loose.tensor(new Float32Array(0), [2 ** 31, 0, 2 ** 31]),
      () => zeros([2 ** 31, 0]).toArray(), // no element, two thousand million arrays
      () => zeros([1, 2 ** 30, 0, 4]).toArray(),
      () => loose.bilinearWeight(2 ** 30, 2 ** 20),
      () => loose.im2col(ones([1, 1, 4, 4]), [1, 1], { padding: 2 ** 30 }),
      () => loose.upsampleAsTranspose(ones([1, 1, 3]), 2 ** 50),
    ]
    for (const [i, call] of calls.entries()) {
      const error = expectTyped(errorOf(call), `call ${i}`)
      expect(['ERR_CONVKIT_MEMORY', 'ERR_CONVKIT_OPTION', 'ERR_CONVKIT_SHAPE'], error.message).toContain(error.code)
    }
  })
})
