/**
 * Random problems over the whole option space: every backend against the definition, exactly in small integers and
 * within rounding in reals; the identities that tie the passes together; the promises about bits. CONVKIT_SEED and
 * CONVKIT_CASES (a factor) draw others.
 */

import { describe, test } from 'vitest'
import { activate, randomActivation, type Activation } from './support/activation.js'
import { backends } from './support/backends.js'
import { expectClose, expectExact, expectSameBits } from './support/compare.js'
import {
  caseCount,
  dot,
  floats,
  fromLayout,
  fromWeightLayout,
  integers,
  product,
  Random,
  reals,
  seed,
  toLayout,
  toWeightLayout,
  type FloatArray,
  type Plain,
} from './support/data.js'
import { loose, operatorOf } from './support/operators.js'
import { randomProblem, type Choice, type Drawn } from './support/problems.js'

/** Runs `body` on problems from seeds seed, seed + 1, ...; a failure names the seed that makes its problem again. */
const forEachProblem = (count: number, body: (drawn: Drawn, random: Random) => void, choice?: Choice): void => {
  for (let i = 0; i < caseCount(count); i++) {
    const random = new Random(seed + i)
    const drawn = randomProblem(random, choice)
    try {
      body(drawn, random)
    } catch (error) {
      throw new Error(`CONVKIT_SEED=${seed + i}: ${drawn.text}: ${(error as Error).message}`, { cause: error })
    }
  }
}

type Draw = (random: Random, shape: readonly number[], dtype: 'float32' | 'float64') => Plain

/**
 * The operands of a problem, channels-first (`x`, `w`, `g`) and as the call wants them (`input`, `weight`,
 * `gradOutput`).
 */
const operands = ({ problem, definition, layout, weightLayout }: Drawn, random: Random, draw: Draw) => {
  const x = draw(random, definition.inputShape, problem.dtype)
  const w = draw(random, definition.weightShape, problem.dtype)
  const g = draw(random, definition.outputShape, problem.dtype)
  return {
    x,
    w,
    g,
    input: toLayout(x, layout, problem.rank),
    weight: toWeightLayout(w, weightLayout),
    gradOutput: toLayout(g, layout, problem.rank),
  }
}

/** bias and activation on a definition's result. */
const finish = (y: Plain, drawn: Drawn, bias: FloatArray | undefined, activation: Activation): Plain => {
  const inner = product(y.shape.slice(y.shape.length - drawn.problem.rank))
  const data = y.data.map((value, i) => {
    const channel = Math.floor(i / inner) % drawn.problem.cout
    return activate(activation, value + (bias === undefined ? 0 : bias[channel]), channel)
  })
  return { data, shape: y.shape }
}

