/**
 * The decoder of "Fully convolutional networks for semantic segmentation" (Long, Shelhamer, Darrell; 2015) in its
 * smallest form. A network with stride f sees one score where the photograph has f × f pixels. One transposed
 * convolution with stride f brings the scores back to full resolution; its kernel of 2f × 2f taps starts as bilinear
 * interpolation, and then it may learn.
 */
import { convTranspose2d, Tensor, zeros, type BackendOption, type ConvTransposeOptions } from 'convkit'
import { Adam } from 'convkit-examples-shared/adam.js'
import { parameter } from 'convkit-examples-shared/layer.js'
import { meanSquare } from 'convkit-examples-shared/loss.js'
import { Random } from 'convkit-examples-shared/random.js'
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
  return { weight: new Random(seed).normals(weight.shape, 0.03), options }
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

/** Learns the kernel by gradient descent on the mean squared error, with Adam as the optimiser. */
export function train(start: Upsampling, { coarse, fine }: Pairs, training: TrainingOptions = {}): Upsampling {
  const { steps = 200, learningRate = 0.1, backend = 'auto', onStep } = training
  const options = { ...start.options, backend }
  const weight = new Tensor(start.weight.data.slice(), start.weight.shape)
  const learned = parameter(weight)
  const adam = new Adam([learned])
  for (let step = 0; step < steps; step++) {
    const { value, gradient } = meanSquare(upsample({ weight, options }, coarse), fine)
    onStep?.(step, value)
    convTranspose2d.gradWeight(coarse, weight.shape, gradient, { ...options, out: learned.gradient })
    adam.learningRate = learningRate * (1 - step / steps) // smaller and smaller steps
    adam.step()
  }
  return { weight, options: start.options }
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
  return { meanSquare: meanSquare(result, fine).value, intersectionOverUnion: both / either }
}
