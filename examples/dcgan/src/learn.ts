/**
 * Two networks play against each other. For each batch:
 *
 *     1. the discriminator learns to say yes to digits and no to what the generator makes of noise;
 *     2. the generator learns to make the discriminator say yes: the gradient of that answer with respect to the picture
 *        comes back through the discriminator, which does not learn from it, and goes on into the generator.
 */
import type { Tensor } from 'convkit'
import { Adam } from 'convkit-examples-shared/adam.js'
import { Average } from 'convkit-examples-shared/average.js'
import type { Digits } from 'convkit-examples-shared/digits.js'
import type { Layer, Sequential } from 'convkit-examples-shared/layer.js'
import { sigmoidCrossEntropy } from 'convkit-examples-shared/loss.js'
import { Random } from 'convkit-examples-shared/random.js'
import { train } from 'convkit-examples-shared/train.js'
import { discriminator, generator, KINDS, NOISE } from './model.js'

/** Of the full run. */
export const EPOCHS = 10
/** Small, as 9,000 digits make few batches of 64 and it is steps that count. */
export const BATCH = 32
/** In the first half of the training; in the second it falls to zero, so that the two come to rest. */
const LEARNING_RATE = 1e-3
export const ADAM = { learningRate: LEARNING_RATE, beta1: 0.5 }
/** Real pictures count as real to 90 % ("one-sided label smoothing"), so that the discriminator does not grow too sure. */
export const REAL = 0.9

export class Gan {
  readonly generator: Sequential
  readonly discriminator: Sequential
  /** The generator with the running mean of its weights, for use: its samples are better. */
  readonly averaged: Sequential
  private readonly average: Average
  private readonly adam: { readonly generator: Adam; readonly discriminator: Adam }

  constructor(
    private readonly random: Random,
    makeGenerator: (random: Random) => Sequential = generator,
  ) {
    this.generator = makeGenerator(random)
    this.discriminator = discriminator(random)
    this.averaged = makeGenerator(new Random(0))
    this.average = new Average(this.generator.parameters, this.averaged.parameters)
    this.adam = {
      generator: new Adam(this.generator.parameters, ADAM),
      discriminator: new Adam(this.discriminator.parameters, ADAM),
    }
  }

  /** Both networks' step for one batch of pictures with values from −1 to 1; gives their losses. */
  learn(real: Tensor, z = noise(this.random, real.shape[0])): { discriminator: number; generator: number } {
    const fake = this.generator.forward(z, true)
    const loss = this.judge(real, REAL) + this.judge(fake, 0)
    this.adam.discriminator.step()

    const { value, gradient } = sigmoidCrossEntropy(this.discriminator.forward(fake, true), 1)
    const gradPicture = this.discriminator.backward(gradient, { input: true, parameters: false })!
    this.generator.backward(gradPicture, { input: false, parameters: true })
    this.adam.generator.step()
    return { discriminator: loss, generator: value }
  }

  /** To be called after each step. */
  updateAverage(): void {
    this.average.step()
  }

  /** Gives the averaged generator's batch normalisation the statistics of its own samples. */
  settle(batches = 30): void {
    const random = new Random(9)
    for (let i = 0; i < batches; i++) this.averaged.forward(noise(random, 100), true)
  }

  setLearningRate(rate: number): void {
    this.adam.generator.learningRate = rate
    this.adam.discriminator.learningRate = rate
  }

  private judge(pictures: Tensor, answer: number): number {
    const { value, gradient } = sigmoidCrossEntropy(this.discriminator.forward(pictures, true), answer)
    this.discriminator.backward(gradient, { input: false, parameters: true })
    return value
  }
}

/**
 * Digits come in kinds with nothing between them, but normal noise has no gaps: what it makes between two kinds is a bit of
 * both. So half of the noise says which of 16 kinds, one number being 3 and the others 0, and only the rest is normal. What the
 * kinds are is left to the generator (as in DeLiGAN: Gurumurthy et al., "Generative Adversarial Networks for Diverse and
 * Limited Data", where the kinds' centres are learned).
 */
export function noise(random: Random, count: number): Tensor {
  const z = random.normals([count, NOISE, 1, 1])
  for (let start = 0; start < z.size; start += NOISE) {
    z.data.fill(0, start, start + KINDS)
    z.data[start + Math.floor(KINDS * random.uniform())] = 3
  }
  return z
}

/** Trains a GAN on centered digits; the same seed gives the same networks, bit for bit. */
export async function learn(
  digits: Digits,
  epochs: number,
  options: {
    name?: string
    makeGenerator?: (random: Random) => Sequential
    afterEpoch?: (epoch: number, generator: Layer) => void
  } = {},
): Promise<{ gan: Gan; losses: Record<string, number[]> }> {
  const random = new Random(3)
  const gan = new Gan(random, options.makeGenerator)
  const step = (indexes: Uint32Array): Record<string, number> => {
    const losses = gan.learn(digits.batch(indexes))
    gan.updateAverage()
    return losses
  }
  const losses = await train({
    name: options.name ?? 'GAN',
    epochs,
    batchSize: BATCH,
    count: digits.length,
    random,
    step,
    afterEpoch(epoch) {
      gan.setLearningRate(LEARNING_RATE * Math.min(1, 2 - (2 * epoch) / epochs))
      gan.settle()
      options.afterEpoch?.(epoch, gan.averaged)
    },
  })
  return { gan, losses }
}
