/**
 * Options, read once. {@link readOptions} takes a snapshot of the caller's object (own enumerable keys, each read one
 * time) and refuses keys that are unknown or not for this function; the `parse…` functions below turn single values
 * into checked, plain data. A key whose value is `undefined` counts as absent; `null` is an error everywhere.
 */

import { arrayLength, convkitError, describe, isArray, isRecord, list, typedArrayName } from './errors.js'
import { readFirst } from './operand.js'
import type { FloatArray, Layout, PaddingMode } from './problem.js'

/** What {@link readOptions} returns: nothing of the caller's object but the values. */
export type RawOptions = ReadonlyMap<OptionKey, unknown>

// prettier-ignore
const ALL_KEYS = [
  'stride', 'dilation', 'padding', 'paddingMode', 'outputPadding', 'outputShape', 'groups', 'bias', 'activation',
  'flipKernel', 'layout', 'weightLayout', 'out', 'backend', 'algorithm', 'signal', 'dtype', 'pass',
] as const
export type OptionKey = (typeof ALL_KEYS)[number]

/** Other systems' names, squeezed to lower-case letters, for a hint. */
// prettier-ignore
const ALIASES: Readonly<Record<string, OptionKey>> = {
  dilationrate: 'dilation', dilations: 'dilation', strides: 'stride', pads: 'padding', pad: 'padding', paddings: 'padding', autopad: 'padding',
  bordermode: 'padding', subsample: 'stride', filterdilation: 'dilation', filterflip: 'flipKernel', flip: 'flipKernel', group: 'groups',
  numgroups: 'groups', featuregroupcount: 'groups', dataformat: 'layout', format: 'layout', biases: 'bias', act: 'activation',
  activations: 'activation', output: 'out', outputsize: 'outputShape', isa: 'backend', outputpaddings: 'outputPadding', adj: 'outputPadding',
}

/** Longer texts are no other system's words. */
const LONGEST_WORD = 40

function bad(kind: 'TypeError' | 'RangeError', where: string, key: string, expected: string, received: string): Error {
  return convkitError(kind, 'ERR_CONVKIT_OPTION', `${where}: ${key}: expected ${expected}, received ${received}`)
}

/**
 * Takes the snapshot.
 * @param allowed - the keys that apply to this function
 * @throws TypeError `ERR_CONVKIT_OPTION` for anything but an object, and for keys not allowed
 */
export function readOptions(where: string, options: unknown, allowed: readonly OptionKey[]): RawOptions {
  const read = new Map<OptionKey, unknown>()
  if (options === undefined) return read
  for (const key of ownKeys(where, options)) {
    const value = readOption(where, options, key, allowed)
    if (value !== undefined) read.set(key as OptionKey, value)
  }
  return read
}

/** The same for functions that take `out` alone: the value of that key. */
export function readOut(where: string, options: unknown): unknown {
  let out: unknown
  if (options === undefined) return out
  for (const key of ownKeys(where, options)) out = readOption(where, options, key, ONLY_OUT) ?? out
  return out
}

const ONLY_OUT: readonly OptionKey[] = ['out']

function ownKeys(where: string, options: unknown): string[] {
  if (!isRecord(options)) throw bad('TypeError', where, 'options', 'an object', describe(options))
  return Object.keys(options)
}

/** Reads one key, which must be allowed unless its value is undefined. */
function readOption(where: string, options: unknown, key: string, allowed: readonly OptionKey[]): unknown {
  const value = (options as Record<string, unknown>)[key]
  if (value === undefined) return undefined
  if (!(allowed as readonly string[]).includes(key)) throw unknownKey(where, key, allowed)
  if (value === null) throw bad('TypeError', where, key, 'a value or undefined', 'null')
  return value
}

