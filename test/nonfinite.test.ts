/**
 * Promise 7: an output with a NaN term is NaN, one with an infinite term is not finite, and what has neither keeps
 * its value. A non-finite weight alone may also make NaN where its tap lies in the padding. Every activation maps NaN
 * to NaN.
 */

import { describe, expect, test } from 'vitest'
import { backends } from './support/backends.js'
import {
  caseCount,
  fromLayout,
  fromWeightLayout,
  integers,
  plain,
  Random,
  seed,
  toLayout,
  toWeightLayout,
  type Plain,
} from './support/data.js'
import { operator, operatorOf } from './support/operators.js'
import { randomProblem } from './support/problems.js'

/** Puts a few non-finite values into a tensor. */
const spoil = (random: Random, tensor: Plain): Plain => {
  const data = tensor.data.slice()
  for (let i = 0; i < 2; i++) data[random.int(0, data.length - 1)] = random.pick([NaN, Infinity, -Infinity])
  return { data, shape: tensor.shape }
}

/** The same numbers, NaN and infinities included; `mayBeNaN`: NaN in place of a finite number will do. */
const expectSameNumbers = (actual: Plain, wanted: Plain, what: string, mayBeNaN = false): void => {
  expect(actual.shape, what).toEqual(wanted.shape)
  wanted.data.forEach((value, i) => {
    const got = actual.data[i]
    const same = got === value || (Number.isNaN(got) && (Number.isNaN(value) || mayBeNaN))
    if (!same) throw new Error(`${what}: element ${i} is ${got}, expected ${value}`)
  })
}

describe.each(backends)('non-finite values, %s', (backend) => {
  test('reach exactly the outputs they are terms of', () => {
    for (let i = 0; i < caseCount(200); i++) {
      const random = new Random(seed + i)
      const drawn = randomProblem(random, { maxWork: 60_000 })
      const { problem, definition, layout, weightLayout } = drawn
      const what = `CONVKIT_SEED=${seed + i}: ${drawn.text}`
      const op = operatorOf(problem.family, problem.rank)
      const options = { ...drawn.options, backend, algorithm: 'im2col' }
      const x = integers(random, definition.inputShape, problem.dtype)
      const w = integers(random, definition.weightShape, problem.dtype)
      const g = integers(random, definition.outputShape, problem.dtype)
      const [badX, badW, badG] = [spoil(random, x), spoil(random, w), spoil(random, g)]
      const image = (tensor: Plain): Plain => toLayout(tensor, layout, problem.rank)
      const kernel = (tensor: Plain): Plain => toWeightLayout(tensor, weightLayout)
      const back = (tensor: Plain): Plain => fromLayout(tensor, layout, problem.rank)
      const inputShape = image(x).shape
      const weightShape = kernel(w).shape

      expectSameNumbers(back(op(image(badX), kernel(w), options)), definition.forward(badX, w), `${what}, input`)
      expectSameNumbers(back(op(image(x), kernel(badW), options)), definition.forward(x, badW), `${what}, weight`, true)
      const dx = back(op.gradInput(inputShape, kernel(w), image(badG), options))
      expectSameNumbers(dx, definition.gradInput(w, badG), `${what}, gradOutput of gradInput`)
      const dxw = back(op.gradInput(inputShape, kernel(badW), image(g), options))
      expectSameNumbers(dxw, definition.gradInput(badW, g), `${what}, weight of gradInput`, true)
      const dwx = fromWeightLayout(op.gradWeight(image(badX), weightShape, image(g), options), weightLayout)
      expectSameNumbers(dwx, definition.gradWeight(badX, g), `${what}, input of gradWeight`)
      const dwg = fromWeightLayout(op.gradWeight(image(x), weightShape, image(badG), options), weightLayout)
      expectSameNumbers(dwg, definition.gradWeight(x, badG), `${what}, gradOutput of gradWeight`)
    }
  })

  test('auto keeps them as well: NaN terms give NaN, infinite terms nothing finite', () => {
    const random = new Random(seed)
    for (const [family, options] of [
      ['conv', { padding: 1 }],
      ['convTranspose', { stride: 2, padding: 1 }],
    ] as const) {
      const x = integers(random, [2, 16, 12, 13])
      const w = integers(random, [16, 16, 4, 4])
      const op = operatorOf(family, 2)
      const bad = spoil(random, x)
      const y = op(bad, w, { ...options, backend })
      const clean = op(x, w, { ...options, backend })
      const exact = op(bad, w, { ...options, backend, algorithm: 'im2col' })
      exact.data.forEach((value, i) => {
        if (Number.isNaN(value)) expect(y.data[i], `${family} ${i}`).toBeNaN()
        else if (!Number.isFinite(value)) expect(Number.isFinite(y.data[i]), `${family} ${i}`).toBe(false)
        else if (Number.isFinite(y.data[i])) expect(y.data[i], `${family} ${i}`).toBe(clean.data[i])
      })
    }
  })

  test.each([
    'linear',
    'relu',
    'relu6',
    'sigmoid',
    'tanh',
    'silu',
    'hard-sigmoid',
    'hard-swish',
    { type: 'leaky-relu', slope: 0 },
    { type: 'elu', alpha: 0 },
    { type: 'prelu', slope: new Float32Array([0, 1]) },
    { type: 'clip', min: 1, max: 2 },
    { type: 'clip', min: -Infinity, max: Infinity },
  ])('%j maps NaN to NaN', (activation) => {
    // Wide enough for whole vectors and a rest.
    const x = plain(new Array<number>(37).fill(NaN), [1, 1, 37])
    const w = plain([1, 1], [2, 1, 1])
    expect(operator('conv1d')(x, w, { activation, backend }).data.every(Number.isNaN)).toBe(true)
    const up = operator('convTranspose1d')(x, plain([1, 1], [1, 2, 1]), { activation, backend })
    expect(up.data.every(Number.isNaN)).toBe(true)
  })

  test('NaN and infinite biases', () => {
    const bias = new Float32Array([NaN, Infinity, 1])
    const y = operator('conv1d')(plain([1, 2], [1, 1, 2]), plain([1, 1, 1], [3, 1, 1]), { bias, backend })
    expect(Array.from(y.data)).toEqual([NaN, NaN, Infinity, Infinity, 2, 3])
  })
})
