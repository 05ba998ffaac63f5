import { parseLayout } from '../call.js'
import { arrayLength, convkitError, isArray, list } from '../errors.js'
import { convAxis, effectiveKernel, joinWeight, spatialRank, splitWeight, type OperatorKind } from '../geometry.js'
import { allocate, checkData, elementCount, readTensor, type TensorLike } from '../operand.js'
import {
  LAYOUTS,
  parseBoolean,
  parseInteger,
  parsePadding,
  parsePerAxis,
  parseWord,
  readOptions,
  type OptionKey,
  type PaddingWord,
} from '../options.js'
import type { DType, Layout } from '../problem.js'
import { Tensor } from '../tensor.js'
import type { ConvTransposeOptions, PaddingOption, PerAxis } from '../types.js'

/** A convTranspose layer: `convTranspose2d(input, weight, options)`. */
export interface TransposeLayer {
  /** In the weight layout that `options` state. */
  readonly weight: Tensor
  /** Stride, padding, groups and layouts of the layer. */
  readonly options: ConvTransposeOptions
}

/** Options of the stride-1 convolution that follows the upsampling. */
export interface UpsampleOptions {
  /** Default `'same'`; at most eff − 1 on either side. */
  readonly padding?: PaddingOption<PaddingWord> | undefined
  /** Step between taps, ≥ 1; default 1. */
  readonly dilation?: PerAxis | undefined
  /** Divides both channel counts; default 1. */
  readonly groups?: number | undefined
  /** Order of axes of input and output; default `'channels-first'`. */
  readonly layout?: Layout | undefined
  /** Order of axes of the weight, given and returned; default: the same word as `layout`. */
  readonly weightLayout?: Layout | undefined
  /** True when the taps of `weight` are reversed before use; default false. */
  readonly flipKernel?: boolean | undefined
}

const UPSAMPLE_KEYS: readonly OptionKey[] = ['padding', 'dilation', 'groups', 'layout', 'weightLayout', 'flipKernel']

/**
 * Nearest-neighbour upsampling by `factor`, then a stride-1 zero-padded convolution, as one convTranspose, borders
 * included: the remedy for checkerboards of Odena et al., "Deconvolution and Checkerboard Artifacts", at the cost of
 * one layer. Per axis, tap t = q + (eff − 1) − j·dilation of the new kernel, for q = 0 … factor − 1, gathers tap j:
 *
 *     taps a b c, factor 2   →   kernel  c  b+c  a+b  a,   stride 2
 *
 * @param weight - of the convolution, `[Cout, Cin/groups, ...k]` or `[...k, Cin/groups, Cout]`
 * @param factor - integer ≥ 1, or one per spatial axis
 * @returns a weight with eff + factor − 1 taps per axis, and options with stride `factor` and crops eff − 1 − begin, eff − 1 − end
 * @throws TypeError and RangeError with a `code`
 */
export function upsampleAsTranspose(weight: TensorLike, factor: PerAxis, options?: UpsampleOptions): TransposeLayer {
  const where = 'upsampleAsTranspose'
  const raw = readOptions(where, options, UPSAMPLE_KEYS)
  const w = readTensor(where, 'weight', weight)
  const kind: OperatorKind = { transposed: false, rank: spatialRank(where, 'weight', w.shape) }
  const factors = parsePerAxis(where, 'factor', factor, kind.rank, 1)
  const dilation = parsePerAxis(where, 'dilation', raw.get('dilation') ?? 1, kind.rank, 1)
  const padding = parsePadding(where, raw.get('padding') ?? 'same', kind.rank, false)
  const groups = parseInteger(where, 'groups', raw.get('groups') ?? 1, 1)
  const flip = parseBoolean(where, 'flipKernel', raw.get('flipKernel') ?? false)
  const layout = parseLayout(where, raw)
  const weightLayout = parseWord(where, 'weightLayout', raw.get('weightLayout') ?? layout, LAYOUTS)

  const sides = splitWeight(where, w.shape, kind, weightLayout)
  if (sides.features % groups !== 0) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_SHAPE',
      `${where}: groups: expected a divisor of the ${sides.features} output channels of weight ${list(w.shape)}, received ${groups}`,
    )
  }
  checkData(where, 'weight.data', w.data, elementCount(where, 'weight', w.shape), w.shape)
  const stride = new Array<number>(kind.rank).fill(1)
  const axes = sides.kernel.map((k, axis) => {
    const eff = effectiveKernel(where, k, dilation[axis])
    // With stride 1 the padding does not depend on the extent; eff keeps the window inside it.
    const { begin, end } = convAxis(where, axis, eff, k, { stride, dilation, padding })
    if (begin > eff - 1 || end > eff - 1) {
      throw convkitError(
        'RangeError',
        'ERR_CONVKIT_OPTION',
        `${where}: padding: expected at most ${eff - 1} on either side of spatial axis ${axis} (the kernel covers ${eff}), received ${begin} and ${end}`,
      )
    }
    return { eff, taps: eff + factors[axis] - 1, crop: [eff - 1 - begin, eff - 1 - end] as const }
  })

  const target = {
    features: groups * sides.image,
    image: sides.features / groups,
    kernel: axes.map(({ taps }) => taps),
  }
  const shape = joinWeight(target, weightLayout)
  const sums = allocate(where, 'float64', elementCount(where, 'the new weight', shape))
  const at = (sidesOf: Sides, feature: number, channel: number, tap: number): number =>
    weightIndex(sidesOf, weightLayout, feature, channel, tap)
  forEachTapPair(sides.kernel, axes, factors, dilation, flip, (j, t) => {
    // Channels change sides: the convolution's outputs are the image of the transposed layer.
    for (let feature = 0; feature < sides.features; feature++) {
      const group = Math.floor(feature / target.image)
      for (let channel = 0; channel < sides.image; channel++) {
        sums[at(target, group * sides.image + channel, feature % target.image, t)] +=
          w.data[at(sides, feature, channel, j)]
      }
    }
  })
  const data = w.dtype === 'float64' ? sums : allocate(where, 'float32', sums.length)
  if (data !== sums) data.set(sums)
  return {
    weight: new Tensor(data, shape),
    options: { stride: factors, padding: axes.map(({ crop }) => crop), groups, layout, weightLayout },
  }
}

