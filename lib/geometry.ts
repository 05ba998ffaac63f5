/**
 * The arithmetic of sizes: the one place where output sizes are computed. It turns shapes and options into a
 * {@link ConvProblem}, which holds the sizes of both sides, so that nothing behind it knows padding words, output
 * padding or an explicit output shape.
 *
 * Per axis, with eff = dilation·(kernel − 1) + 1 (Dumoulin & Visin, "A guide to convolution arithmetic", relationships
 * 6, 14 and 15, with output padding as in PyTorch):
 *
 *     conv           features = ⌊(image + begin + end − eff) / stride⌋ + 1
 *     convTranspose  image    = (features − 1)·stride − begin − end + eff + outputPadding
 *
 * Numbers are JavaScript doubles holding exact integers; a sum or product beyond 2⁵³ − 1 is refused, never rounded.
 */

import { convkitError, list } from './errors.js'
import { elementCount } from './operand.js'
import type { Padding, PaddingWord } from './options.js'
import type { ConvProblem, DType, Layout, PaddingMode } from './problem.js'

/** The options that decide sizes and meaning; parsed, with defaults filled in. */
export interface GeometryOptions {
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly padding: Padding
  readonly paddingMode: PaddingMode
  readonly outputPadding?: readonly number[] | undefined
  readonly outputShape?: readonly number[] | undefined
  readonly groups: number
  readonly flipKernel: boolean
  readonly layout: Layout
  readonly weightLayout: Layout
  /** Whether the caller named `weightLayout`; if not, it follows `layout`, which the caller may not have meant. */
  readonly weightLayoutGiven: boolean
}

/** Which operator a call belongs to. */
export interface OperatorKind {
  readonly transposed: boolean
  /** Spatial rank, 1 to 3. */
  readonly rank: number
}

/** One call's sizes, resolved. */
export interface Geometry {
  readonly problem: ConvProblem
  /** Full shape of the operator's result, unbatched where the input is. */
  readonly outputShape: number[]
  readonly outputChannels: number
}

interface Sides {
  readonly batched: boolean
  readonly batch: number
  readonly channels: number
  readonly spatial: readonly number[]
}

function shapeError(message: string): Error {
  return convkitError('RangeError', 'ERR_CONVKIT_SHAPE', message)
}

/** Splits `[N, C, ...spatial]` or `[N, ...spatial, C]`, batch optional, after checking rank and extents. */
export function splitShape(where: string, name: string, shape: readonly number[], rank: number, layout: Layout): Sides {
  const axes = axisNames(rank, layout)
  if (shape.length !== rank + 2 && shape.length !== rank + 1) {
    throw shapeError(
      `${where}: ${name}: expected rank ${rank + 2} [N, ${axes}] or, unbatched, rank ${rank + 1} [${axes}], received shape ${list(shape)}`,
    )
  }
  const batched = shape.length === rank + 2
  const inner = batched ? shape.slice(1) : shape
  if (inner.some((extent) => extent < 1)) {
    throw shapeError(`${where}: ${name}: expected every extent but the batch to be ≥ 1, received shape ${list(shape)}`)
  }
  elementCount(where, name, shape)
  const channels = layout === 'channels-first' ? inner[0] : inner[rank]
  const spatial = layout === 'channels-first' ? inner.slice(1) : inner.slice(0, rank)
  return { batched, batch: batched ? shape[0] : 1, channels, spatial }
}

/** The inverse of {@link splitShape}. */
export function joinShape(sides: Sides, layout: Layout): number[] {
  const inner = layout === 'channels-first' ? [sides.channels, ...sides.spatial] : [...sides.spatial, sides.channels]
  return sides.batched ? [sides.batch, ...inner] : inner
}

function axisNames(rank: number, layout: Layout): string {
  const spatial = ['D', 'H', 'W'].slice(3 - rank).join(', ')
  return layout === 'channels-first' ? `C, ${spatial}` : `${spatial}, C`
}

interface WeightSides {
  /** Channels of the feature side, all groups together. */
  readonly features: number
  /** Channels of the image side of one group. */
  readonly image: number
  readonly kernel: readonly number[]
}

/**
 * The spatial axes of an operand whose rank alone says them: 1, 2 or 3.
 * @param axes - which axes the rank counts, where that may be unclear
 */
export function spatialRank(where: string, name: string, shape: readonly number[], axes = ''): number {
  if (shape.length >= 3 && shape.length <= 5) return shape.length - 2
  throw shapeError(`${where}: ${name}: expected rank 3 to 5${axes}, received shape ${list(shape)}`)
}

