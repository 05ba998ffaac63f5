import { parseCall } from '../call.js'
import { convkitError } from '../errors.js'
import { ceilDivide, floorDivide, resolveGeometry, spatialRank, splitWeight, type OperatorKind } from '../geometry.js'
import { allocate, checkData, elementCount, MAX_ELEMENTS, readShape, readTensor, type TensorLike } from '../operand.js'
import { readOptions, type OptionKey } from '../options.js'
import type { ConvProblem, FloatArray, PaddingMode } from '../problem.js'
import type { ConvGradientOptions } from '../types.js'

/** A sparse matrix in compressed sparse rows: row i holds `values[rowPtr[i] .. rowPtr[i + 1]]`. */
export interface SparseMatrix {
  /** Elements of one image of features. */
  readonly rows: number
  /** Elements of one image. */
  readonly cols: number
  /** rows + 1 entries. */
  readonly rowPtr: Uint32Array
  /** Ascending within a row. */
  readonly colIdx: Uint32Array
  /** One for each of `colIdx`; the weight's dtype. */
  readonly values: FloatArray
}

const KEYS: readonly OptionKey[] = [
  'stride',
  'dilation',
  'padding',
  'paddingMode',
  'groups',
  'flipKernel',
  'layout',
  'weightLayout',
  'backend',
  'algorithm',
]

/** Options of `convolutionMatrix`: conv's, without bias, activation and `out`. */
export type MatrixOptions = Omit<ConvGradientOptions, 'out'>

/** Where position i of an axis lands under a padding mode; −1: a zero. */
export function mapIndex(mode: PaddingMode, i: number, extent: number): number {
  if (i >= 0 && i < extent) return i
  if (mode === 'zeros') return -1
  if (mode === 'replicate') return i < 0 ? 0 : extent - 1
  if (mode === 'circular') return ((i % extent) + extent) % extent
  return i < 0 ? -i : 2 * (extent - 1) - i // reflect, at most extent − 1 beyond either end
}

/**
 * The matrix C of a direct convolution, for one image: conv is C·x, convTranspose is Cᵀ·y.
 * (Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", section 4.1.)
 * @param weight - as for conv
 * @param inputShape - C's image side, what conv takes and convTranspose gives: full shape in `layout`; its batch is ignored
 * @returns rows (features) and columns (image) in the order of `layout`; taps that fall on one element through a
 *   padding mode are summed, zeros of the weight are kept, blocks between groups are absent
 * @throws TypeError and RangeError with a `code`; RangeError `ERR_CONVKIT_MEMORY` above 2³² entries
 */
export function convolutionMatrix(
  weight: TensorLike,
  inputShape: readonly number[],
  options?: MatrixOptions,
): SparseMatrix {
  const where = 'convolutionMatrix'
  const raw = readOptions(where, options, KEYS)
  const w = readTensor(where, 'weight', weight)
  const kind: OperatorKind = { transposed: false, rank: spatialRank(where, 'weight', w.shape) }
  const call = parseCall(where, kind, raw)
  const shape = readShape(where, 'inputShape', inputShape)
  const { problem } = resolveGeometry(where, kind, shape, w.shape, call, w.dtype, { input: 'inputShape' })
  checkData(where, 'weight.data', w.data, elementCount(where, 'weight', w.shape), w.shape)
  return build(where, problem, w.data, splitWeight(where, w.shape, kind, call.weightLayout).image)
}

/** One tap of one feature position: which image position it reads and its place in the kernel. */
interface Tap {
  readonly position: number
  readonly tap: number
}

