/**
 * Random calls of every function with hostile values in several places at once (support/recipes.ts): a typed error
 * or a result, the same from every backend, entry point and mode; nothing allocated before an error, and little for a result.
 */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as convkit from '../lib/index.js'
import * as promises from '../lib/promises.js'
import * as reference from '../lib/reference.js'
import { countingAllocations } from './support/allocations.js'
import { backends } from './support/backends.js'
import { caseCount, seed } from './support/data.js'
import { expectTyped, type ConvkitError } from './support/errors.js'
import { isTrap } from './support/hostile.js'
import { prepareCall, recipe, type Recipe } from './support/recipes.js'

type Loosest = (...args: unknown[]) => unknown
type Api = Record<string, Loosest & Record<string, Loosest>>

/** Arrays beyond this are refused, as where memory is short: results of a gigabyte are legal and say nothing. */
const LARGEST = 1 << 26

const nameOf = ({ target }: Recipe): string => ('helper' in target ? target.helper : `${target.family}${target.rank}d`)

/** Makes the call of a recipe on the synchronous functions of an entry point. */
const callOf = (api: Api, made: Recipe, extra: Record<string, unknown>): (() => unknown) => {
  const { args, options } = prepareCall(made, extra)
  const { target } = made
  const given = made.options.length === 0 && Object.keys(extra).length === 0 ? [] : [options]
  if ('helper' in target) {
    if (target.helper === 'reshape') {
      const [shape] = args
      const tensor = api['tensor']([1, 2, 3, 4], [4]) as { reshape: Loosest }
      return () => tensor.reshape(shape)
    }
    return () => api[target.helper](...args, ...given)
  }
  const op = api[nameOf(made)]
  if (target.member === 'prepare') return () => (op['prepare'](args[0], ...given) as Loosest)(args[1])
  return () => (target.member === '' ? op : op[target.member])(...args, ...given)
}

type Outcome = { readonly error: Error } | { readonly result: unknown; readonly bytes?: number }

const settle = (call: () => unknown): Outcome & { bytes: number } => {
  const { value, bytes } = countingAllocations(LARGEST, (): Outcome => {
    try {
      return { result: call() }
    } catch (error) {
      return { error: error as Error }
    }
  })
  return { ...value, bytes }
}

/** Plain data of a result: typed arrays as numbers, read by the language and not by methods of theirs. */
const plainOf = (value: unknown): unknown => {
  if (value instanceof Float32Array || value instanceof Float64Array) return Array.from(new Float64Array(value))
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint32Array)
  if (Array.isArray(value)) return value.map(plainOf)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      // What a plan says of itself differs between backends, and options come back as they were given.
      .filter(([key]) => !['id', 'algorithm', 'reason', 'refused', 'workspaceBytes', 'backend'].includes(key))
      .map(([key, entry]) => [key, plainOf(entry)]),
  )
}

/** Equal but for rounding. */
const same = (a: unknown, b: unknown): boolean => {
  if (typeof a === 'number' && typeof b === 'number')
    return Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-3 * (1 + Math.abs(b))
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((x, i) => same(x, b[i]))
  if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null) {
    const [first, second] = [Object.entries(a), Object.entries(b)]
    return first.length === second.length && first.every(([key, x]) => same(x, (b as Record<string, unknown>)[key]))
  }
  return Object.is(a, b)
}

/** The promise versions take one option more, and say so. */
const line = (error: Error): string =>
  `${error.name} ${(error as ConvkitError).code}: ${error.message.replace(', signal)', ')')}`

/** A named algorithm may refuse a problem, natively alone. */
const isRefusal = (outcome: Outcome, made: Recipe): boolean =>
  'error' in outcome &&
  outcome.error.message.startsWith('convkit: algorithm:') &&
  made.options.some(([key]) => key === 'algorithm')

const isCallers = (error: Error): boolean => isTrap(error) || error.message === 'thrown by a getter'

