/**
 * The options of one call, parsed: everything that the table of options in docs/api.md describes, except what needs
 * the operands' sizes.
 */

import { parseActivation, type ParsedActivation } from './activation.js'
import { ALGORITHMS } from './backend/algorithms.js'
import type { Epilogue } from './backend/backend.js'
import { convkitError, describe, isRecord, type AbortSignalLike } from './errors.js'
import type { GeometryOptions, OperatorKind } from './geometry.js'
import { checkData, dtypeOf, isDetached, lengthOf, readTensor } from './operand.js'
import {
  LAYOUTS,
  PADDING_MODES,
  parseBoolean,
  parseFloatArray,
  parseInteger,
  parsePadding,
  parsePerAxis,
  parseWord,
  readOptions,
  type OptionKey,
  type RawOptions,
} from './options.js'
import type { DType, FloatArray, Layout } from './problem.js'

export const BACKENDS: readonly BackendOption[] = ['auto', 'native', 'typescript']
/** Where a call runs: native code, the TypeScript reference, or `'auto'`: native code where there is some. */
export type BackendOption = 'auto' | 'native' | 'typescript'

const ALGORITHM_WORDS: readonly string[] = ['auto', ...ALGORITHMS]

/** An array with one entry per output channel: bias, or the slopes of a prelu. */
export interface ChannelVector {
  readonly name: string
  readonly data: FloatArray
  readonly dtype: DType
  /** Given as a tensor: the shape that it states. */
  readonly shape: readonly number[] | undefined
}

export interface CallOptions extends GeometryOptions {
  readonly bias?: ChannelVector | undefined
  readonly slope?: ChannelVector | undefined
  readonly activation: ParsedActivation
  readonly out?: FloatArray | undefined
  readonly backend: BackendOption | undefined
  readonly algorithm: string
  readonly signal?: AbortSignalLike | undefined
}

/** Options of the geometry, for forward and gradients alike. */
const CONV_KEYS: readonly OptionKey[] = [
  'stride',
  'dilation',
  'padding',
  'paddingMode',
  'groups',
  'flipKernel',
  'layout',
  'weightLayout',
]
const TRANSPOSE_KEYS: readonly OptionKey[] = [
  'stride',
  'dilation',
  'padding',
  'outputPadding',
  'outputShape',
  'groups',
  'flipKernel',
  'layout',
  'weightLayout',
]
const FORWARD_KEYS: readonly OptionKey[] = ['bias', 'activation']
const EXECUTION_KEYS: readonly OptionKey[] = ['backend', 'algorithm']

/** The keys that apply to a function of one operator. */
export function allowedKeys(kind: OperatorKind, forward: boolean, ...more: readonly OptionKey[]): readonly OptionKey[] {
  return [
    ...(kind.transposed ? TRANSPOSE_KEYS : CONV_KEYS),
    ...(forward ? FORWARD_KEYS : []),
    ...EXECUTION_KEYS,
    ...more,
  ]
}

/** Reads and parses the options of one call. Runs the caller's getters, each once. */
export function readCall(
  where: string,
  kind: OperatorKind,
  options: unknown,
  allowed: readonly OptionKey[],
): CallOptions {
  return parseCall(where, kind, readOptions(where, options, allowed))
}

export function parseCall(where: string, kind: OperatorKind, raw: RawOptions): CallOptions {
  const perAxis = (key: OptionKey, min: number, otherwise: number): number[] =>
    parsePerAxis(where, key, raw.get(key) ?? otherwise, kind.rank, min)
  const layout = parseLayout(where, raw)
  const stride = perAxis('stride', 1, 1)
  const dilation = perAxis('dilation', 1, 1)
  const padding = parsePadding(where, raw.get('padding') ?? 0, kind.rank, kind.transposed)
  const activation = parseActivation(where, raw.get('activation'))
  return {
    stride,
    dilation,
    padding,
    paddingMode: parseWord(where, 'paddingMode', raw.get('paddingMode') ?? 'zeros', PADDING_MODES),
    ...parseOutputSize(where, kind, raw, stride, dilation, typeof padding === 'string' && padding.startsWith('same')),
    groups: parseInteger(where, 'groups', raw.get('groups') ?? 1, 1),
    flipKernel: parseBoolean(where, 'flipKernel', raw.get('flipKernel') ?? false),
    layout,
    weightLayout: parseWord(where, 'weightLayout', raw.get('weightLayout') ?? layout, LAYOUTS),
    weightLayoutGiven: raw.has('weightLayout'),
    bias: parseBias(where, raw.get('bias')),
    activation,
    slope: activation.slope && channelVector('activation.slope', activation.slope),
    ...parseExecution(where, raw),
  }
}

