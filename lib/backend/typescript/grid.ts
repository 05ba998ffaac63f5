/**
 * A problem with three spatial axes, whatever its rank, and the walk over it that all three passes share:
 *
 *     for each feature row (depth, height)          featureRows
 *       for each run of that row                    runsOf
 *         for each feature channel, image channel
 *           for each feature of the run             one inner loop over contiguous numbers
 *
 * A run is what a feature row reads through one tap: a part of one row of the image, in steps of the stride. Below, tap 2
 * of a kernel of 3, stride 2, padBegin 1; the last feature reads beyond the image and is not part of the run.
 *
 *     features      0   1   2   3              from = 0, to = 3
 *                    \   \   \   \
 *     image row   0 [1] 2 [3] 4 [5]            first = 1, step = 2
 *
 * Runs are made one after the other and not kept: nothing grows with the kernel or with the padding.
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
}

/** One of the two sides of a problem: element (n, channel, pixel) is at the sum of index · stride. */
export interface Side {
  readonly channels: number
  readonly pixels: number
  readonly batchStride: number
  readonly channelStride: number
  readonly pixelStride: number
}

/**
 * Through the tap (an index into the whole kernel) features `from ≤ o < to` of a row read the image at first,
 * first + step, … (indices into all pixels of a channel).
 */
export interface Run extends Segment {
  readonly tap: number
}

export function createGrid(problem: ConvProblem): Grid {
  const [depth, height, width] = threeAxes(problem)
  const imagePixels = depth.image * height.image * width.image
  const featurePixels = depth.features * height.features * width.features
  return {
    depth,
    height,
    width,
    mode: problem.paddingMode,
    imageSide: side(problem.layout, problem.imageChannels, imagePixels),
    featureSide: side(problem.layout, problem.featureChannels, featurePixels),
    taps: depth.kernel * height.kernel * width.kernel,
  }
}

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

/** Everything that feature row (depth, height) reads, in the order of the taps. */
export function* runsOf(grid: Grid, depth: number, height: number): Generator<Run, void> {
  const depths = segmentsOfFeature(grid.depth, depth, grid.mode)
  const heights = segmentsOfFeature(grid.height, height, grid.mode)
  for (const [tapDepth, imageDepth] of points(depths)) {
    for (const [tapHeight, imageHeight] of points(heights)) {
      const imageRow = (imageDepth * grid.height.image + imageHeight) * grid.width.image
      const tapRow = (tapDepth * grid.height.kernel + tapHeight) * grid.width.kernel
      for (let tap = 0; tap < grid.width.kernel; tap++) {
        for (const { from, to, first, step } of segmentsOfTap(grid.width, tap, grid.mode)) {
          yield { tap: tapRow + tap, from, to, first: imageRow + first, step }
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
