/**
 * im2col and col2im as operators of their own, in the order of torch.nn.Unfold and torch.nn.Fold: row c·∏k + tap,
 * column = output position. Each is the exact adjoint of the other. (The kernels do not use them: native code packs
 * patches tile by tile and never holds such a matrix.)
 *
 *     image [C, 4]: a b c d,  kernel 3      →   columns [3C, 2]:  a b      tap 0
 *                                                                 b c      tap 1
 *                                                                 c d      tap 2
 */

import { parseExecution } from '../call.js'
import { convkitError, list } from '../errors.js'
import { convAxis, splitShape } from '../geometry.js'
import {
  allocate,
  checkData,
  checkDtypes,
  dtypeOf,
  elementCount,
  readShape,
  readTensor,
  type TensorLike,
} from '../operand.js'
import { parsePadding, parsePerAxis, readOptions, type OptionKey, type PaddingWord } from '../options.js'
import type { DType, FloatArray } from '../problem.js'
import { checkOut, deliver, placeOfResult } from '../request.js'
import { Tensor } from '../tensor.js'
import type { PaddingOption, PerAxis } from '../types.js'

/** Options of `im2col` and `col2im`: those of a zero-padded convolution. */
export interface ColumnOptions {
  /** Step between windows, ≥ 1; default 1. */
  readonly stride?: PerAxis | undefined
  /** Step between taps, ≥ 1; default 1. */
  readonly dilation?: PerAxis | undefined
  /** Zeros around the image, as in the operators; default 0. */
  readonly padding?: PaddingOption<PaddingWord> | undefined
  /** Takes the result, as in the operators. */
  readonly out?: FloatArray | undefined
}

const KEYS: readonly OptionKey[] = ['stride', 'dilation', 'padding', 'out']

function product(extents: readonly number[]): number {
  return extents.reduce((a, b) => a * b, 1)
}

/** Sizes of one call along the spatial axes. */
interface Window {
  readonly image: readonly number[]
  readonly kernel: readonly number[]
  readonly output: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly begin: readonly number[]
}

function readKernelShape(where: string, kernelShape: unknown): number[] {
  const kernel = readShape(where, 'kernelShape', kernelShape)
  if (kernel.length < 1 || kernel.length > 3 || kernel.some((extent) => extent < 1)) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_SHAPE',
      `${where}: kernelShape: expected 1 to 3 extents ≥ 1, received ${list(kernel)}`,
    )
  }
  elementCount(where, 'kernelShape', kernel)
  return kernel
}

/** Reads the options; the returned function resolves them for an image. */
function readWindow(where: string, kernel: readonly number[], options: unknown) {
  const raw = readOptions(where, options, KEYS)
  const rank = kernel.length
  const stride = parsePerAxis(where, 'stride', raw.get('stride') ?? 1, rank, 1)
  const dilation = parsePerAxis(where, 'dilation', raw.get('dilation') ?? 1, rank, 1)
  const padding = parsePadding(where, raw.get('padding') ?? 0, rank, false)
  const { out } = parseExecution(where, raw)
  const over = (image: readonly number[]): Window => {
    const axes = image.map((extent, axis) => convAxis(where, axis, extent, kernel[axis], { stride, dilation, padding }))
    return {
      image,
      kernel,
      stride,
      dilation,
      output: axes.map(({ output }) => output),
      begin: axes.map(({ begin }) => begin),
    }
  }
  return { out, over }
}

/**
 * Calls `visit(image, column)` for every tap of every output position that lies inside the image: `image` is the
 * flat position in one channel, `column` = tap · positions + position.
 */
function forEachTap(window: Window, visit: (image: number, column: number) => void): void {
  const positions = product(window.output)
  const walk = (axis: number, image: number, tap: number, position: number): void => {
    if (axis === window.image.length) {
      visit(image, tap * positions + position)
      return
    }
    const { [axis]: extent } = window.image
    for (let j = 0; j < window.kernel[axis]; j++) {
      for (let o = 0; o < window.output[axis]; o++) {
        const i = o * window.stride[axis] + j * window.dilation[axis] - window.begin[axis]
        if (i >= 0 && i < extent)
          walk(axis + 1, image * extent + i, tap * window.kernel[axis] + j, position * window.output[axis] + o)
      }
    }
  }
  walk(0, 0, 0, 0)
}

