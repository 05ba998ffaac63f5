/**
 * features = C · image. For each image of the batch, each feature channel f (of group g) and feature position o,
 *
 *     features[f, o] = finish( Σ over c, j of  weights[f, c, j] · image[g·C + c, o·stride + j·dilation − padBegin] )
 *
 * where c runs over the C image channels of the group and j over the taps. The sums of one feature row are kept for all
 * channels at once; each run then adds its share to them.
 */

import type { ConvProblem, FloatArray } from '../../problem.js'
import type { Epilogue } from '../backend.js'
import { finishOf } from './epilogue.js'
import { createGrid, runsOf, type Grid } from './grid.js'
import { readRows, readWeights, scratch, writeRows } from './operands.js'

/** Elements of the working arrays, each a Float64Array. */
export function forwardScratch(problem: ConvProblem, grid: Grid): { image: number; weights: number; sums: number } {
  return {
    image: grid.imageSide.batchStride,
    weights: grid.taps * problem.featureChannels * (problem.imageChannels / problem.groups),
    sums: problem.featureChannels * grid.width.features,
  }
}

export function forward(
  problem: ConvProblem,
  imageData: FloatArray,
  weightData: FloatArray,
  epilogue: Epilogue | undefined,
  out: FloatArray,
): void {
  const grid = createGrid(problem)
  const { imageSide, featureSide, taps } = grid
  const channels = problem.imageChannels / problem.groups
  const groupFeatures = problem.featureChannels / problem.groups
  const rowLength = grid.width.features
  const lengths = forwardScratch(problem, grid)
  const [image, weights, sums] = [scratch(lengths.image), scratch(lengths.weights), scratch(lengths.sums)]
  const finish = finishOf(epilogue)

  readWeights(problem, taps, weightData, weights)
  for (let n = 0; n < problem.batch; n++) {
    readRows(imageData, imageSide, n, 0, imageSide.pixels, image)
    for (let row = 0; row < featureSide.pixels / rowLength; row++) {
      sums.fill(0)
      for (const { tap, from, to, first, step } of runsOf(grid, row)) {
        for (let f = 0, block = 1; f < problem.featureChannels; f += block) {
          block = blockAt(f, groupFeatures)
          const firstChannel = Math.floor(f / groupFeatures) * channels
          const sumAt = f * rowLength
          for (let c = 0; c < channels; c++) {
            const w = (tap * problem.featureChannels + f) * channels + c
            const i = (firstChannel + c) * imageSide.pixels + first
            if (block === 4) addToFour(sums, sumAt, rowLength, from, to, weights, w, channels, image, i, step)
            else addToOne(sums, sumAt, from, to, weights[w], image, i, step)
          }
        }
      }
      writeRows(sums, featureSide, n, row * rowLength, rowLength, out, finish)
    }
  }
}
