/**
 * image = Cᵀ · features. For each image of the batch, each image channel c of group g and pixel i,
 *
 *     image[g·C + c, i] = finish( Σ over f, j, o with o·stride + j·dilation − padBegin = i of  weights[f, c, j] · features[f, o] )
 *
 * where f runs over the feature channels of the group and j over the taps. Written as a scatter: it walks over features
 * and taps exactly as forward.ts does and adds each term to the pixel that forward reads there, so that stride, dilation
 * and the padding modes need no inverse of their own. The sums are those of one whole image.
 */

import type { ConvProblem, FloatArray } from '../../problem.js'
import type { Epilogue } from '../backend.js'
import { finishOf } from './epilogue.js'
import { blockAt, createGrid, rowsOf, runsOf, type Grid, type Row, type Run } from './grid.js'
import { readRows, scratch, writeRows } from './operands.js'

/** Lengths of the working arrays. */
export function adjointScratch(grid: Grid): { features: number; sums: number } {
  return { features: grid.featureSide.channels * grid.rowLength, sums: grid.imageSide.batchStride }
}

export function adjoint(
  problem: ConvProblem,
  featureData: FloatArray,
  weights: FloatArray,
  epilogue: Epilogue | undefined,
  out: FloatArray,
): void {
  const grid = createGrid(problem)
  const { imageSide, featureSide } = grid
  const lengths = adjointScratch(grid)
  const features = scratch(lengths.features)
  const sums = scratch(lengths.sums)
  const finish = finishOf(epilogue)

  for (let n = 0; n < problem.batch; n++) {
    sums.fill(0)
    for (const row of rowsOf(grid)) {
      readRows(featureData, featureSide, n, row.firstPixel, row.length, features)
      for (const runs of runsOf(grid, row)) addRuns(grid, row, runs, weights, features, sums)
    }
    writeRows(sums, imageSide, n, 0, imageSide.pixels, out, finish)
  }
}

function addRuns(
  grid: Grid,
  row: Row,
  runs: readonly Run[],
  weights: FloatArray,
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
        addFourPoints(
          sums,
          x,
          pixels,
          imageGroup,
          weights,
          tapAt,
          at.channel,
          at.feature,
          features,
          row.length,
          y + from,
        )
        continue
      }
      for (let c = 0; c < imageGroup; c++) {
        const w = tapAt + c * at.channel
        const x = (firstChannel + c) * pixels + first
        if (block === 1) {
          addRow(sums, x, step, weights[w], features, y + from, y + to)
        } else {
          const w0 = weights[w]
          const w1 = weights[w + at.feature]
          const w2 = weights[w + 2 * at.feature]
          const w3 = weights[w + 3 * at.feature]
          addFourRows(sums, x, step, w0, w1, w2, w3, features, row.length, y + from, y + to)
        }
      }
    }
  }
}

/** Adds w times the features from ≤ o < to to pixels `step` apart. */
function addRow(
  sums: Float64Array,
  first: number,
  step: number,
  w: number,
  features: Float64Array,
  from: number,
  to: number,
): void {
  for (let o = from, i = first; o < to; o++, i += step) sums[i] += w * features[o]
}

/** The same for four rows of features, `rowLength` apart. */
function addFourRows(
  sums: Float64Array,
  first: number,
  step: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  features: Float64Array,
  rowLength: number,
  from: number,
  to: number,
): void {
  for (let o = from, i = first; o < to; o++, i += step) {
    sums[i] +=
      w0 * features[o] +
      w1 * features[o + rowLength] +
      w2 * features[o + 2 * rowLength] +
      w3 * features[o + 3 * rowLength]
  }
}

/** A run of one feature, as on maps of one pixel: the four features stay in registers while the channels pass by. */
function addFourPoints(
  sums: Float64Array,
  firstPixel: number,
  pixels: number,
  channels: number,
  weights: FloatArray,
  firstWeight: number,
  channelStep: number,
  featureStep: number,
  features: Float64Array,
  rowLength: number,
  y: number,
): void {
  const f0 = features[y]
  const f1 = features[y + rowLength]
  const f2 = features[y + 2 * rowLength]
  const f3 = features[y + 3 * rowLength]
  for (let c = 0, w = firstWeight, i = firstPixel; c < channels; c++, w += channelStep, i += pixels) {
    sums[i] +=
      weights[w] * f0 +
      weights[w + featureStep] * f1 +
      weights[w + 2 * featureStep] * f2 +
      weights[w + 3 * featureStep] * f3
  }
}
