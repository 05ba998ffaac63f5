/**
 * A problem with three spatial axes, whatever its rank, and the walk over it that all three passes share:
 *
 *     for each row of features                             rowsOf
 *       for each feature channel, each image channel
 *         for each run of that row                         runsOf
 *           for each feature of the run                    the innermost loop, in the file of the pass
 *
 * A run is what a feature row reads through one tap: a part of one row of the image, in steps of the stride. Below, tap 2
 * of a kernel of 3, stride 2, padBegin 1; the last feature reads beyond the image and is not part of the run.
 *
 *     features      0   1   2   3              from = 0, to = 3
 *                    \   \   \   \
 *     image row   0 [1] 2 [3] 4 [5]            first = 1, step = 2
 *
 * Runs come in batches of bounded size (one, unless the kernel is large), outside of the loops over channels, and rows
 * that are too long to be held for all channels come in pieces: nothing here grows with the kernel or the padding, and
 * what is held of the features stays within 1 MiB unless there are very many channels.
 */

import type { ConvProblem, Layout } from '../../problem.js'
import { segmentsOfFeature, segmentsOfTap, type Axis, type Segment } from './axes.js'

export interface Grid {
  readonly depth: Axis
  readonly height: Axis
  readonly width: Axis
  readonly mode: ConvProblem['paddingMode']
  readonly imageSide: Side
  readonly featureSide: Side
  readonly taps: number
  /** Elements of the weights. */
  readonly weights: number
  readonly weightStrides: WeightStrides
  /** Channels per group. */
  readonly imageGroup: number
  readonly featureGroup: number
  /** The most features that a {@link Row} has. */
  readonly rowLength: number
}

/** One of the two sides of a problem: element (n, channel, pixel) is at the sum of index · stride. */
export interface Side {
  readonly channels: number
  readonly pixels: number
  readonly batchStride: number
  readonly channelStride: number
  readonly pixelStride: number
}

/** A row of features, or a piece of one: `from ≤ o < to` along the width. */
export interface Row {
  readonly depth: number
  readonly height: number
  readonly from: number
  readonly to: number
  readonly length: number
  /** Index of the first of them among all features of a channel. */
  readonly firstPixel: number
}

/** Weight (feature channel, image channel of the group, tap) is at start plus the sum of index · stride. */
export interface WeightStrides {
  readonly start: number
  readonly feature: number
  readonly channel: number
  readonly tap: number
}

/**
 * Through the tap (an index into the whole kernel) features `from ≤ o < to` of a {@link Row}, counted from its start, read
 * the image at first, first + step, … (indices into all pixels of a channel).
 */
export interface Run extends Segment {
  readonly tap: number
}

export function createGrid(problem: ConvProblem): Grid {
  const [depth, height, width] = threeAxes(problem)
  const imagePixels = depth.image * height.image * width.image
  const featurePixels = depth.features * height.features * width.features
  const taps = depth.kernel * height.kernel * width.kernel
  const imageGroup = problem.imageChannels / problem.groups
  return {
    depth,
    height,
    width,
    mode: problem.paddingMode,
    imageSide: side(problem.layout, problem.imageChannels, imagePixels),
    featureSide: side(problem.layout, problem.featureChannels, featurePixels),
    taps,
    weights: taps * problem.featureChannels * imageGroup,
    weightStrides: weightStrides(problem, taps, imageGroup),
    imageGroup,
    featureGroup: problem.featureChannels / problem.groups,
    rowLength: Math.min(width.features, Math.max(MIN_ROW, Math.floor(ROW_ELEMENTS / problem.featureChannels))),
  }
}

/** Features of all channels held at once: 1 MiB of float64. Shorter pieces than MIN_ROW would cost too much time. */
const ROW_ELEMENTS = 2 ** 17
const MIN_ROW = 32

const TRIVIAL: Axis = { image: 1, kernel: 1, features: 1, stride: 1, dilation: 1, padBegin: 0 }

