/**
 * features = C · image. For each image of the batch, each feature channel f (of group g) and feature o,
 *
 *     features[f, o] = finish( Σ over c, j of  weights[f, c, j] · image[g·C + c, o·stride + j·dilation − padBegin] )
 *
 * where c runs over the C image channels of the group and j over the taps. The sums of one row of features are held for
 * all channels; each run adds its terms to them.
 */

import type { ConvProblem, FloatArray } from '../../problem.js'
import type { Epilogue } from '../backend.js'
import { finishOf } from './epilogue.js'
import { blockAt, createGrid, rowsOf, runsOf, type Grid, type Row, type Run } from './grid.js'
import { readRows, scratch, writeRows } from './operands.js'

/** Lengths of the working arrays. */
export function forwardScratch(grid: Grid): { image: number; sums: number } {
  return { image: grid.imageSide.batchStride, sums: grid.featureSide.channels * grid.rowLength }
}

export function forward(
  problem: ConvProblem,
  imageData: FloatArray,
  weights: FloatArray,
  epilogue: Epilogue | undefined,
  out: FloatArray,
): void {
  const grid = createGrid(problem)
  const { imageSide, featureSide } = grid
  const lengths = forwardScratch(grid)
  const image = scratch(lengths.image)
  const sums = scratch(lengths.sums)
  const finish = finishOf(epilogue)

  for (let n = 0; n < problem.batch; n++) {
    readRows(imageData, imageSide, n, 0, imageSide.pixels, image)
    for (const row of rowsOf(grid)) {
      sums.fill(0)
      for (const runs of runsOf(grid, row)) addRuns(grid, row, runs, weights, image, sums)
      writeRows(sums, featureSide, n, row.firstPixel, row.length, out, finish)
    }
  }
}

function addRuns(
  grid: Grid,
  row: Row,
  runs: readonly Run[],
  weights: FloatArray,
  image: Float64Array,
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
        addToFourPoints(
          sums,
          row.length,
          y + from,
          weights,
          tapAt,
          at.channel,
          at.feature,
          image,
          x,
          pixels,
          imageGroup,
        )
        continue
      }
      for (let c = 0; c < imageGroup; c++) {
        const w = tapAt + c * at.channel
        const x = (firstChannel + c) * pixels + first
        if (block === 1) {
          addToRow(sums, y + from, y + to, weights[w], image, x, step)
        } else {
          const w0 = weights[w]
          const w1 = weights[w + at.feature]
          const w2 = weights[w + 2 * at.feature]
          const w3 = weights[w + 3 * at.feature]
          addToFourRows(sums, row.length, y + from, y + to, w0, w1, w2, w3, image, x, step)
        }
      }
    }
  }
}

/** Adds w · image to the sums from ≤ o < to, pixels being `step` apart. */
function addToRow(
  sums: Float64Array,
  from: number,
  to: number,
  w: number,
  image: Float64Array,
  first: number,
  step: number,
): void {
  for (let o = from, i = first; o < to; o++, i += step) sums[o] += w * image[i]
}

/** The same for four rows of sums, `rowLength` apart. */
function addToFourRows(
  sums: Float64Array,
  rowLength: number,
  from: number,
  to: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  image: Float64Array,
  first: number,
  step: number,
): void {
  for (let o = from, i = first; o < to; o++, i += step) {
    const x = image[i]
    sums[o] += w0 * x
    sums[o + rowLength] += w1 * x
    sums[o + 2 * rowLength] += w2 * x
    sums[o + 3 * rowLength] += w3 * x
  }
}

/** A run of one feature, as on maps of one pixel: the four sums stay in registers while the channels pass by. */
function addToFourPoints(
  sums: Float64Array,
  rowLength: number,
  y: number,
  weights: FloatArray,
  firstWeight: number,
  channelStep: number,
  featureStep: number,
  image: Float64Array,
  firstPixel: number,
  pixels: number,
  channels: number,
): void {
  let s0 = sums[y]
  let s1 = sums[y + rowLength]
  let s2 = sums[y + 2 * rowLength]
  let s3 = sums[y + 3 * rowLength]
  for (let c = 0, w = firstWeight, i = firstPixel; c < channels; c++, w += channelStep, i += pixels) {
    const x = image[i]
    s0 += weights[w] * x
    s1 += weights[w + featureStep] * x
    s2 += weights[w + 2 * featureStep] * x
    s3 += weights[w + 3 * featureStep] * x
  }
  sums[y] = s0
  sums[y + rowLength] = s1
  sums[y + 2 * rowLength] = s2
  sums[y + 3 * rowLength] = s3
}
