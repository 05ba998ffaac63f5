import { allowedKeys, checkChannelVector, parseCall } from '../call.js'
import {
  effectiveKernel,
  joinShape,
  joinWeight,
  resolveGeometry,
  spatialRank,
  splitShape,
  splitWeight,
  type OperatorKind,
} from '../geometry.js'
import { allocate, checkData, checkDtypes, elementCount, readTensor, type TensorLike } from '../operand.js'
import { readOptions } from '../options.js'
import type { FloatArray, Layout } from '../problem.js'
import { Tensor } from '../tensor.js'
import type { ConvOptions, ConvTransposeOptions } from '../types.js'

/** A call of a direct convolution: `conv2d(input, weight, options)`. */
export interface DirectConvolution {
  /** Zero-inserted, padded and cropped. */
  readonly input: Tensor
  /** Its two channel axes swapped, its taps reversed. */
  readonly weight: Tensor
  /** Stride 1, padding 0; the rest as given. */
  readonly options: ConvOptions
}

/**
 * A convTranspose call as the direct convolution equal to it: the input with stride − 1 zeros between its elements,
 * padded by p' = dilation·(k − 1) − p (plus outputPadding at the end; cropped where p' < 0), with the spatially reversed kernel.
 * (Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", relationships 8 to 14.)
 * It shows the meaning; it is not how convkit computes.
 * @param input - as for convTranspose
 * @param weight - as for convTranspose
 * @returns operands and options for conv of the same rank: stride 1, padding 0, the same dilation, groups, layouts, bias and activation
 * @throws as convTranspose does
 */
export function asDirectConvolution(
  input: TensorLike,
  weight: TensorLike,
  options?: Omit<ConvTransposeOptions, 'out'>,
): DirectConvolution {
  const where = 'asDirectConvolution'
  const shaped: OperatorKind = { transposed: true, rank: 1 }
  const raw = readOptions(where, options, allowedKeys(shaped, true))
  const x = readTensor(where, 'input', input)
  const w = readTensor(where, 'weight', weight)
  const kind: OperatorKind = { transposed: true, rank: spatialRank(where, 'weight', w.shape) }
  const call = parseCall(where, kind, raw)
  const dtype = checkDtypes(where, [x, w, call.bias, call.slope])
  const { problem, outputChannels } = resolveGeometry(where, kind, x.shape, w.shape, call, dtype)
  for (const operand of [x, w]) {
    checkData(
      where,
      `${operand.name}.data`,
      operand.data,
      elementCount(where, operand.name, operand.shape),
      operand.shape,
    )
  }
  checkChannelVector(where, call.bias, outputChannels)
  checkChannelVector(where, call.slope, outputChannels)

  const { layout, weightLayout } = call
  const sides = splitShape(where, 'input', x.shape, kind.rank, layout)
  // Input i lies at i·stride + eff − 1 − padBegin of the stuffed input, whose length makes conv give the output's size.
  const reach = problem.kernel.map((k, axis) => effectiveKernel(where, k, call.dilation[axis]) - 1)
  const spatial = problem.image.map((extent, axis) => extent + reach[axis])
  const shape = joinShape({ ...sides, spatial }, layout)
  const stuffed = allocate(where, dtype, elementCount(where, 'the zero-inserted input', shape))
  const place = (axis: number, i: number): number => i * call.stride[axis] + reach[axis] - problem.padBegin[axis]
  stuff(x.data, stuffed, { ...sides, target: spatial, layout, place })

  const transposedSides = splitWeight(where, w.shape, kind, weightLayout)
  const directSides = { features: outputChannels, image: sides.channels / call.groups, kernel: problem.kernel }
  const direct = allocate(where, dtype, elementCount(where, 'weight', w.shape))
  swapChannels(w.data, direct, transposedSides, directSides, call.groups, weightLayout, !call.flipKernel)

  const kept = (['bias', 'activation', 'backend', 'algorithm'] as const)
    .filter((key) => raw.has(key))
    .map((key) => [key, raw.get(key)])
  return {
    input: new Tensor(stuffed, shape),
    weight: new Tensor(direct, joinWeight(directSides, weightLayout)),
    options: {
      stride: 1,
      padding: 0,
      dilation: call.dilation,
      groups: call.groups,
      layout,
      weightLayout,
      ...Object.fromEntries(kept),
    } as ConvOptions,
  }
}

interface Stuffing {
  readonly batch: number
  readonly channels: number
  readonly spatial: readonly number[]
  readonly target: readonly number[]
  readonly layout: Layout
  /** Where element i of an axis goes; what falls outside the target is cropped. */
  readonly place: (axis: number, i: number) => number
}

function stuff(
  source: FloatArray,
  target: FloatArray,
  { batch, channels, spatial, target: extents, layout, place }: Stuffing,
): void {
  const product = (values: readonly number[]): number => values.reduce((a, b) => a * b, 1)
  const [size, targetSize] = [product(spatial), product(extents)]
  const first = layout === 'channels-first'
  const walk = (axis: number, from: number, to: number): void => {
    if (axis < spatial.length) {
      for (let i = 0; i < spatial[axis]; i++) {
        const j = place(axis, i)
        if (j >= 0 && j < extents[axis]) walk(axis + 1, from * spatial[axis] + i, to * extents[axis] + j)
      }
      return
    }
    for (let n = 0; n < batch; n++) {
      for (let c = 0; c < channels; c++) {
        if (first) target[(n * channels + c) * targetSize + to] = source[(n * channels + c) * size + from]
        else target[(n * targetSize + to) * channels + c] = source[(n * size + from) * channels + c]
      }
    }
  }
  walk(0, 0, 0)
}

interface Sides {
  readonly features: number
  readonly image: number
  readonly kernel: readonly number[]
}

/** Exchanges the two channel axes of every group, and reverses the taps where asked. */
function swapChannels(
  from: FloatArray,
  to: FloatArray,
  source: Sides,
  target: Sides,
  groups: number,
  layout: Layout,
  reverse: boolean,
): void {
  const taps = source.kernel.reduce((a, b) => a * b, 1)
  const at = ({ features, image }: Sides, feature: number, channel: number, tap: number): number =>
    layout === 'channels-first'
      ? (feature * image + channel) * taps + tap
      : (tap * image + channel) * features + feature
  for (let group = 0; group < groups; group++) {
    for (let a = 0; a < target.image; a++) {
      for (let b = 0; b < source.image; b++) {
        for (let tap = 0; tap < taps; tap++) {
          const value = from[at(source, group * target.image + a, b, tap)]
          to[at(target, group * source.image + b, a, reverse ? taps - 1 - tap : tap)] = value
        }
      }
    }
  }
}
