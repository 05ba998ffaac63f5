/**
 * gradient = Σ features ⊗ patches(image). For each feature channel f (of group g), image channel c of the group and tap j,
 *
 *     gradient[f, c, j] = Σ over n, o of  features[n, f, o] · image[n, g·C + c, o·stride + j·dilation − padBegin]
 *
 * over the whole batch n and all features o. Each run adds one dot product to each gradient of its tap.
 */

import type { ConvProblem, FloatArray } from '../../problem.js'
import { blockAt, createGrid, rowsOf, runsOf, type Grid, type Row, type Run } from './grid.js'
import { readRows, scratch } from './operands.js'

/** Lengths of the working arrays. */
export function weightGradientScratch(grid: Grid): { image: number; features: number; sums: number } {
  return { image: grid.imageSide.batchStride, features: grid.featureSide.channels * grid.rowLength, sums: grid.weights }
}

export function weightGradient(
  problem: ConvProblem,
  imageData: FloatArray,
  featureData: FloatArray,
  out: FloatArray,
): void {
  const grid = createGrid(problem)
  const { imageSide, featureSide } = grid
  const lengths = weightGradientScratch(grid)
  const image = scratch(lengths.image)
  const features = scratch(lengths.features)
  const sums = scratch(lengths.sums)

  for (let n = 0; n < problem.batch; n++) {
    readRows(imageData, imageSide, n, 0, imageSide.pixels, image)
    for (const row of rowsOf(grid)) {
      readRows(featureData, featureSide, n, row.firstPixel, row.length, features)
      for (const runs of runsOf(grid, row)) addRuns(grid, row, runs, image, features, sums)
    }
  }
  for (let w = 0; w < grid.weights; w++) out[w] = sums[w]
}

function addRuns(
  grid: Grid,
  row: Row,
  runs: readonly Run[],
  image: Float64Array,
  features: Float64Array,
  sums: Float64Array,
): void {
  const { imageGroup, featureGroup } = grid
  const { channels } = grid.featureSide
  const { pixels } = grid.imageSide
  const at = grid.weightStrides
  for (let f = 0, block = 1; f < channels; f += block) {
    block = blockAt(grid, f)
    const y = f * row.length
    const firstChannel = Math.floor(f / featureGroup) * imageGroup
    for (let r = 0; r < runs.length; r++) {
      const { tap, from, to, first, step } = runs[r]
      const tapAt = at.start + f * at.feature + tap * at.tap
      if (to - from === 1 && block === 4) {
        const x = firstChannel * pixels + first
        addFourPoints(sums, tapAt, at.channel, at.feature, features, row.length, y + from, image, x, pixels, imageGroup)
        continue
      }
      for (let c = 0; c < imageGroup; c++) {
        const w = tapAt + c * at.channel
        const x = (firstChannel + c) * pixels + first
        if (block === 1) {
          sums[w] += dot(features, y + from, y + to, image, x, step)
        } else {
          addFourDots(sums, w, at.feature, features, row.length, y + from, y + to, image, x, step)
        }
      }
    }
  }
}

/** Σ features · image over from ≤ o < to, pixels being `step` apart. */
function dot(
  features: Float64Array,
  from: number,
  to: number,
  image: Float64Array,
  first: number,
  step: number,
): number {
  let sum = 0
  for (let o = from, i = first; o < to; o++, i += step) sum += features[o] * image[i]
  return sum
}

/** The same for four rows of features, `rowLength` apart, added to sums that are `apart` from each other. */
function addFourDots(
  sums: Float64Array,
  at: number,
  apart: number,
  features: Float64Array,
  rowLength: number,
  from: number,
  to: number,
  image: Float64Array,
  first: number,
  step: number,
): void {
  let sum0 = 0
  let sum1 = 0
  let sum2 = 0
  let sum3 = 0
  for (let o = from, i = first; o < to; o++, i += step) {
    const x = image[i]
    sum0 += features[o] * x
    sum1 += features[o + rowLength] * x
    sum2 += features[o + 2 * rowLength] * x
    sum3 += features[o + 3 * rowLength] * x
  }
  sums[at] += sum0
  sums[at + apart] += sum1
  sums[at + 2 * apart] += sum2
  sums[at + 3 * apart] += sum3
}

/** A run of one feature, as on maps of one pixel: the four features stay in registers while the channels pass by. */
function addFourPoints(
  sums: Float64Array,
  firstWeight: number,
  channelStep: number,
  featureStep: number,
  features: Float64Array,
  rowLength: number,
  y: number,
  image: Float64Array,
  firstPixel: number,
  pixels: number,
  channels: number,
): void {
  const f0 = features[y]
  const f1 = features[y + rowLength]
  const f2 = features[y + 2 * rowLength]
  const f3 = features[y + 3 * rowLength]
  for (let c = 0, w = firstWeight, i = firstPixel; c < channels; c++, w += channelStep, i += pixels) {
    const x = image[i]
    sums[w] += f0 * x
    sums[w + featureStep] += f1 * x
    sums[w + 2 * featureStep] += f2 * x
    sums[w + 3 * featureStep] += f3 * x
  }
}
