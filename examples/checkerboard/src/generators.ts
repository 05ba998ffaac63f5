/**
 * One generator, with three ways to double the size of a picture.
 *
 *     noise       k7          ×2          ×2
 *     32×1×1 ──► 32×7×7 ──► 16×14×14 ──► 1×28×28
 *
 * How many taps meet in a sample of the output, along one axis:
 *
 *     k3 s2       1 2 1 2 1 2      uneven: columns alternate unless the weights are just so
 *     k4 s2       2 2 2 2 2 2      even, but odd and even columns have weights of their own, free to differ
 *     upsampled   2 2 2 2 2 2      the same taps, tied so that a constant picture stays constant
 *
 * (Odena, Dumoulin & Olah, "Deconvolution and Checkerboard Artifacts".)
 */
import { BatchNorm } from 'convkit-examples-shared/batch-norm.js'
import { convTranspose, type Details, type Initial } from 'convkit-examples-shared/convolution.js'
import { Sequential, type Layer } from 'convkit-examples-shared/layer.js'
import type { Random } from 'convkit-examples-shared/random.js'
import { NOISE } from '../../dcgan/src/model.js'
import { upsampled } from './upsampled.js'

const WIDTH = 16
const deviation = 0.02

/** Makes the layer that doubles the size. */
type Doubling = (
  random: Random,
  channels: readonly [inputs: number, outputs: number],
  extras: Details & Initial,
) => Layer

export const DOUBLINGS: Readonly<Record<string, Doubling>> = {
  'k3 s2': (random, [inputs, outputs], extras) =>
    convTranspose(random, [inputs, outputs, 3], { stride: 2, padding: 1, outputPadding: 1, ...extras }),
  'k4 s2': (random, [inputs, outputs], extras) =>
    convTranspose(random, [inputs, outputs, 4], { stride: 2, padding: 1, ...extras }),
  upsampled: (random, [inputs, outputs], extras) => upsampled(random, [inputs, outputs, 3], extras),
}

export function generator(random: Random, double: Doubling): Sequential {
  return new Sequential([
    convTranspose(random, [NOISE, 2 * WIDTH, 7], { bias: false, deviation }),
    new BatchNorm(2 * WIDTH),
    double(random, [2 * WIDTH, WIDTH], { bias: false, deviation }),
    new BatchNorm(WIDTH),
    double(random, [WIDTH, 1], { activation: 'tanh', deviation }),
  ])
}