function build(where: string, problem: ConvProblem, weight: FloatArray, imagePerGroup: number): SparseMatrix {
  const { featureChannels, imageChannels, groups } = problem
  const product = (extents: readonly number[]): number => extents.reduce((a, b) => a * b, 1)
  const [positions, imageSize, taps] = [product(problem.features), product(problem.image), product(problem.kernel)]
  const first = problem.layout === 'channels-first'
  const weightFirst = problem.weightLayout === 'channels-first'
  const [rows, cols] = [featureChannels * positions, imageChannels * imageSize]

  const entries = featureChannels * imagePerGroup * product(countOnAxes(where, problem))
  if (entries >= MAX_ELEMENTS) throw tooMany(where, entries)
  const tapsOf = (feature: number): Tap[][] => mergeTaps(listTaps(problem, feature))
  const values = allocate(where, problem.dtype, entries)
  const [rowPtr, colIdx] = allocateIndexes(where, rows + 1, entries)

  let next = 0
  const writeRow = (co: number, merged: readonly (readonly Tap[])[]): void => {
    const group = Math.floor(co / (featureChannels / groups))
    const write = (ci: number, sum: readonly Tap[]): void => {
      const channel = group * imagePerGroup + ci
      colIdx[next] = first ? channel * imageSize + sum[0].position : sum[0].position * imageChannels + channel
      const at = (tap: number) =>
        weightFirst ? (co * imagePerGroup + ci) * taps + tap : (tap * imagePerGroup + ci) * featureChannels + co
      values[next++] = sum.reduce((total, { tap }) => total + weight[at(tap)], 0)
    }
    // The layout's order of columns: channels outside, or positions outside.
    if (first) for (let ci = 0; ci < imagePerGroup; ci++) for (const sum of merged) write(ci, sum)
    else for (const sum of merged) for (let ci = 0; ci < imagePerGroup; ci++) write(ci, sum)
  }
  const finishRow = (row: number): void => void (rowPtr[row + 1] = next)
  if (first) {
    for (let co = 0; co < featureChannels; co++)
      for (let p = 0; p < positions; p++) {
        writeRow(co, tapsOf(p))
        finishRow(co * positions + p)
      }
  } else {
    for (let p = 0; p < positions; p++) {
      const merged = tapsOf(p)
      for (let co = 0; co < featureChannels; co++) {
        writeRow(co, merged)
        finishRow(p * featureChannels + co)
      }
    }
  }
  return { rows, cols, rowPtr, colIdx, values }
}

function tooMany(where: string, entries: number): Error {
  return convkitError(
    'RangeError',
    'ERR_CONVKIT_MEMORY',
    `${where}: the matrix would have ${entries} entries, more than 2^32 - 1`,
  )
}

/**
 * Pairs of a feature and an image position that it reads, on each axis by itself; their product is the number of
 * pairs. Known before anything is allocated, and at once where extents are huge.
 */
function countOnAxes(where: string, problem: ConvProblem): number[] {
  const { image, kernel, features, stride, dilation, padBegin, paddingMode } = problem
  return features.map((count, axis) => {
    let pairs = 0
    if (paddingMode === 'zeros') {
      for (let j = 0; j < kernel[axis]; j++) {
        // 0 ≤ o·stride + offset < image
        const offset = j * dilation[axis] - padBegin[axis]
        const room = image[axis] - 1 - offset
        if (room < 0) continue
        const first = ceilDivide(Math.max(0, -offset), stride[axis])
        const last = Math.min(count - 1, floorDivide(room, stride[axis]))
        pairs += Math.max(0, last - first + 1)
      }
      return pairs
    }
    if (count >= MAX_ELEMENTS) throw tooMany(where, count) // each feature reads something
    for (let o = 0; o < count; o++) {
      const read = new Set<number>()
      for (let j = 0; j < kernel[axis]; j++)
        read.add(mapIndex(paddingMode, o * stride[axis] + j * dilation[axis] - padBegin[axis], image[axis]))
      pairs += read.size
    }
    return pairs
  })
}

/** The taps of one feature position that read the image (or, by the padding mode, a mapped element of it). */
function listTaps(problem: ConvProblem, feature: number): Tap[] {
  const { image, kernel, features, stride, dilation, padBegin, paddingMode, flipKernel } = problem
  let found: Tap[] = [{ position: 0, tap: 0 }]
  let rest = feature
  const place: number[] = []
  for (let axis = features.length - 1; axis >= 0; axis--) {
    place[axis] = rest % features[axis]
    rest = Math.floor(rest / features[axis])
  }
  for (let axis = 0; axis < image.length; axis++) {
    const here: Tap[] = []
    for (let j = 0; j < kernel[axis]; j++) {
      const i = mapIndex(paddingMode, place[axis] * stride[axis] + j * dilation[axis] - padBegin[axis], image[axis])
      if (i >= 0) here.push({ position: i, tap: flipKernel ? kernel[axis] - 1 - j : j })
    }
    found = found.flatMap((outer) =>
      here.map((inner) => ({
        position: outer.position * image[axis] + inner.position,
        tap: outer.tap * kernel[axis] + inner.tap,
      })),
    )
  }
  return found
}

/** Groups the taps by image position, ascending. */
function mergeTaps(found: readonly Tap[]): Tap[][] {
  const byPosition = new Map<number, Tap[]>()
  for (const tap of found) {
    const same = byPosition.get(tap.position)
    if (same === undefined) byPosition.set(tap.position, [tap])
    else same.push(tap)
  }
  return [...byPosition.entries()].sort(([a], [b]) => a - b).map(([, taps]) => taps)
}

function allocateIndexes(where: string, rows: number, entries: number): [Uint32Array, Uint32Array] {
  try {
    return [new Uint32Array(rows), new Uint32Array(entries)]
  } catch {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_MEMORY',
      `${where}: cannot allocate the indexes of ${entries} entries`,
    )
  }
}
