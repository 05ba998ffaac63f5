import type { ActivationKind } from './backend/backend.js'
import { convkitError, describe, isRecord } from './errors.js'
import { parseFloatArray } from './options.js'
import type { FloatArray } from './problem.js'

/**
 * `f` of `f(sum + bias)`, applied to each output element while it is still in a register. Every activation maps NaN
 * to NaN.
 *
 * - `'linear'` x; `'relu'` max(x, 0); `'relu6'` min(max(x, 0), 6)
 * - `'sigmoid'` 1 / (1 + e⁻ˣ); `'tanh'`; `'silu'` x · sigmoid(x)
 * - `'hard-sigmoid'` min(max(x/6 + 1/2, 0), 1); `'hard-swish'` x · hard-sigmoid(x), as in PyTorch
 * - `leaky-relu` x < 0 ? slope · x : x; `elu` x < 0 ? alpha · (eˣ − 1) : x; `prelu` a slope per output channel
 * - `clip` min(max(x, min), max)
 */
export type Activation =
  'linear' | 'relu' | 'relu6' | 'sigmoid' | 'tanh' | 'silu' | 'hard-sigmoid' | 'hard-swish' | ScaledActivation

/** An activation with numbers of its own. */
export type ScaledActivation =
  | {
      /** x < 0 ? slope · x : x */
      readonly type: 'leaky-relu'
      /** Finite. */
      readonly slope: number
    }
  | {
      /** x < 0 ? alpha · (eˣ − 1) : x */
      readonly type: 'elu'
      /** Finite. */
      readonly alpha: number
    }
  | {
      /** A leaky-relu with a slope for each output channel. */
      readonly type: 'prelu'
      /** One per output channel, in the operands' dtype. */
      readonly slope: FloatArray
    }
  | {
      /** min(max(x, min), max) */
      readonly type: 'clip'
      /** ≤ max; −∞ is allowed. */
      readonly min: number
      /** ≥ min; ∞ is allowed. */
      readonly max: number
    }

/** An activation in the form that the backends take. */
export interface ParsedActivation {
  readonly kind: ActivationKind
  readonly a: number
  readonly b: number
  readonly slope: FloatArray | undefined
}

/** Every property is there: what is missing would be looked for on `Object.prototype`, which may be polluted. */
const parsed = (kind: ActivationKind, a = 0, b = 0, slope?: FloatArray): ParsedActivation => ({ kind, a, b, slope })

const LINEAR = parsed('linear')

const WORDS: Readonly<Record<string, ParsedActivation>> = {
  linear: LINEAR,
  relu: parsed('clip', 0, Infinity),
  relu6: parsed('clip', 0, 6),
  sigmoid: parsed('sigmoid'),
  tanh: parsed('tanh'),
  silu: parsed('silu'),
  'hard-sigmoid': parsed('hard-sigmoid'),
  'hard-swish': parsed('hard-swish'),
}

/** The parameters of each activation that is written as an object. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  'leaky-relu': ['slope'],
  elu: ['alpha'],
  prelu: ['slope'],
  clip: ['min', 'max'],
}

const EXPECTED = `${Object.keys(WORDS)
  .map((word) => `'${word}'`)
  .join(
    ' | ',
  )}, or { type: 'leaky-relu', slope } | { type: 'elu', alpha } | { type: 'prelu', slope } | { type: 'clip', min, max }`

function bad(kind: 'TypeError' | 'RangeError', where: string, key: string, expected: string, received: string): Error {
  return convkitError(kind, 'ERR_CONVKIT_OPTION', `${where}: ${key}: expected ${expected}, received ${received}`)
}

/** Checks the option `activation`; the length and dtype of a prelu slope are checked with the other operands. */
export function parseActivation(where: string, value: unknown): ParsedActivation {
  if (value === undefined) return LINEAR
  if (typeof value === 'string') {
    if (Object.hasOwn(WORDS, value)) return WORDS[value]
    throw bad('TypeError', where, 'activation', EXPECTED, describe(value) + hint(value))
  }
  if (!isRecord(value)) {
    throw bad('TypeError', where, 'activation', EXPECTED, describe(value))
  }
  const read = new Map<string, unknown>()
  for (const key of Object.keys(value)) read.set(key, value[key])
  const type = read.get('type')
  if (typeof type !== 'string' || !Object.hasOwn(PARAMETERS, type)) {
    throw bad('TypeError', where, 'activation.type', "'leaky-relu' | 'elu' | 'prelu' | 'clip'", describe(type))
  }
  const parameters = PARAMETERS[type]
  for (const [key, entry] of read) {
    if (key !== 'type' && entry !== undefined && !parameters.includes(key)) {
      throw bad(
        'TypeError',
        where,
        'activation',
        `type and ${parameters.join(', ')} alone for '${type}'`,
        `the key ${describe(key)}`,
      )
    }
  }
  if (type === 'prelu') {
    const expected = 'a Float32Array or Float64Array with one slope per output channel'
    return parsed('prelu', 0, 0, parseFloatArray(where, 'activation.slope', read.get('slope'), expected))
  }
  if (type === 'clip') {
    const min = parseNumber(where, 'activation.min', read.get('min'), false)
    const max = parseNumber(where, 'activation.max', read.get('max'), false)
    if (!(min <= max)) throw bad('RangeError', where, 'activation', 'min ≤ max', `min ${min}, max ${max}`)
    return parsed('clip', min, max)
  }
  const [name] = parameters as [string]
  return parsed(type as ActivationKind, parseNumber(where, `activation.${name}`, read.get(name), true))
}

function parseNumber(where: string, key: string, value: unknown, finite: boolean): number {
  const expected = finite ? 'a finite number' : 'a number'
  if (typeof value !== 'number') throw bad('TypeError', where, key, expected, describe(value))
  if (Number.isNaN(value) || (finite && !Number.isFinite(value)))
    throw bad('RangeError', where, key, expected, describe(value))
  return value
}

function hint(word: string): string {
  const squeezed = word
    .slice(0, 40)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
  if (squeezed === 'swish') return "; did you mean 'silu'?"
  if (squeezed === 'leakyrelu') return "; did you mean { type: 'leaky-relu', slope: 0.01 }?"
  const meant = [...Object.keys(WORDS), ...Object.keys(PARAMETERS)].find((name) => name.replace(/-/g, '') === squeezed)
  if (meant === undefined) return ''
  const parameters = PARAMETERS[meant]
  return parameters === undefined
    ? `; did you mean '${meant}'?`
    : `; did you mean { type: '${meant}', ${parameters.join(', ')} }?`
}