describe.each(backends)('random problems, %s', (backend) => {
  test('all passes equal the definition, exactly in small integers, with bias, activation and a poisoned out', () => {
    forEachProblem(400, (drawn, random) => {
      const { problem, definition, layout, weightLayout } = drawn
      const op = operatorOf(problem.family, problem.rank)
      const { x, w, g, input, weight, gradOutput } = operands(drawn, random, integers)
      const options = { ...drawn.options, backend }
      const bias = random.chance(0.5) ? integers(random, [problem.cout], problem.dtype).data : undefined
      const activation = randomActivation(random, problem.cout, problem.dtype, true)
      const out = floats(problem.dtype, gradOutput.data.length).fill(NaN)
      const y = op(input, weight, {
        ...options,
        ...(bias ? { bias } : {}),
        activation,
        ...(random.chance(0.5) ? { out } : {}),
      })
      const wanted = finish(definition.forward(x, w), drawn, bias, activation)
      expectExact(fromLayout(y, layout, problem.rank), wanted, 'forward')
      const dx = op.gradInput(input.shape, weight, gradOutput, options)
      expectExact(fromLayout(dx, layout, problem.rank), definition.gradInput(w, g), 'gradInput')
      const dw = op.gradWeight(input, weight.shape, gradOutput, options)
      expectExact(fromWeightLayout(dw, weightLayout), definition.gradWeight(x, g), 'gradWeight')
    })
  })

  test('all passes are within rounding of the definition on real data, every activation', () => {
    forEachProblem(150, (drawn, random) => {
      const { problem, definition, layout, weightLayout } = drawn
      const op = operatorOf(problem.family, problem.rank)
      const { x, w, g, input, weight, gradOutput } = operands(drawn, random, reals)
      const options = { ...drawn.options, backend }
      const bias = reals(random, [problem.cout], problem.dtype).data
      const activation = randomActivation(random, problem.cout, problem.dtype, false)
      const bound = { terms: definition.maxTerms }
      const y = op(input, weight, { ...options, bias, activation })
      const wanted = finish(definition.forward(x, w), drawn, bias, activation)
      expectClose(fromLayout(y, layout, problem.rank), wanted, 'forward', bound)
      const dx = op.gradInput(input.shape, weight, gradOutput, options)
      expectClose(fromLayout(dx, layout, problem.rank), definition.gradInput(w, g), 'gradInput', bound)
      const dw = op.gradWeight(input, weight.shape, gradOutput, options)
      expectClose(fromWeightLayout(dw, weightLayout), definition.gradWeight(x, g), 'gradWeight', bound)
    })
  })

  test('<C x, y> = <x, C^T y> = <w, gradient>: the three passes are one trilinear form', () => {
    forEachProblem(200, (drawn, random) => {
      const op = operatorOf(drawn.problem.family, drawn.problem.rank)
      const { input, weight, gradOutput } = operands(drawn, random, integers)
      const options = { ...drawn.options, backend }
      const forward = dot(op(input, weight, options), gradOutput)
      const adjoint = dot(input, op.gradInput(input.shape, weight, gradOutput, options))
      const gradient = dot(weight, op.gradWeight(input, weight.shape, gradOutput, options))
      if (forward !== adjoint) throw new Error(`<Cx, y> is ${forward}, <x, C^T y> is ${adjoint}`)
      if (forward !== gradient) throw new Error(`<Cx, y> is ${forward}, <w, gradient> is ${gradient}`)
    })
  })

  test('gradients equal finite differences (float64)', () => {
    forEachProblem(
      40,
      (drawn, random) => {
        const op = operatorOf(drawn.problem.family, drawn.problem.rank)
        const { input, weight, gradOutput } = operands(drawn, random, reals)
        const options = { ...drawn.options, backend }
        const dx = op.gradInput(input.shape, weight, gradOutput, options)
        const dw = op.gradWeight(input, weight.shape, gradOutput, options)
        for (const [operand, gradient] of [
          [input, dx],
          [weight, dw],
        ] as const) {
          for (let probe = 0; probe < 5; probe++) {
            const at = random.int(0, operand.data.length - 1)
            const value = operand.data[at]
            operand.data[at] = value + 0.5
            const above = dot(op(input, weight, options), gradOutput)
            operand.data[at] = value - 0.5
            const below = dot(op(input, weight, options), gradOutput)
            operand.data[at] = value
            // The operators are linear in each operand: a central difference has no error but rounding, whatever the
            // step.
            const slack = 1e-11 * (1 + Math.abs(above) + Math.abs(below))
            if (!(Math.abs(above - below - gradient.data[at]) <= slack)) {
              throw new Error(`element ${at}: difference ${above - below}, gradient ${gradient.data[at]}`)
            }
          }
        }
      },
      { dtype: 'float64', maxWork: 50_000 },
    )
  })

  test('image i of a batch equals the call on it alone, bit for bit, batched or not', () => {
    forEachProblem(
      60,
      (drawn, random) => {
        const op = operatorOf(drawn.problem.family, drawn.problem.rank)
        const { input, weight, gradOutput } = operands(drawn, random, reals)
        const options = { ...drawn.options, backend }
        const y = op(input, weight, options)
        const dx = op.gradInput(input.shape, weight, gradOutput, options)
        const image = ({ data, shape }: Plain, i: number): Plain => {
          const size = product(shape.slice(1))
          return { data: data.subarray(i * size, (i + 1) * size), shape: shape.slice(1) }
        }
        for (let i = 0; i < 3; i++) {
          const one = image(input, i)
          expectSameBits(op(one, weight, options), image(y, i), `image ${i}`)
          const batched = op({ data: one.data, shape: [1, ...one.shape] }, weight, options)
          expectSameBits(
            { data: batched.data, shape: batched.shape.slice(1) },
            image(y, i),
            `image ${i} in a batch of 1`,
          )
          const alone = op.gradInput(one.shape, weight, image(gradOutput, i), options)
          expectSameBits(alone, image(dx, i), `gradient of image ${i}`)
        }
      },
      { batch: 3 },
    )
  })

  test('the same call twice gives the same bits; prepare gives the same result', () => {
    forEachProblem(80, (drawn, random) => {
      const { problem } = drawn
      const op = operatorOf(problem.family, problem.rank)
      const { input, weight, gradOutput } = operands(drawn, random, reals)
      const activation = randomActivation(random, problem.cout, problem.dtype, false)
      const bias = reals(random, [problem.cout], problem.dtype)
      const options = { ...drawn.options, backend, bias, activation }
      const y = op(input, weight, options)
      expectSameBits(op(input, weight, options), y, 'again')
      const geometry = { ...drawn.options, backend }
      const dw = op.gradWeight(input, weight.shape, gradOutput, geometry)
      expectSameBits(op.gradWeight(input, weight.shape, gradOutput, geometry), dw, 'gradWeight again')
      // A prepared call may use another plan: the same within rounding, and the same bits from call to call.
      const prepared = op.prepare(weight, options)
      expectClose(prepared(input), y, 'prepared', { terms: drawn.definition.maxTerms })
      const first = prepared(input)
      weight.data.fill(NaN)
      bias.data.fill(NaN)
      expectSameBits(prepared(input), first, 'prepared, after its weight and bias were overwritten')
      const shape = prepared.outputShape(input.shape)
      if (shape.join() !== y.shape.join()) throw new Error(`prepared.outputShape gives [${shape.join()}]`)
      prepared.dispose()
    })
  })

  test('gradBias sums over the batch and the positions', () => {
    forEachProblem(60, (drawn, random) => {
      const { problem, layout } = drawn
      const shape = [problem.batch ?? 1, problem.cout, ...problem.spatial]
      const g = integers(random, shape, problem.dtype)
      const wanted = floats('float64', problem.cout)
      const inner = product(problem.spatial)
      g.data.forEach((value, i) => (wanted[Math.floor(i / inner) % problem.cout] += value))
      const actual = loose.gradBias(toLayout(g, layout, problem.rank), { layout, backend })
      expectExact(actual, { data: wanted, shape: [problem.cout] }, 'gradBias')
    })
  })

  test('every algorithm that takes a problem gives the same integers', () => {
    forEachProblem(60, (drawn, random) => {
      const op = operatorOf(drawn.problem.family, drawn.problem.rank)
      const { input, weight, gradOutput } = operands(drawn, random, integers)
      const options = { ...drawn.options, backend }
      const results = [
        (algorithm: string) => op(input, weight, { ...options, algorithm }),
        (algorithm: string) => op.gradInput(input.shape, weight, gradOutput, { ...options, algorithm }),
        (algorithm: string) => op.gradWeight(input, weight.shape, gradOutput, { ...options, algorithm }),
      ]
      for (const result of results) expectExact(result('im2col'), result('auto'), 'im2col')
    })
  })
})
