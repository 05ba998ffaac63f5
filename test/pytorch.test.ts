/**
 * The operators against PyTorch, and TensorFlow's SAME against its formulas. The figures are in
 * fixtures/pytorch.json, made by fixtures/make_fixtures.py. CONVKIT_FIXTURES=path reads another file of that script
 * instead, such as thousands of random problems.
 */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { backends } from './support/backends.js'
import { expectClose, expectExact } from './support/compare.js'
import {
  floats,
  fromLayout,
  fromWeightLayout,
  plain,
  product,
  toLayout,
  toWeightLayout,
  type Dtype,
  type Layout,
  type Plain,
} from './support/data.js'
import { Definition } from './support/definition.js'
import { loose, operator, type OperatorName } from './support/operators.js'

interface Call {
  readonly name: string
  readonly op: OperatorName
  readonly options: Record<string, unknown>
  readonly inputShape: number[]
  readonly weightShape: number[]
  readonly outputShape: number[]
  readonly input: number[]
  readonly weight: number[]
  readonly output: number[]
}

interface PyTorchCase extends Call {
  readonly dtype: Dtype
  readonly exact: boolean
  readonly gradOutput: number[]
  readonly gradInput: number[]
  readonly gradWeight: number[]
  readonly bias?: number[]
  readonly gradBias?: number[]
}

interface Fixtures {
  readonly cases: PyTorchCase[]
  readonly activations: {
    readonly dtype: Dtype
    readonly activation: unknown
    readonly input: (number | string)[]
    readonly output: (number | string)[]
  }[]
  readonly tensorflow: Call[]
}

const path = process.env['CONVKIT_FIXTURES'] ?? new URL('fixtures/pytorch.json', import.meta.url)
const fixtures = JSON.parse(readFileSync(path, 'utf8')) as Fixtures

const layouts: readonly Layout[] = ['channels-first', 'channels-last']
const layoutPairs = layouts.flatMap((layout) => layouts.map((weightLayout) => ({ layout, weightLayout })))

/** Expected figures stay in float64, whatever the operands are. */
const expected = (values: readonly number[], shape: readonly number[]): Plain => plain(values, shape, 'float64')

/** Exact where all the numbers of a sum are small integers, else within rounding. */
const check = (actual: Plain, wanted: Plain, exact: boolean, terms: number, what: string): void => {
  if (exact) expectExact(actual, wanted, what)
  else expectClose(actual, wanted, what, { terms, magnitude: 16 })
}

describe.each(backends)('PyTorch, %s', (backend) => {
  test.each(fixtures.cases.map((c) => [`${c.op} ${c.dtype} ${c.name} ${JSON.stringify(c.options)}`, c] as const))(
    '%s',
    (_, c) => {
      const op = operator(c.op)
      const rank = c.weightShape.length - 2
      const { activation, ...geometry } = c.options
      const input = plain(c.input, c.inputShape, c.dtype)
      const weight = plain(c.weight, c.weightShape, c.dtype)
      const gradOutput = plain(c.gradOutput, c.outputShape, c.dtype)
      const whole = [c.input, c.weight, c.gradOutput, c.bias ?? []].every((values) => values.every(Number.isInteger))
      const terms = Math.max(
        product(c.weightShape.slice(1)),
        product(c.weightShape.slice(2)) * c.weightShape[0],
        product(c.outputShape),
        product(c.inputShape),
      )
      for (const { layout, weightLayout } of layoutPairs) {
        const options = { ...geometry, layout, weightLayout, backend }
        const x = toLayout(input, layout, rank)
        const w = toWeightLayout(weight, weightLayout)
        const g = toLayout(gradOutput, layout, rank)
        const extra = {
          ...(c.bias === undefined ? {} : { bias: floats(c.dtype, c.bias) }),
          ...(activation === undefined ? {} : { activation: activationOf(activation, c.dtype) }),
        }
        const what = `${layout}, weights ${weightLayout}`
        expect(op.outputShape(x.shape, w.shape, options), what).toEqual(toLayout(gradOutput, layout, rank).shape)
        const y = fromLayout(op(x, w, { ...options, ...extra }), layout, rank)
        check(y, expected(c.output, c.outputShape), c.exact, terms, `forward, ${what}`)
        const dx = fromLayout(op.gradInput(x.shape, w, g, options), layout, rank)
        check(dx, expected(c.gradInput, c.inputShape), whole, terms, `gradInput, ${what}`)
        const dw = fromWeightLayout(op.gradWeight(x, w.shape, g, options), weightLayout)
        check(dw, expected(c.gradWeight, c.weightShape), whole, terms, `gradWeight, ${what}`)
        if (c.gradBias !== undefined) {
          const db = loose.gradBias(g, { layout, backend })
          check(db, expected(c.gradBias, [c.gradBias.length]), whole, terms, `gradBias, ${what}`)
        }
      }
    },
  )
})

