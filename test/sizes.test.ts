/**
 * Sizes at the edges of register tiles and vectors, and sizes large enough for cache blocking (hundreds of terms,
 * more than 256 positions) and for several threads: exact in small integers.
 *
 * Most of the large ones are checked by what is cheap to know: native against TypeScript where both are there, and
 * the adjoint identity.
 */

import { describe, test } from 'vitest'
import { ALGORITHMS } from '../lib/backend/algorithms.js'
import { backends, hasNative } from './support/backends.js'
import { expectClose, expectExact, expectIntegers } from './support/compare.js'
import {
  fromLayout,
  fromWeightLayout,
  integers,
  Random,
  seed,
  toLayout,
  toWeightLayout,
  type Dtype,
  type Layout,
  type Plain,
} from './support/data.js'
import { Definition, type Problem } from './support/definition.js'
import { operatorOf, type Family } from './support/operators.js'
import { drawn, edgeCounts } from './support/problems.js'

const families: readonly Family[] = ['conv', 'convTranspose']
const layouts: readonly Layout[] = ['channels-first', 'channels-last']
const dtypes: readonly Dtype[] = ['float32', 'float64']

const makeProblem = (
  family: Family,
  dtype: Dtype,
  [cin, cout]: readonly [number, number],
  spatial: readonly number[],
  kernel: readonly number[],
  options: Record<string, unknown> = {},
  { batch = 1, groups = 1 }: { batch?: number; groups?: number } = {},
): Problem => ({ family, rank: spatial.length, dtype, batch, groups, cin, cout, spatial, kernel, options })

const definitionOf = (problem: Problem): Definition => {
  const definition = Definition.of(problem)
  if (definition === undefined) throw new Error('not a legal problem')
  return definition
}

/** How the result of a pass compares with exact integers: transforms may round. */
const comparison = (
  op: ReturnType<typeof operatorOf>,
  { input, weight }: { input: readonly number[]; weight: readonly number[] },
  options: Record<string, unknown>,
): typeof expectExact => {
  const { algorithm } = op.plan(input, weight, options)
  return options['backend'] === 'native' && ['winograd', 'fft'].includes(algorithm) ? expectIntegers : expectExact
}

/** All three passes against the definition. */
const checkPasses = (problem: Problem, layout: Layout, backend: string, random: Random): void => {
  const definition = definitionOf(problem)
  const { options, text } = drawn(problem, definition, layout, layout)
  const op = operatorOf(problem.family, problem.rank)
  const x = integers(random, definition.inputShape, problem.dtype)
  const w = integers(random, definition.weightShape, problem.dtype)
  const g = integers(random, definition.outputShape, problem.dtype)
  const [input, gradOutput] = [x, g].map((tensor) => toLayout(tensor, layout, problem.rank))
  const weight = toWeightLayout(w, layout)
  const all = { ...options, backend }
  const shapes = { input: input.shape, weight: weight.shape }
  const expectPass = (pass: string): typeof expectExact =>
    comparison(op, shapes, { ...all, dtype: problem.dtype, pass })
  const y = op(input, weight, all)
  expectPass('forward')(fromLayout(y, layout, problem.rank), definition.forward(x, w), text)
  const dx = op.gradInput(input.shape, weight, gradOutput, all)
  expectPass('gradInput')(fromLayout(dx, layout, problem.rank), definition.gradInput(w, g), `gradInput, ${text}`)
  const dw = op.gradWeight(input, weight.shape, gradOutput, all)
  expectPass('gradWeight')(fromWeightLayout(dw, layout), definition.gradWeight(x, g), `gradWeight, ${text}`)
}

describe.each(backends)('tile edges, %s', (backend) => {
  describe.each(families)('%s', (family) => {
    // A padding lets the narrowest image have an output; a crop would leave nothing of it.
    const edgePadding = family === 'conv' ? 1 : 0

    test.each(dtypes)('output channels, input channels and widths, one at a time, %s', (dtype) => {
      const random = new Random(seed)
      for (const layout of layouts) {
        for (const edge of edgeCounts) {
          checkPasses(makeProblem(family, dtype, [3, edge], [4, 7], [3, 2], { padding: 1 }), layout, backend, random)
          checkPasses(makeProblem(family, dtype, [edge, 3], [4, 5], [2, 3], { stride: 2 }), layout, backend, random)
          checkPasses(
            makeProblem(family, dtype, [2, 5], [3, edge], [2, 2], { padding: edgePadding }),
            layout,
            backend,
            random,
          )
        }
      }
    })

    test.each(dtypes)('channels and widths together, %s', (dtype) => {
      const random = new Random(seed + 1)
      for (let i = 0; i < 40; i++) {
        const channels = [random.pick(edgeCounts), random.pick(edgeCounts)] as const
        const options = { padding: edgePadding, stride: random.int(1, 2) }
        const problem = makeProblem(
          family,
          dtype,
          channels,
          [random.int(1, 3), random.pick(edgeCounts)],
          [1, 2],
          options,
        )
        checkPasses(problem, random.pick(layouts), backend, random)
      }
    })

    test.each(dtypes)('channels per group, %s', (dtype) => {
      const random = new Random(seed + 2)
      for (const perGroup of [1, 3, 8, 9, 16, 17]) {
        for (const layout of layouts) {
          const channels = [2 * perGroup, 2 * random.pick([1, 5, 8, 17])] as const
          const shape = { groups: 2, batch: 2 }
          checkPasses(
            makeProblem(family, dtype, channels, [5, 6], [3, 3], { padding: 1 }, shape),
            layout,
            backend,
            random,
          )
        }
      }
      for (const channels of [1, 7, 16, 33]) {
        for (const layout of layouts) {
          const problem = makeProblem(
            family,
            dtype,
            [channels, channels],
            [6, 9],
            [3, 3],
            { padding: 1 },
            { groups: channels },
          )
          checkPasses(problem, layout, backend, random)
        }
      }
    })
  })
})