/**
 * The matrix of patches, as torch.nn.Unfold gives it.
 * @param input - `[N, C, ...spatial]` or, unbatched, `[C, ...spatial]`; channels-first
 * @param kernelShape - one extent per spatial axis, 1 to 3 of them
 * @returns `[N, C·∏k, L]` or `[C·∏k, L]`: L output positions, row c·∏k + tap; zeros where a tap is in the padding
 * @throws TypeError and RangeError with a `code`, as the operators do
 */
export function im2col(input: TensorLike, kernelShape: readonly number[], options?: ColumnOptions): Tensor {
  const where = 'im2col'
  const kernel = readKernelShape(where, kernelShape)
  const { out, over } = readWindow(where, kernel, options)
  const x = readTensor(where, 'input', input)
  const dtype = checkDtypes(where, [x, out && { name: 'out', dtype: dtypeOf(out) as DType }])
  const { batched, batch, channels, spatial } = splitShape(where, 'input', x.shape, kernel.length, 'channels-first')
  const window = over(spatial)
  const [taps, positions] = [product(kernel), product(window.output)]
  const shape = [...(batched ? [batch] : []), channels * taps, positions]
  const count = elementCount(where, 'the result', shape)
  checkData(where, 'input.data', x.data, elementCount(where, 'input', x.shape), x.shape)
  checkOut(where, out, shape, [x])
  const columns = placeOfResult(where, dtype, count, out, [x.data])
  if (out !== undefined) for (let i = 0; i < count; i++) columns[i] = 0 // a subclass may have a `fill` of its own
  const imageSize = product(spatial)
  forEachTap(window, (image, column) => {
    for (let c = 0; c < batch * channels; c++) columns[c * taps * positions + column] = x.data[c * imageSize + image]
  })
  return new Tensor(deliver(columns, out), shape)
}

/**
 * The sum of patches, as torch.nn.Fold gives it: the exact adjoint of {@link im2col}.
 * @param columns - `[N, C·∏k, L]` or, unbatched, `[C·∏k, L]`
 * @param spatialShape - spatial extents of the image
 * @param kernelShape - one extent per spatial axis
 * @returns `[N, C, ...spatialShape]` or `[C, ...spatialShape]`; sums are formed in float64
 * @throws TypeError and RangeError with a `code`, as the operators do
 */
export function col2im(
  columns: TensorLike,
  spatialShape: readonly number[],
  kernelShape: readonly number[],
  options?: ColumnOptions,
): Tensor {
  const where = 'col2im'
  const kernel = readKernelShape(where, kernelShape)
  const { out, over } = readWindow(where, kernel, options)
  const spatial = readShape(where, 'spatialShape', spatialShape)
  const y = readTensor(where, 'columns', columns)
  const dtype = checkDtypes(where, [y, out && { name: 'out', dtype: dtypeOf(out) as DType }])
  if (spatial.length !== kernel.length || spatial.some((extent) => extent < 1)) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_SHAPE',
      `${where}: spatialShape: expected ${kernel.length} extents ≥ 1, received ${list(spatial)}`,
    )
  }
  const window = over(spatial)
  const [taps, positions] = [product(kernel), product(window.output)]
  const inner = y.shape.slice(-2)
  if (y.shape.length < 2 || y.shape.length > 3 || inner[0] % taps !== 0 || inner[0] === 0 || inner[1] !== positions) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_SHAPE',
      `${where}: columns: expected shape [N, C·${taps}, ${positions}] or [C·${taps}, ${positions}], received ${list(y.shape)}`,
    )
  }
  const channels = inner[0] / taps
  const batch = y.shape.length === 3 ? y.shape[0] : 1
  const shape = [...y.shape.slice(0, -2), channels, ...spatial]
  const count = elementCount(where, 'the result', shape)
  checkData(where, 'columns.data', y.data, elementCount(where, 'columns', y.shape), y.shape)
  checkOut(where, out, shape, [y])
  const image = placeOfResult(where, dtype, count, out, [y.data])
  const imageSize = product(spatial)
  const sums = allocate(where, 'float64', imageSize)
  for (let c = 0; c < batch * channels; c++) {
    sums.fill(0)
    forEachTap(window, (position, column) => (sums[position] += y.data[c * taps * positions + column]))
    for (let i = 0; i < imageSize; i++) image[c * imageSize + i] = sums[i]
  }
  return new Tensor(deliver(image, out), shape)
}