/** Adds leading axes of extent 1, and leaves out axes on which nothing happens, so that rows are as long as can be. */
function threeAxes(problem: ConvProblem): [Axis, Axis, Axis] {
  const axes = problem.image
    .map((image, axis) => ({
      image,
      kernel: problem.kernel[axis],
      features: problem.features[axis],
      stride: problem.stride[axis],
      dilation: problem.dilation[axis],
      padBegin: problem.padBegin[axis],
    }))
    .filter((axis) => axis.image > 1 || axis.kernel > 1 || axis.features > 1 || axis.padBegin > 0)
  return [TRIVIAL, TRIVIAL, TRIVIAL, ...axes].slice(-3) as [Axis, Axis, Axis]
}

function side(layout: Layout, channels: number, pixels: number): Side {
  const first = layout === 'channels-first'
  return {
    channels,
    pixels,
    batchStride: channels * pixels,
    channelStride: first ? pixels : 1,
    pixelStride: first ? 1 : channels,
  }
}

function weightStrides(problem: ConvProblem, taps: number, imageGroup: number): WeightStrides {
  const { feature, channel, tap } =
    problem.weightLayout === 'channels-first'
      ? { feature: imageGroup * taps, channel: taps, tap: 1 }
      : { feature: 1, channel: problem.featureChannels, tap: imageGroup * problem.featureChannels }
  // Reversing every spatial axis reverses the order of the taps: a walk from the last one backwards.
  if (problem.flipKernel) return { start: (taps - 1) * tap, feature, channel, tap: -tap }
  return { start: 0, feature, channel, tap }
}

/** All features of a channel, in order. */
export function* rowsOf({ depth, height, width, rowLength }: Grid): Generator<Row, void> {
  let firstPixel = 0
  for (let d = 0; d < depth.features; d++) {
    for (let h = 0; h < height.features; h++) {
      for (let from = 0; from < width.features; from += rowLength) {
        const to = Math.min(from + rowLength, width.features)
        yield { depth: d, height: h, from, to, length: to - from, firstPixel }
        firstPixel += to - from
      }
    }
  }
}

const BATCH = 128

/** Everything that a row of features reads, in the order of the taps. */
export function* runsOf(grid: Grid, row: Row): Generator<readonly Run[], void> {
  let batch: Run[] = []
  for (const run of allRunsOf(grid, row)) {
    if (batch.length === BATCH) {
      yield batch
      batch = []
    }
    batch.push(run)
  }
  yield batch
}

function* allRunsOf({ depth, height, width, mode }: Grid, row: Row): Generator<Run, void> {
  const depths = segmentsOfFeature(depth, row.depth, mode)
  const heights = segmentsOfFeature(height, row.height, mode)
  for (const [tapDepth, imageDepth] of points(depths)) {
    for (const [tapHeight, imageHeight] of points(heights)) {
      const imageRow = (imageDepth * height.image + imageHeight) * width.image
      const tapRow = (tapDepth * height.kernel + tapHeight) * width.kernel
      for (let tap = 0; tap < width.kernel; tap++) {
        for (const { from, to, first, step } of segmentsOfTap(width, tap, mode)) {
          const start = Math.max(from, row.from)
          const end = Math.min(to, row.to)
          const image = imageRow + first + (start - from) * step
          if (start < end) yield { tap: tapRow + tap, from: start - row.from, to: end - row.from, first: image, step }
        }
      }
    }
  }
}

/** The pairs (tap, image index) of the segments of a feature. */
function* points(segments: readonly Segment[]): Generator<[number, number], void> {
  for (const { from, to, first, step } of segments) {
    for (let tap = from; tap < to; tap++) yield [tap, first + (tap - from) * step]
  }
}

/**
 * How many feature channels a pass takes at once from channel f on: 4 where the group has them, else 1. Four rows of
 * features share each pixel that is loaded or stored, which doubles the speed.
 */
export function blockAt(grid: Grid, f: number): 1 | 4 {
  return (f % grid.featureGroup) + 4 <= grid.featureGroup ? 4 : 1
}
