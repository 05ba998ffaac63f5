/**
 * A small DCGAN (Radford, Metz & Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative
 * Adversarial Networks"): no pooling, no dense layers inside, batch normalisation in both networks, ReLU in the
 * generator, leaky ReLU in the discriminator, weights from N(0, 0.02²).
 *
 *     noise       k7           k4 s2         k4 s2
 *     32×1×1 ──► 64×7×7 ──► 32×14×14 ──► 1×28×28                 generator: convTranspose2d
 *      1×1×1 ◄── 128×1×1 ◄── 64×7×7 ◄── 32×14×14 ◄── 1×28×28     discriminator: conv2d
 *   fake or real?
 *
 * The discriminator has one layer more than the paper's, which sees the whole digit.
 *
 * Pictures have values from −1 (paper) to 1 (ink).
 */
import { BatchNorm } from 'convkit-examples-shared/batch-norm.js'
import { conv, convTranspose } from 'convkit-examples-shared/convolution.js'
import { Sequential } from 'convkit-examples-shared/layer.js'
import type { Random } from 'convkit-examples-shared/random.js'

export const NOISE = 32
/** Of these numbers so many say which kind of digit. */
export const KINDS = 16
const WIDTH = 32
const LEAK = 0.2
const deviation = 0.02

export function generator(random: Random): Sequential {
  const normalised = { bias: false, deviation }
  return new Sequential([
    convTranspose(random, [NOISE, 2 * WIDTH, 7], normalised),
    new BatchNorm(2 * WIDTH),
    convTranspose(random, [2 * WIDTH, WIDTH, 4], { stride: 2, padding: 1, ...normalised }),
    new BatchNorm(WIDTH),
    convTranspose(random, [WIDTH, 1, 4], { stride: 2, padding: 1, activation: 'tanh', deviation }),
  ])
}

/** Gives the logarithm of the odds that a picture is real. */
export function discriminator(random: Random): Sequential {
  const half = { stride: 2, padding: 1, deviation }
  return new Sequential([
    conv(random, [1, WIDTH, 4], { ...half, activation: { type: 'leaky-relu', slope: LEAK } }),
    conv(random, [WIDTH, 2 * WIDTH, 4], { ...half, bias: false }),
    new BatchNorm(2 * WIDTH, LEAK),
    conv(random, [2 * WIDTH, 4 * WIDTH, 7], { deviation, bias: false }),
    new BatchNorm(4 * WIDTH, LEAK),
    conv(random, [4 * WIDTH, 1, 1], { deviation }),
  ])
}