/** Splits the weight of the direct convolution: the same memory for conv and convTranspose. */
export function splitWeight(
  where: string,
  shape: readonly number[],
  { rank, transposed }: OperatorKind,
  layout: Layout,
  name = 'weight',
): WeightSides {
  const [feature, image] = transposed ? ['Cin', 'Cout/groups'] : ['Cout', 'Cin/groups']
  if (shape.length !== rank + 2) {
    const form = layout === 'channels-first' ? `[${feature}, ${image}, ...k]` : `[...k, ${image}, ${feature}]`
    throw shapeError(`${where}: ${name}: expected rank ${rank + 2} ${form}, received shape ${list(shape)}`)
  }
  if (shape.some((extent) => extent < 1)) {
    throw shapeError(`${where}: ${name}: expected every extent to be ≥ 1, received shape ${list(shape)}`)
  }
  elementCount(where, name, shape)
  return weightSides(shape, layout)
}

function weightSides(shape: readonly number[], layout: Layout): WeightSides {
  const rank = shape.length - 2
  return layout === 'channels-first'
    ? { features: shape[0], image: shape[1], kernel: shape.slice(2) }
    : { features: shape[rank + 1], image: shape[rank], kernel: shape.slice(0, rank) }
}

/** The inverse of {@link splitWeight}. */
export function joinWeight(sides: WeightSides, layout: Layout): number[] {
  return layout === 'channels-first'
    ? [sides.features, sides.image, ...sides.kernel]
    : [...sides.kernel, sides.image, sides.features]
}

/**
 * What is most often meant where the channels of input and weight disagree: an input in the other layout, or a
 * transposed convolution with the channels of its weight the other way round.
 */
function channelSlip(
  kind: OperatorKind,
  input: Sides,
  weight: WeightSides,
  { groups, layout }: GeometryOptions,
): string {
  const channels = kind.transposed ? weight.features : weight.image * groups
  const [other, extent] =
    layout === 'channels-first'
      ? (['channels-last', input.spatial.at(-1)] as const)
      : (['channels-first', input.spatial[0]] as const)
  if (extent === channels) return `; an input in the other order of axes wants layout: '${other}'`
  if (kind.transposed && weight.image * groups === input.channels)
    return '; a transposed convolution takes the weight of the convolution that it transposes: [Cin, Cout/groups, ...k], channels-last [...k, Cout/groups, Cin]'
  return ''
}

/**
 * The hint for weights that are not in the order of axes which follows from `layout`, where the caller named no other.
 * Most shapes fit either order as far as channels go, so what decides is that kernels have fewer taps than
 * layers have channels: read in the right order, the kernel is the smaller one.
 * @param inputChannels - undefined where no input is known yet
 */
export function weightLayoutSlip(
  kind: OperatorKind,
  inputChannels: number | undefined,
  weight: WeightSides,
  { groups, weightLayout, weightLayoutGiven }: GeometryOptions,
): string {
  if (weightLayoutGiven) return ''
  const other = weightLayout === 'channels-first' ? 'channels-last' : 'channels-first'
  const turned = weightSides(joinWeight(weight, weightLayout), other)
  const channels = kind.transposed ? turned.features : turned.image * groups
  const fits = turned.features % groups === 0 && (inputChannels === undefined || inputChannels === channels)
  if (!fits || taps(turned) >= taps(weight)) return ''
  return `; weights in the other order of axes want weightLayout: '${other}'`
}

const taps = ({ kernel }: WeightSides): number => kernel.reduce((product, extent) => product * extent, 1)

