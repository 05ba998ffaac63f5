/**
 * The decoder of "Fully convolutional networks for semantic segmentation" (Long, Shelhamer, Darrell; 2015) in its
 * smallest form. A network with stride f sees one score where the photograph has f × f pixels. One transposed
 * convolution with stride f brings the scores back to full resolution; its kernel of 2f × 2f taps starts as bilinear
 * interpolation, and then it may learn.
 */
import { convTranspose2d, Tensor, zeros, type BackendOption, type ConvTransposeOptions } from 'convkit'
import { addFrame, framedBilinear } from './resize.js'

export interface Pairs {
  /** `[batch, height / f + 2, width / f + 2, 1]`: a frame repeats the edges, so that scores do not fade there. */
  readonly coarse: Tensor
  /** `[batch, height, width, 1]` */
  readonly fine: Tensor
}

export interface Upsampling {
  readonly weight: Tensor
  readonly options: ConvTransposeOptions
}

/** Every pixel's class, and the part of each f × f pixels that belongs to the person. */
export function makePairs(masks: Tensor, factor: number): Pairs {
  const fine = new Tensor(
    masks.data.map((value) => (value > 0.5 ? 1 : 0)),
    masks.shape,
  )
  return { coarse: addFrame(averages(fine, factor)), fine }
}

/** The mean of each f × f pixels. */
export function averages({ data, shape: [batch, height, width] }: Tensor, factor: number): Tensor {
  const [rows, columns] = [height / factor, width / factor]
  const means = zeros([batch, rows, columns, 1])
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width)]
    means.data[Math.floor(y / factor) * columns + Math.floor(x / factor)] += data[i] / factor ** 2
  }
  return means
}

export function fixed(factor: number): Upsampling {
  return framedBilinear(1, [factor, factor])
}

/** The same layer with a kernel of small random numbers. */
export function random(factor: number, seed = 1): Upsampling {
  const { weight, options } = fixed(factor)
  let state = seed
  const uniform = (): number => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff
  const values = weight.data.map(() => (uniform() - 0.5) / 10)
  return { weight: new Tensor(values, weight.shape), options }
}

export function upsample({ weight, options }: Upsampling, coarse: Tensor): Tensor {
  return convTranspose2d(coarse, weight, options)
}

export interface TrainingOptions {
  readonly steps?: number
  readonly learningRate?: number
  readonly backend?: BackendOption
  readonly onStep?: (step: number, loss: number) => void
}

/** Learns the kernel by gradient descent on the mean squared error, with Adam (Kingma, Ba; 2015) as the optimiser. */
export function train(start: Upsampling, { coarse, fine }: Pairs, training: TrainingOptions = {}): Upsampling {
  const { steps = 200, learningRate = 0.1, backend = 'auto', onStep } = training
  const options = { ...start.options, backend }
  const weight = new Tensor(start.weight.data.slice(), start.weight.shape)
  const adam = makeAdam(weight.size)
  for (let step = 0; step < steps; step++) {
    const output = upsample({ weight, options }, coarse)
    onStep?.(step, meanSquare(output, fine))
    // Of the mean of (output - fine)² over all pixels the derivative by an output is 2 (output - fine) / pixels.
    const gradOutput = scaledDifference(output, fine, 2 / output.data.length)
    const gradient = convTranspose2d.gradWeight(coarse, weight.shape, gradOutput, options)
    adam(weight.data, gradient.data, learningRate * (1 - step / steps)) // smaller and smaller steps
  }
  return { weight, options: start.options }
}

type Optimiser = (weights: Tensor['data'], gradient: Tensor['data'], learningRate: number) => void

/** Steps of one length in each weight, less where the gradient keeps changing its sign. */
function makeAdam(size: number): Optimiser {
  const mean = new Float64Array(size)
  const square = new Float64Array(size)
  let step = 0
  return (weights, gradient, learningRate) => {
    step++
    for (let i = 0; i < size; i++) {
      mean[i] += 0.1 * (gradient[i] - mean[i])
      square[i] += 0.001 * (gradient[i] ** 2 - square[i])
      const scale = Math.sqrt(square[i] / (1 - 0.999 ** step)) + 1e-12
      weights[i] -= (learningRate * mean[i]) / (1 - 0.9 ** step) / scale
    }
  }
}

export interface Score {
  readonly meanSquare: number
  /** Of the pixels that either says are the person's, the part on which both agree. */
  readonly intersectionOverUnion: number
}

export function score(result: Tensor, fine: Tensor): Score {
  let both = 0
  let either = 0
  for (let i = 0; i < fine.data.length; i++) {
    const [a, b] = [result.data[i] > 0.5, fine.data[i] > 0.5]
    if (a && b) both++
    if (a || b) either++
  }
  return { meanSquare: meanSquare(result, fine), intersectionOverUnion: both / either }
}

function meanSquare({ data: a }: Tensor, { data: b }: Tensor): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2
  return sum / a.length
}

function scaledDifference({ data: a, shape }: Tensor, { data: b }: Tensor, scale: number): Tensor {
  const result = new Float32Array(a.length)
  for (let i = 0; i < a.length; i++) result[i] = (a[i] - b[i]) * scale
  return new Tensor(result, shape)
}