function unknownKey(where: string, key: string, allowed: readonly OptionKey[]): Error {
  if ((ALL_KEYS as readonly string[]).includes(key)) {
    return convkitError(
      'TypeError',
      'ERR_CONVKIT_OPTION',
      `${where}: option '${key}' does not apply here (expected one of: ${allowed.join(', ')})`,
    )
  }
  const squeezed = key
    .slice(0, LONGEST_WORD)
    .toLowerCase()
    .replace(/[^a-z]/g, '')
  const meant = ALIASES[squeezed] ?? ALL_KEYS.find((name) => name.toLowerCase() === squeezed)
  const hint = meant !== undefined && allowed.includes(meant) ? `; did you mean '${meant}'?` : ''
  return convkitError(
    'TypeError',
    'ERR_CONVKIT_OPTION',
    `${where}: unknown option ${describe(key)} (expected one of: ${allowed.join(', ')})${hint}`,
  )
}

/** A safe integer ≥ min; −0 counts as 0. `key` may name an entry, such as `stride[1]`. */
export function parseInteger(where: string, key: string, value: unknown, min: number): number {
  if (typeof value !== 'number') throw bad('TypeError', where, key, `an integer ≥ ${min}`, describe(value))
  if (!Number.isSafeInteger(value) || value < min)
    throw bad('RangeError', where, key, `an integer ≥ ${min}`, describe(value))
  return value + 0
}

/** Copies a plain array of exactly `rank` entries, reading its length and each entry once. */
export function readEntries(where: string, key: string, value: unknown, rank: number, what: string): unknown[] {
  if (!isArray(value)) throw bad('TypeError', where, key, what, describe(value))
  const length = arrayLength(value)
  const entries = length >= 0 && length <= 8 ? readFirst(value, Math.floor(length)) : []
  if (length !== rank) {
    const shown = length <= 8 ? list(entries) : `${length} entries`
    throw bad(
      'RangeError',
      where,
      key,
      `${what}, one entry per spatial axis (${rank})`,
      shown + slip(key, entries, rank),
    )
  }
  return entries
}

/** The common mistakes behind an array of the wrong length. */
function slip(key: string, entries: readonly unknown[], rank: number): string {
  const { length } = entries
  if (key === 'padding' && length === 2 * rank) {
    const pairs = entries.slice(0, rank).map((begin, axis) => `[${describe(begin)}, ${describe(entries[rank + axis])}]`)
    return `; ONNX's flat pads are written as pairs [begin, end]: [${pairs.join(', ')}]`
  }
  const spatialOnly = '; outputShape takes the spatial sizes alone, without'
  if (key === 'outputShape' && length === rank + 2) return `${spatialOnly} batch and channels`
  if (key === 'outputShape' && length === rank + 1) return `${spatialOnly} channels`
  return length === rank + 2 ? '; batch and channels have no entry' : ''
}

/** A number for all axes, or an array with one per axis. */
export function parsePerAxis(where: string, key: string, value: unknown, rank: number, min: number): number[] {
  if (!isArray(value)) {
    if (typeof value !== 'number')
      throw bad('TypeError', where, key, `an integer ≥ ${min} or an array of ${rank}`, describe(value))
    return new Array<number>(rank).fill(parseInteger(where, key, value, min))
  }
  const entries = readEntries(where, key, value, rank, `integers ≥ ${min}`)
  return entries.map((entry, axis) => parseInteger(where, `${key}[${axis}]`, entry, min))
}

/** Ways in which other systems write the values of a word option. */
// prettier-ignore
const WORDS: Readonly<Record<string, string>> = {
  nchw: 'channels-first', ncw: 'channels-first', ncdhw: 'channels-first', nhwc: 'channels-last', nwc: 'channels-last', ndhwc: 'channels-last',
  hwio: 'channels-last', oihw: 'channels-first', channelsfirst: 'channels-first', channelslast: 'channels-last', sameupper: 'same', samelower: 'same-lower',
  constant: 'zeros', zero: 'zeros', edge: 'replicate', wrap: 'circular', border: 'replicate', swish: 'silu', hardswish: 'hard-swish', hardsigmoid: 'hard-sigmoid',
  js: 'typescript', cpu: 'native', none: 'linear', identity: 'linear', float: 'float32', double: 'float64', f32: 'float32', f64: 'float64', notset: 'valid',
}