test("the tests' own definition of the operators agrees with PyTorch", () => {
  // What reals round to in float32 is another matter: integers are exact.
  const exact = fixtures.cases.filter((c) => [c.input, c.weight, c.gradOutput].flat().every(Number.isInteger))
  for (const c of exact) {
    const rank = c.weightShape.length - 2
    const batched = c.inputShape.length === rank + 2
    const channel = batched ? 1 : 0
    const family = c.op.startsWith('convTranspose') ? 'convTranspose' : 'conv'
    const { groups, activation: _, ...options } = c.options
    const definition = Definition.of({
      family,
      rank,
      dtype: 'float64',
      batch: batched ? c.inputShape[0] : null,
      groups: (groups as number | undefined) ?? 1,
      cin: c.inputShape[channel],
      cout: c.outputShape[channel],
      spatial: c.inputShape.slice(channel + 1),
      kernel: c.weightShape.slice(2),
      options,
    })
    if (definition === undefined) throw new Error(`${c.name}: not a legal problem`)
    const x = rounded(c.input, c.inputShape, c.dtype)
    const w = rounded(c.weight, c.weightShape, c.dtype)
    const g = rounded(c.gradOutput, c.outputShape, c.dtype)
    expectExact(definition.gradInput(w, g), rounded(c.gradInput, c.inputShape, c.dtype), `${c.name}, gradInput`)
    expectExact(definition.gradWeight(x, g), rounded(c.gradWeight, c.weightShape, c.dtype), `${c.name}, gradWeight`)
    if (c.bias === undefined && c.options['activation'] === undefined) {
      expectExact(definition.forward(x, w), rounded(c.output, c.outputShape, c.dtype), `${c.name}, forward`)
    }
  }
})

/** Float64 figures that a tensor of the dtype holds; reals are compared as float32 where the case is. */
function rounded(values: readonly number[], shape: readonly number[], dtype: Dtype): Plain {
  return { data: Float64Array.from(floats(dtype, values)), shape }
}

/** A PReLU's slopes are an array in JSON, and a FloatArray of the operands' type in a call. */
function activationOf(activation: unknown, dtype: Dtype): unknown {
  const slope = (activation as { slope?: unknown }).slope
  return Array.isArray(slope) ? { type: 'prelu', slope: floats(dtype, slope as number[]) } : activation
}

describe.runIf(fixtures.activations.length > 0).each(backends)('activations as in PyTorch, %s', (backend) => {
  const cases = fixtures.activations.map((c) => [`${JSON.stringify(c.activation)} ${c.dtype}`, c] as const)
  test.each(cases)('%s', (_, c) => {
    const values = c.input.map(Number)
    const x = plain(values, [1, 1, values.length], c.dtype)
    const w = plain([1], [1, 1, 1], c.dtype)
    const y = operator('conv1d')(x, w, { activation: activationOf(c.activation, c.dtype), backend })
    const wanted = c.output.map(Number)
    // silu and hard-swish of −∞ are −∞ · 0: NaN in PyTorch, 0 in the limit. Both will do.
    values.forEach((value, i) => {
      if (value === -Infinity && Number.isNaN(wanted[i]) && y.data[i] === 0) wanted[i] = 0
    })
    expectClose(y, expected(wanted, x.shape), 'activation', { magnitude: 0.25 })
  })
})

describe.runIf(fixtures.tensorflow.length > 0).each(backends)("TensorFlow's SAME, %s", (backend) => {
  const cases = fixtures.tensorflow.map((c) => [c.name, c] as const)
  test.each(cases)('%s', (_, c) => {
    const options = { ...c.options, layout: 'channels-last', backend }
    const y = operator(c.op)(plain(c.input, c.inputShape), weightOf(c), options)
    expectExact(y, expected(c.output, c.outputShape), c.name)
  })

  /** TensorFlow's depthwise kernel [h, w, in, mult] is the same memory as [h, w, 1, in · mult]. */
  const weightOf = (c: Call): Plain => {
    const [h, w, channels, multiplier] = c.weightShape as [number, number, number, number]
    const depthwise = c.options['groups'] !== undefined
    return plain(c.weight, depthwise ? [h, w, 1, channels * multiplier] : c.weightShape)
  }
})