/** The keys that say where a call runs and where its result goes. */
export function parseExecution(
  where: string,
  raw: RawOptions,
): Pick<CallOptions, 'out' | 'backend' | 'algorithm' | 'signal'> {
  const backend = raw.get('backend')
  return {
    out: parseOut(where, raw),
    backend: backend === undefined ? undefined : parseWord(where, 'backend', backend, BACKENDS),
    algorithm: parseWord(where, 'algorithm', raw.get('algorithm') ?? 'auto', ALGORITHM_WORDS),
    signal: parseSignal(where, raw),
  }
}

export function parseOut(where: string, raw: RawOptions): FloatArray | undefined {
  const out = raw.get('out')
  return out === undefined ? undefined : parseFloatArray(where, 'out', out)
}

export function parseLayout(where: string, raw: RawOptions): Layout {
  return parseWord(where, 'layout', raw.get('layout') ?? 'channels-first', LAYOUTS)
}

/** outputPadding and outputShape: at most one of them, and no outputPadding with 'same'. */
function parseOutputSize(
  where: string,
  { rank }: OperatorKind,
  raw: RawOptions,
  stride: readonly number[],
  dilation: readonly number[],
  same: boolean,
): Pick<GeometryOptions, 'outputPadding' | 'outputShape'> {
  const refuse = (expected: string): Error =>
    convkitError('TypeError', 'ERR_CONVKIT_OPTION', `${where}: outputPadding: expected ${expected}, received both`)
  if (raw.has('outputPadding')) {
    if (raw.has('outputShape')) throw refuse('either outputPadding or outputShape')
    if (same)
      throw refuse("no outputPadding together with padding 'same' or 'same-lower' (outputShape chooses the size there)")
  }
  const outputPadding = raw.has('outputPadding')
    ? parsePerAxis(where, 'outputPadding', raw.get('outputPadding'), rank, 0)
    : undefined
  outputPadding?.forEach((value, axis) => {
    const limit = Math.max(stride[axis], dilation[axis])
    if (value >= limit) {
      throw convkitError(
        'RangeError',
        'ERR_CONVKIT_OPTION',
        `${where}: outputPadding[${axis}]: expected less than max(stride ${stride[axis]}, dilation ${dilation[axis]}), received ${value}`,
      )
    }
  })
  const outputShape = raw.has('outputShape')
    ? parsePerAxis(where, 'outputShape', raw.get('outputShape'), rank, 1)
    : undefined
  return { outputPadding, outputShape }
}

function channelVector(name: string, data: FloatArray): ChannelVector {
  return { name, data, dtype: dtypeOf(data) as DType, shape: undefined }
}

function parseBias(where: string, value: unknown): ChannelVector | undefined {
  if (value === undefined) return undefined
  if (isRecord(value) && !ArrayBuffer.isView(value)) return readTensor(where, 'bias', value)
  return channelVector(
    'bias',
    parseFloatArray(where, 'bias', value, 'a Float32Array, a Float64Array or a tensor of rank 1'),
  )
}

export function parseSignal(where: string, raw: RawOptions): AbortSignalLike | undefined {
  const value = raw.get('signal')
  if (value === undefined) return undefined
  if (isRecord(value)) {
    const { aborted, addEventListener, removeEventListener } = value
    if (
      typeof aborted === 'boolean' &&
      typeof addEventListener === 'function' &&
      typeof removeEventListener === 'function'
    ) {
      return value as unknown as AbortSignalLike
    }
  }
  throw convkitError(
    'TypeError',
    'ERR_CONVKIT_OPTION',
    `${where}: signal: expected an AbortSignal, received ${describe(value)}`,
  )
}

/** Throws unless the vector has one entry per output channel. Runs no code of the caller. */
export function checkChannelVector(where: string, vector: ChannelVector | undefined, channels: number): void {
  if (vector === undefined) return
  const { name, data, shape } = vector
  if (shape !== undefined && (shape.length !== 1 || shape[0] !== channels)) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_SHAPE',
      `${where}: ${name}: expected shape [${channels}] (one per output channel), received shape [${shape.join(', ')}]`,
    )
  }
  if (shape === undefined && lengthOf(data) !== channels && !isDetached(data)) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_SHAPE',
      `${where}: ${name}: expected ${channels} elements (one per output channel), received ${lengthOf(data)}`,
    )
  }
  checkData(where, name, data, channels, 'one per output channel')
}

/** Bias and activation in the form of the backends. */
export function epilogueOf({ bias, activation }: CallOptions): Epilogue {
  return { bias: bias?.data, activation: activation.kind, a: activation.a, b: activation.b, slope: activation.slope }
}
