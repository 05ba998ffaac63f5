/** Random legal problems over the whole option space. */

import type { Dtype, Layout, Random } from './data.js'
import { Definition, type Problem } from './definition.js'
import type { Family } from './operators.js'

/** Channel counts at and around the edges of register tiles and vectors. */
export const edgeCounts = [1, 3, 4, 6, 8, 13, 14, 15, 16, 17, 31, 32, 33, 63, 64, 65] as const

export interface Drawn {
  readonly problem: Problem
  readonly definition: Definition
  readonly layout: Layout
  readonly weightLayout: Layout
  /** Everything a call takes: the problem's options, groups, layouts. */
  readonly options: Record<string, unknown>
  /** For messages: the whole call as one line, ready to be pasted. */
  readonly text: string
}

const layouts: readonly Layout[] = ['channels-first', 'channels-last']

/** Layout keys as a caller would write them: absent where they are the default. */
const layoutOptions = (layout: Layout, weightLayout: Layout): Record<string, unknown> => ({
  ...(layout === 'channels-last' ? { layout } : {}),
  ...(weightLayout === layout ? {} : { weightLayout }),
})

export const drawn = (problem: Problem, definition: Definition, layout: Layout, weightLayout: Layout): Drawn => {
  const groups = problem.groups === 1 ? {} : { groups: problem.groups }
  const options = { ...problem.options, ...groups, ...layoutOptions(layout, weightLayout) }
  const { family, rank, dtype, batch, cin, cout, spatial, kernel } = problem
  const text =
    `${family}${rank}d ${dtype} batch ${batch} channels ${cin} -> ${cout} image [${spatial}] kernel [${kernel}] ` +
    JSON.stringify(options)
  return { problem, definition, layout, weightLayout, options, text }
}

const randomOptions = (random: Random, family: Family, spatial: readonly number[]) => {
  const options: Record<string, unknown> = {}
  const axes = (low: number, high: number): number | number[] =>
    random.chance(0.5) ? random.int(low, high) : spatial.map(() => random.int(low, high))
  if (random.chance(0.6)) options['stride'] = axes(1, 4)
  if (random.chance(0.4)) options['dilation'] = axes(1, 3)
  const named = ['valid', 'same', 'same-lower', 'full', 'half', ...(family === 'conv' ? ['causal'] : [])]
  const kind = random.pick(['none', 'number', 'array', 'pairs', 'pairs', 'pairs', ...named])
  if (kind === 'number') options['padding'] = random.int(0, 3)
  else if (kind === 'array') options['padding'] = spatial.map(() => random.int(0, 3))
  else if (kind === 'pairs') options['padding'] = spatial.map(() => [random.int(0, 4), random.int(0, 4)])
  else if (kind !== 'none') options['padding'] = kind
  if (random.chance(0.2)) options['flipKernel'] = true
  if (family === 'conv') {
    if (random.chance(0.4)) options['paddingMode'] = random.pick(['zeros', 'reflect', 'replicate', 'circular'])
  } else if (kind === 'same' || kind === 'same-lower') {
    if (random.chance(0.5)) {
      const stride = (options['stride'] ?? 1) as number | number[]
      const strides = spatial.map((_, axis) => (Array.isArray(stride) ? stride[axis] : stride))
      options['outputShape'] = spatial.map((n, axis) => n * strides[axis] - random.int(0, strides[axis] - 1))
    }
  } else if (random.chance(0.5)) {
    options['outputPadding'] = axes(0, 3)
  }
  return options
}

export interface Choice {
  readonly family?: Family
  readonly rank?: number
  readonly dtype?: Dtype
  readonly channels?: readonly number[]
  readonly batch?: number | null
  readonly maxWork?: number
}

/** Draws until the call is legal and small enough. */
export const randomProblem = (random: Random, choice: Choice = {}): Drawn => {
  for (;;) {
    const family = choice.family ?? random.pick<Family>(['conv', 'convTranspose'])
    const rank = choice.rank ?? random.pick([1, 2, 2, 3])
    const groups = random.pick([1, 1, 1, 2, 3, 4])
    const wide = random.chance(0.25)
    const channels = (): number => random.pick(choice.channels ?? (wide ? edgeCounts : [1, 2, 3, 4]))
    const longest = [24, 10, 5][rank - 1]
    const spatial = Array.from({ length: rank }, () => random.int(1, longest))
    const kernel = Array.from({ length: rank }, () => random.int(1, [9, 5, 3][rank - 1]))
    const problem: Problem = {
      family,
      rank,
      dtype: choice.dtype ?? random.pick<Dtype>(['float32', 'float64']),
      batch: choice.batch === undefined ? random.pick([null, 1, 2, 3]) : choice.batch,
      groups,
      cin: groups * channels(),
      cout: groups * (random.chance(0.2) ? 1 : channels()),
      spatial,
      kernel,
      options: randomOptions(random, family, spatial),
    }
    const definition = Definition.of(problem)
    if (definition === undefined || definition.multiplyAdds > (choice.maxWork ?? 400_000)) continue
    return drawn(problem, definition, random.pick(layouts), random.pick(layouts))
  }
}