const expectSame = (what: string, got: Outcome, wanted: Outcome): void => {
  if ('error' in got && 'error' in wanted) {
    expect(line(got.error), what).toBe(line(wanted.error))
    return
  }
  if ('error' in got || 'error' in wanted) {
    const { error } = ('error' in got ? got : wanted) as { error: Error }
    throw new Error(`${what}: ${line(error)}, but only ${'error' in got ? 'here' : 'in TypeScript'}`)
  }
  if (!same(plainOf(got.result), plainOf(wanted.result))) {
    const [a, b] = [got, wanted].map(({ result }) => JSON.stringify(plainOf(result)).slice(0, 300))
    throw new Error(`${what}: ${a}, expected ${b}`)
  }
}

const bytesOf = (value: unknown): number => {
  if (ArrayBuffer.isView(value)) return new Float64Array(value as Float32Array).length * 8
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 0
  return Object.values(value).reduce((sum: number, entry) => sum + bytesOf(entry), 0)
}

const hasBackend = ({ target }: Recipe): boolean =>
  'family' in target || ['gradBias', 'convolutionMatrix', 'asDirectConvolution'].includes(target.helper)

const check = (made: Recipe): void => {
  const name = `${nameOf(made)} ${'member' in made.target ? made.target.member : ''}`
  const wanted = settle(callOf(convkit as unknown as Api, made, hasBackend(made) ? { backend: 'typescript' } : {}))
  if ('error' in wanted) {
    if (!isCallers(wanted.error)) {
      const { code } = expectTyped(wanted.error as ConvkitError, name)
      // A prepared operator has copied its weights by then, and memory may run out at the second array.
      if (code !== 'ERR_CONVKIT_MEMORY' && !name.endsWith('prepare'))
        expect(wanted.bytes, `${name}: ${line(wanted.error)}: allocated before`).toBe(0)
    }
  } else {
    const most = 8 * bytesOf(wanted.result) + (2 << 20)
    expect(wanted.bytes, `${name}: bytes for a result of ${bytesOf(wanted.result)}`).toBeLessThanOrEqual(most)
  }
  const others: [string, () => unknown][] = [
    ['convkit/reference', callOf(reference as unknown as Api, made, hasBackend(made) ? { backend: 'typescript' } : {})],
  ]
  if (backends.includes('native') && hasBackend(made)) {
    others.push(['native', callOf(convkit as unknown as Api, made, { backend: 'native' })])
  }
  for (const [route, call] of others) {
    const got = settle(call)
    if (!isRefusal(got, made)) expectSame(`${name}, ${route}`, got, wanted)
  }
}

/** The promise version of a call, where there is one, against the synchronous one. */
const checkLater = async (made: Recipe, backend: string): Promise<void> => {
  const { target } = made
  const member = 'member' in target ? target.member : undefined
  if (member === 'outputShape' || member === 'plan' || (member === undefined && !hasBackend(made))) return
  if ('helper' in target && target.helper !== 'gradBias') return
  const wanted = settle(callOf(convkit as unknown as Api, made, { backend }))
  const { args, options } = prepareCall(made, { backend })
  const api = promises as unknown as Api
  const op = api[nameOf(made)]
  const start = (): unknown => {
    if (member !== 'prepare') return (member === undefined || member === '' ? op : op[member])(...args, options)
    const prepared = (convkit as unknown as Api)[nameOf(made)]['prepare'](args[0], options)
    return (prepared as { async: Loosest }).async(args[1])
  }
  // Preparing is synchronous and throws; nothing else may.
  const running = member === 'prepare' ? (async () => start())() : (start() as Promise<unknown>)
  const got: Outcome = await running.then(
    (result) => ({ result }),
    (error: unknown) => ({ error: error as Error }),
  )
  if (isRefusal(got, made) && isRefusal(wanted, made)) return
  expectSame(`${nameOf(made)} ${member ?? ''}, later`, got, wanted)
}

describe('hostile combinations', () => {
  const parameters = (runs: number): fc.Parameters<[Recipe]> => ({ seed, numRuns: caseCount(runs), endOnFailure: true })

  test('a typed error or a result, the same everywhere, with nothing allocated in vain', () => {
    fc.assert(fc.property(recipe, check), parameters(4000))
  })

  test.each(backends)('later as at once, %s', async (backend) => {
    await fc.assert(
      fc.asyncProperty(recipe, (made) => checkLater(made, backend)),
      parameters(backend === 'native' ? 800 : 300),
    )
  })
})
