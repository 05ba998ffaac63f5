import { Adam } from 'convkit-examples-shared/adam.js'
import type { Digits } from 'convkit-examples-shared/digits.js'
import { meanSquare } from 'convkit-examples-shared/loss.js'
import { Random } from 'convkit-examples-shared/random.js'
import { train } from 'convkit-examples-shared/train.js'
import { Autoencoder } from './model.js'

/** Of the full run. */
export const EPOCHS = 10

export interface Learned {
  readonly model: Autoencoder
  /** Mean square error of each batch, in training. */
  readonly losses: readonly number[]
}

/** The same seed gives the same result, bit for bit. */
export async function learn(digits: Digits, tied: boolean, epochs: number): Promise<Learned> {
  const random = new Random(2)
  const model = new Autoencoder(tied, random)
  const adam = new Adam(model.network.parameters, { learningRate: 2e-3 })
  const name = tied ? 'tied weights' : 'free weights'
  const { error } = await train({ name, epochs, batchSize: 64, count: digits.length, random, step })
  return { model, losses: error }

  function step(indexes: Uint32Array): { error: number } {
    const pictures = digits.batch(indexes)
    const { value, gradient } = meanSquare(model.network.forward(pictures, true), pictures)
    model.network.backward(gradient, { input: false, parameters: true })
    adam.step()
    return { error: value }
  }
}

/** The mean square error on digits that were not learned from. */
export function reconstructionError(model: Autoencoder, digits: Digits): number {
  const pictures = digits.all()
  return meanSquare(model.reconstruct(pictures), pictures).value
}