/** One string of a list. The hint covers other spellings and other systems' words. */
export function parseWord<W extends string>(
  where: string,
  key: string,
  value: unknown,
  words: readonly W[],
  also = '',
): W {
  if (typeof value === 'string') {
    if ((words as readonly string[]).includes(value)) return value as W
    const squeezed = value
      .slice(0, LONGEST_WORD)
      .toLowerCase()
      .replace(/[^a-z0-9]/g, '')
    const meant = words.find((word) => word.replace(/[^a-z0-9]/g, '') === squeezed || word === WORDS[squeezed])
    const hint = meant === undefined ? '' : `; did you mean '${meant}'?`
    throw bad('TypeError', where, key, oneOf(words) + also, describe(value) + hint)
  }
  throw bad('TypeError', where, key, oneOf(words) + also, describe(value))
}

function oneOf(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(' | ')
}

export function parseBoolean(where: string, key: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw bad('TypeError', where, key, 'true or false', describe(value))
  return value
}

export const LAYOUTS: readonly Layout[] = ['channels-first', 'channels-last']
export const PADDING_MODES: readonly PaddingMode[] = ['zeros', 'reflect', 'replicate', 'circular']

/** Paddings that are given by a word; 'causal' is for conv alone. */
export type PaddingWord = 'valid' | 'same' | 'same-lower' | 'full' | 'half' | 'causal'
const CONV_PADDING_WORDS: readonly PaddingWord[] = ['valid', 'same', 'same-lower', 'full', 'half', 'causal']
const TRANSPOSE_PADDING_WORDS = CONV_PADDING_WORDS.filter((word) => word !== 'causal')

/** A padding as the caller asked for it; geometry.ts turns words into numbers. */
export type Padding = PaddingWord | { readonly begin: readonly number[]; readonly end: readonly number[] }

export function parsePadding(where: string, value: unknown, rank: number, transposed: boolean): Padding {
  if (typeof value === 'string') {
    if (transposed && value === 'causal')
      throw bad(
        'TypeError',
        where,
        'padding',
        `${oneOf(TRANSPOSE_PADDING_WORDS)}, numbers or pairs`,
        "'causal', which is for conv alone",
      )
    return parseWord(
      where,
      'padding',
      value,
      transposed ? TRANSPOSE_PADDING_WORDS : CONV_PADDING_WORDS,
      ', numbers or pairs',
    )
  }
  if (!isArray(value)) {
    if (typeof value !== 'number')
      throw bad(
        'TypeError',
        where,
        'padding',
        'an integer ≥ 0, an array of integers or of pairs [begin, end], or a word',
        describe(value),
      )
    const both = parsePerAxis(where, 'padding', value, rank, 0)
    return { begin: both, end: both }
  }
  const entries = readEntries(where, 'padding', value, rank, 'integers ≥ 0 or pairs [begin, end]')
  const pairs = entries.filter((entry) => isArray(entry)).length
  if (pairs > 0 && pairs < rank) {
    throw bad('TypeError', where, 'padding', 'either numbers or pairs [begin, end], not both', list(entries))
  }
  if (pairs === 0) {
    const both = entries.map((entry, axis) => parseInteger(where, `padding[${axis}]`, entry, 0))
    return { begin: both, end: both }
  }
  const sides = entries.map((entry, axis) => readPair(where, `padding[${axis}]`, entry as unknown[]))
  return { begin: sides.map(([begin]) => begin), end: sides.map(([, end]) => end) }
}

function readPair(where: string, key: string, pair: unknown[]): [number, number] {
  const length = arrayLength(pair)
  if (length !== 2) throw bad('RangeError', where, key, 'a pair [begin, end]', `${length} entries`)
  const [begin, end] = [pair[0], pair[1]]
  return [parseInteger(where, `${key}[0]`, begin, 0), parseInteger(where, `${key}[1]`, end, 0)]
}

/** An option that must be a Float32Array or Float64Array. */
export function parseFloatArray(
  where: string,
  key: string,
  value: unknown,
  expected = 'a Float32Array or Float64Array',
): FloatArray {
  const name = typedArrayName(value)
  if (name === 'Float32Array' || name === 'Float64Array') return value as FloatArray
  const code = name === undefined ? 'ERR_CONVKIT_OPTION' : 'ERR_CONVKIT_DTYPE'
  throw convkitError('TypeError', code, `${where}: ${key}: expected ${expected}, received ${describe(value)}`)
}