interface Sides {
  readonly features: number
  readonly image: number
  readonly kernel: readonly number[]
}

function weightIndex(
  { features, image, kernel }: Sides,
  layout: Layout,
  feature: number,
  channel: number,
  tap: number,
): number {
  if (layout === 'channels-last') return (tap * image + channel) * features + feature
  return (feature * image + channel) * kernel.reduce((a, b) => a * b, 1) + tap
}

/** Visits the pairs (tap of the convolution, tap of the transposed one) to be added up, as flat indexes. */
function forEachTapPair(
  kernel: readonly number[],
  axes: readonly { readonly eff: number; readonly taps: number }[],
  factors: readonly number[],
  dilation: readonly number[],
  flip: boolean,
  visit: (from: number, to: number) => void,
): void {
  const walk = (axis: number, from: number, to: number): void => {
    if (axis === kernel.length) {
      visit(from, to)
      return
    }
    const k = kernel[axis]
    for (let j = 0; j < k; j++) {
      for (let q = 0; q < factors[axis]; q++) {
        walk(
          axis + 1,
          from * k + (flip ? k - 1 - j : j),
          to * axes[axis].taps + q + axes[axis].eff - 1 - j * dilation[axis],
        )
      }
    }
  }
  walk(0, 0, 0)
}

/** Options of `bilinearWeight`. */
export interface BilinearOptions {
  /** Default `channels`: each channel by itself, as a depthwise layer. */
  readonly groups?: number | undefined
  /** Of the weight; default `'float32'`. */
  readonly dtype?: DType | undefined
  /** Of the layer and of its weight; default `'channels-first'`. */
  readonly layout?: Layout | undefined
}

/**
 * The bilinear filler of FCN and Caffe: a convTranspose layer that upsamples by `factor`. Per axis
 * k = 2f − f mod 2, stride f, padding ⌈(f − 1) / 2⌉ and weights 1 − |x / ⌈k/2⌉ − c| with c = (2⌈k/2⌉ − 1 − ⌈k/2⌉ mod 2) / (2⌈k/2⌉).
 * (Caffe's BilinearFiller; Long, Shelhamer & Darrell, "Fully Convolutional Networks for Semantic Segmentation", section 3.3.)
 * @param channels - of input and output
 * @param factor - integer ≥ 1 (two spatial axes), or one per spatial axis, 1 to 3 of them
 * @returns with groups < channels, zeros off the diagonal, so that each channel stays by itself
 * @throws TypeError and RangeError `ERR_CONVKIT_OPTION`
 */
export function bilinearWeight(channels: number, factor: PerAxis, options?: BilinearOptions): TransposeLayer {
  const where = 'bilinearWeight'
  const raw = readOptions(where, options, ['groups', 'dtype', 'layout'])
  const count = parseInteger(where, 'channels', channels, 1)
  const rank = isArray(factor) ? arrayLength(factor) : 2
  if (!(rank >= 1 && rank <= 3)) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_OPTION',
      `${where}: factor: expected a number or 1 to 3 of them, received ${rank} entries`,
    )
  }
  const factors = parsePerAxis(where, 'factor', factor, rank, 1)
  const groups = parseInteger(where, 'groups', raw.get('groups') ?? count, 1)
  if (count % groups !== 0)
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_OPTION',
      `${where}: groups: expected a divisor of ${count} channels, received ${groups}`,
    )
  const dtype = parseWord(where, 'dtype', raw.get('dtype') ?? 'float32', ['float32', 'float64'])
  const layout = parseLayout(where, raw)

  const kernel = factors.map((f) => 2 * f - (f % 2))
  const sides = { features: count, image: count / groups, kernel }
  const shape = joinWeight(sides, layout)
  const data = allocate(where, dtype, elementCount(where, 'the weight', shape))
  const taps = kernel.reduce((a, b) => a * b, 1)
  const fill = (axis: number, tap: number, value: number): void => {
    if (axis < rank) {
      for (let x = 0; x < kernel[axis]; x++)
        fill(axis + 1, tap * kernel[axis] + x, value * bilinearTap(kernel[axis], x))
      return
    }
    for (let c = 0; c < count; c++) {
      const within = c % sides.image
      data[
        layout === 'channels-first' ? (c * sides.image + within) * taps + tap : (tap * sides.image + within) * count + c
      ] = value
    }
  }
  fill(0, 0, 1)
  return {
    weight: new Tensor(data, shape),
    options: { stride: factors, padding: factors.map((f) => Math.ceil((f - 1) / 2)), groups, layout },
  }
}

/** One axis of the filler. Caffe's f is ⌈k / 2⌉, which is our factor for every k = 2·factor − factor mod 2. */
function bilinearTap(kernel: number, x: number): number {
  const f = Math.ceil(kernel / 2)
  const center = (2 * f - 1 - (f % 2)) / (2 * f)
  return 1 - Math.abs(x / f - center)
}