/** Checks channels against groups and input, and tells both channel counts of the problem. */
function checkChannels(where: string, kind: OperatorKind, input: Sides, weight: WeightSides, options: GeometryOptions) {
  const { groups, weightLayout } = options
  const inputChannels = input.channels
  const shape = joinWeight(weight, weightLayout)
  const layoutSlip = (): string => weightLayoutSlip(kind, inputChannels, weight, options)
  const slips = (): string => channelSlip(kind, input, weight, options) + layoutSlip()
  if (inputChannels % groups !== 0) {
    throw shapeError(
      `${where}: groups: expected a divisor of the ${plural(inputChannels, 'input channel')}, received ${groups}`,
    )
  }
  if (kind.transposed) {
    if (weight.features !== inputChannels) {
      const expected = joinWeight({ ...weight, features: inputChannels }, weightLayout)
      throw shapeError(
        `${where}: weight has ${plural(weight.features, 'input channel')}, but input has ${plural(inputChannels, 'channel')} (expected weight shape ${list(expected)}, received ${list(shape)})${slips()}`,
      )
    }
    if (!Number.isSafeInteger(weight.image * groups))
      throw shapeError(`${where}: weight: ${weight.image} output channels in each of ${groups} groups are too many`)
    return { imageChannels: weight.image * groups, featureChannels: inputChannels }
  }
  if (weight.image !== inputChannels / groups) {
    const expected = joinWeight({ ...weight, image: inputChannels / groups }, weightLayout)
    throw shapeError(
      `${where}: weight has ${plural(weight.image, 'input channel')} per group, but input has ${plural(inputChannels, 'channel')} in ${plural(groups, 'group')} (expected weight shape ${list(expected)}, received ${list(shape)})${slips()}`,
    )
  }
  if (weight.features % groups !== 0) {
    throw shapeError(
      `${where}: groups: expected a divisor of the ${plural(weight.features, 'output channel')} of weight ${list(shape)}, received ${groups}${layoutSlip()}`,
    )
  }
  return { imageChannels: inputChannels, featureChannels: weight.features }
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Refuses what is no exact integer any more. */
function exact(where: string, value: number): number {
  if (Number.isSafeInteger(value)) return value
  throw shapeError(`${where}: stride, dilation, padding and extents give a size beyond 2^53 - 1`)
}

/** eff = dilation·(kernel − 1) + 1: the extent that a dilated kernel covers. */
export function effectiveKernel(where: string, kernel: number, dilation: number): number {
  return exact(where, exact(where, dilation * (kernel - 1)) + 1)
}

/** A total padding split over both sides; the odd unit goes to the end, for `'same-lower'` to the beginning. */
function split(total: number, word: PaddingWord): [number, number] {
  const small = Math.floor(total / 2)
  return word === 'same-lower' ? [total - small, small] : [small, total - small]
}

/** Padding of one axis that depends on the kernel alone. */
function fixedPadding(padding: Padding, axis: number, eff: number): [number, number] {
  if (typeof padding === 'object') return [padding.begin[axis], padding.end[axis]]
  if (padding === 'full') return [eff - 1, eff - 1]
  if (padding === 'half') return [Math.floor(eff / 2), Math.floor(eff / 2)]
  if (padding === 'causal') return [eff - 1, 0]
  return [0, 0] // 'valid'; 'same' and 'same-lower' never come here
}

const isSame = (padding: Padding): padding is 'same' | 'same-lower' => padding === 'same' || padding === 'same-lower'

/** ⌈a / b⌉ and ⌊a / b⌋ without the rounding of a floating-point quotient. */
export const ceilDivide = (a: number, b: number): number => (a - (a % b)) / b + (a % b > 0 ? 1 : 0)
export const floorDivide = (a: number, b: number): number => (a - (a % b)) / b

/** One axis of conv: input extent → padding and output extent. Also used by im2col and col2im. */
export function convAxis(
  where: string,
  axis: number,
  input: number,
  kernel: number,
  options: Pick<GeometryOptions, 'stride' | 'dilation' | 'padding'>,
) {
  const { padding } = options
  const stride = options.stride[axis]
  const eff = effectiveKernel(where, kernel, options.dilation[axis])
  if (isSame(padding)) {
    const output = ceilDivide(input, stride)
    const total = Math.max(0, exact(where, exact(where, exact(where, (output - 1) * stride) + eff) - input))
    const [begin, end] = split(total, padding)
    return { begin, end, output }
  }
  const [begin, end] = fixedPadding(padding, axis, eff)
  const span = exact(where, exact(where, input + begin) + end) - eff
  if (span < 0) {
    throw shapeError(
      `${where}: spatial axis ${axis}: the kernel covers ${eff} (kernel ${kernel}, dilation ${options.dilation[axis]}), more than the padded input of ${input} + ${begin} + ${end}`,
    )
  }
  return { begin, end, output: floorDivide(span, stride) + 1 }
}

/** One axis of convTranspose: input extent → crop and output extent. */
function transposeAxis(where: string, axis: number, input: number, kernel: number, options: GeometryOptions) {
  const { padding } = options
  const [stride, dilation] = [options.stride[axis], options.dilation[axis]]
  const wanted = options.outputShape?.[axis]
  const eff = effectiveKernel(where, kernel, dilation)
  const full = exact(where, exact(where, (input - 1) * stride) + eff)
  if (isSame(padding)) {
    const output = wanted ?? exact(where, input * stride)
    if (ceilDivide(output, stride) !== input) {
      throw shapeError(
        `${where}: outputShape[${axis}]: expected a size whose '${padding}' convolution with stride ${stride} gives the input's ${input} (${(input - 1) * stride + 1} to ${input * stride}), received ${output}`,
      )
    }
    const [begin, end] = split(Math.max(0, full - output), padding)
    return { begin, end, output }
  }
  const [begin, end] = fixedPadding(padding, axis, eff)
  const base = exact(where, full - exact(where, begin + end))
  const extra = wanted === undefined ? (options.outputPadding?.[axis] ?? 0) : wanted - base
  const limit = Math.max(stride, dilation)
  if (extra < 0 || extra >= limit) {
    throw shapeError(
      `${where}: outputShape[${axis}]: expected ${base} to ${base + limit - 1} (from input ${input}, kernel ${kernel}, stride ${stride}, padding ${begin} and ${end}), received ${base + extra}`,
    )
  }
  return { begin, end, output: exact(where, base + extra) }
}

function checkPaddingMode(
  where: string,
  mode: PaddingMode,
  axis: number,
  image: number,
  begin: number,
  end: number,
): void {
  const limit = mode === 'reflect' ? image - 1 : mode === 'circular' ? image : Infinity
  if (begin > limit || end > limit) {
    throw shapeError(
      `${where}: padding: '${mode}' allows at most ${limit} on either side of extent ${image} (spatial axis ${axis}), received ${begin} and ${end}`,
    )
  }
}

/**
 * Resolves one call.
 * @param inputShape - full shape of the operator's input, in `layout`
 * @param weightShape - full shape of its weight, in `weightLayout`
 * @param names - what the caller's arguments are called, where not `input` and `weight`
 * @throws RangeError `ERR_CONVKIT_SHAPE`, `ERR_CONVKIT_MEMORY`
 */
export function resolveGeometry(
  where: string,
  kind: OperatorKind,
  inputShape: readonly number[],
  weightShape: readonly number[],
  options: GeometryOptions,
  dtype: DType,
  names: { readonly input?: string; readonly weight?: string } = {},
): Geometry {
  const { rank, transposed } = kind
  const input = splitShape(where, names.input ?? 'input', inputShape, rank, options.layout)
  const weight = splitWeight(where, weightShape, kind, options.weightLayout, names.weight)
  const channels = checkChannels(where, kind, input, weight, options)
  const axes = input.spatial.map((extent, axis) =>
    (transposed ? transposeAxis : convAxis)(where, axis, extent, weight.kernel[axis], options),
  )
  const spatial = axes.map(({ output }) => output)
  axes.forEach(({ begin, end, output }, axis) => {
    if (output < 1) {
      throw shapeError(
        `${where}: spatial axis ${axis}: the output would have extent ${output} (input ${input.spatial[axis]}, kernel ${weight.kernel[axis]}, stride ${options.stride[axis]}, padding ${begin} and ${end})`,
      )
    }
    if (options.paddingMode !== 'zeros')
      checkPaddingMode(where, options.paddingMode, axis, input.spatial[axis], begin, end)
  })
  const outputChannels = transposed ? channels.imageChannels : channels.featureChannels
  const outputShape = joinShape({ ...input, channels: outputChannels, spatial }, options.layout)
  elementCount(where, 'the output', outputShape)
  const problem: ConvProblem = {
    dtype,
    batch: input.batch,
    groups: options.groups,
    ...channels,
    image: transposed ? spatial : input.spatial,
    kernel: weight.kernel,
    features: transposed ? input.spatial : spatial,
    stride: options.stride,
    dilation: options.dilation,
    padBegin: axes.map(({ begin }) => begin),
    paddingMode: options.paddingMode,
    flipKernel: options.flipKernel,
    layout: options.layout,
    weightLayout: options.weightLayout,
  }
  return { problem, outputShape, outputChannels }
}

/** 2 × all multiply-adds of the direct sum, taps in the padding counted. */
export function countFlops(problem: ConvProblem): number {
  const product = (extents: readonly number[]): number => extents.reduce((a, b) => a * b, 1)
  const perFeature = (problem.imageChannels / problem.groups) * product(problem.kernel)
  return 2 * problem.batch * problem.featureChannels * product(problem.features) * perFeature
}