// Large layers: [family, channels, spatial, kernel, options, batch].
const large: readonly (readonly [Family, [number, number], number[], number[], Record<string, unknown>, number])[] = [
  ['conv', [65, 70], [23, 19], [3, 3], { padding: 1 }, 2],
  ['conv', [33, 40], [40, 41], [5, 5], { padding: 'same', stride: 2 }, 1],
  ['conv', [300, 17], [18, 17], [1, 1], {}, 2],
  ['conv', [20, 24], [30, 31], [3, 3], { paddingMode: 'reflect', padding: 2, dilation: 2 }, 1],
  ['conv', [16, 16], [9, 12, 11], [3, 3, 3], { padding: 1 }, 1],
  ['conv', [2, 8], [4000], [255], { stride: 16, padding: 'half' }, 1],
  ['convTranspose', [80, 33], [15, 16], [4, 4], { stride: 2, padding: 1 }, 2],
  ['convTranspose', [270, 9], [17, 17], [2, 2], { stride: 2 }, 1],
  ['convTranspose', [24, 20], [21, 23], [5, 3], { stride: [3, 2], dilation: [1, 2], padding: 'same' }, 1],
  ['convTranspose', [66, 2], [40], [256], { stride: 64, padding: 96 }, 1],
  ['convTranspose', [24, 12], [7, 8, 6], [2, 3, 2], { stride: 2 }, 1],
]

describe('large layers', () => {
  test.each(
    large.map((entry, i) => [`${entry[0]} ${entry[1].join(' -> ')}, image ${entry[2].join(' × ')}`, i] as const),
  )('%s', (_, i) => {
    const [family, channels, spatial, kernel, options, batch] = large[i]
    const random = new Random(seed + i)
    const dtype: Dtype = i % 3 === 2 ? 'float64' : 'float32'
    const problem = makeProblem(family, dtype, channels, spatial, kernel, options, { batch })
    const layout = layouts[i % 2]
    // The definition is slow: where native code is there, TypeScript (itself checked against it on the rest) is the
    // yardstick.
    if (!hasNative) {
      checkPasses(problem, layout, 'typescript', random)
      return
    }
    const definition = definitionOf(problem)
    const call = drawn(problem, definition, layout, layout)
    const op = operatorOf(family, problem.rank)
    // |x|, |w| ≤ 2: sums of up to four million products stay exact.
    const input = toLayout(integers(random, definition.inputShape, dtype, 2), layout, problem.rank)
    const gradOutput = toLayout(integers(random, definition.outputShape, dtype, 2), layout, problem.rank)
    const weight = toWeightLayout(integers(random, definition.weightShape, dtype, 2), layout)
    const all = (extra: Record<string, unknown>): (() => Plain)[] => {
      const options = { ...call.options, ...extra }
      return [
        () => op(input, weight, options),
        () => op.gradInput(input.shape, weight, gradOutput, options),
        () => op.gradWeight(input, weight.shape, gradOutput, options),
      ]
    }
    const wanted = all({ backend: 'typescript' }).map((result) => result())
    for (const algorithm of ['auto', ...ALGORITHMS]) {
      all({ backend: 'native', algorithm }).forEach((result, pass) => {
        const what = `${algorithm}, pass ${pass}, ${call.text}`
        let actual
        try {
          actual = result()
        } catch (error) {
          if (algorithm === 'auto' || !/convkit: algorithm: /.test(String(error))) throw error
          return
        }
        // Transforms, which 'auto' may choose for layers of this size, round on their way.
        if (['auto', 'winograd', 'fft'].includes(algorithm)) {
          const terms = Math.max(...channels) * kernel.reduce((product, extent) => product * extent, 1)
          expectClose(actual, wanted[pass], what, { terms: pass < 2 ? terms : 1e4, magnitude: 16 })
        } else {
          expectExact(actual, wanted[pass], what)
        }
      })
    }
  })
})
