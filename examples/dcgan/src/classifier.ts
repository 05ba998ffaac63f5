/** A small classifier, which judges what the generator makes. */
import { Tensor } from 'convkit'
import { Adam } from 'convkit-examples-shared/adam.js'
import { BatchNorm } from 'convkit-examples-shared/batch-norm.js'
import { conv } from 'convkit-examples-shared/convolution.js'
import type { Digits } from 'convkit-examples-shared/digits.js'
import { Sequential } from 'convkit-examples-shared/layer.js'
import { softmax, softmaxCrossEntropy } from 'convkit-examples-shared/loss.js'
import { Random } from 'convkit-examples-shared/random.js'
import { train } from 'convkit-examples-shared/train.js'

/** Of the first epoch; it falls to zero from there. */
const LEARNING_RATE = 2e-3

/** Takes values from −1 to 1; gives ten numbers for each picture. */
export function classifier(random: Random): Sequential {
  return new Sequential([
    conv(random, [1, 24, 5], { stride: 2, padding: 2, bias: false }),
    new BatchNorm(24),
    conv(random, [24, 48, 5], { stride: 2, padding: 2, bias: false }),
    new BatchNorm(48),
    conv(random, [48, 10, 7], { deviation: 0.01 }),
  ])
}

/** Learns from centered digits, shifted by up to two pixels: 9,000 are few, and a shifted digit is as good as a new one. */
export async function learnClassifier(digits: Digits, epochs = 10): Promise<Sequential> {
  const random = new Random(4)
  const network = classifier(random)
  const adam = new Adam(network.parameters, { learningRate: LEARNING_RATE })
  await train({ name: 'classifier', epochs, batchSize: 64, count: digits.length, random, step, afterEpoch })
  return network

  function afterEpoch(epoch: number): void {
    adam.learningRate = LEARNING_RATE * (1 - epoch / epochs)
  }

  function step(indexes: Uint32Array): { loss: number } {
    const labels = Uint8Array.from(indexes, (i) => digits.labels[i])
    const { value, gradient } = softmaxCrossEntropy(network.forward(shift(digits.batch(indexes), random), true), labels)
    network.backward(gradient, { input: false, parameters: true })
    adam.step()
    return { loss: value }
  }
}

/** Each picture moved by −2 … 2 pixels in both directions; what enters is paper. */
function shift({ data, shape }: Tensor, random: Random): Tensor {
  const [count, , height, width] = shape
  const shifted = new Float32Array(data.length).fill(-1)
  for (let n = 0; n < count; n++) {
    const [right, down] = [Math.floor(5 * random.uniform()) - 2, Math.floor(5 * random.uniform()) - 2]
    for (let y = Math.max(0, down); y < Math.min(height, height + down); y++) {
      for (let x = Math.max(0, right); x < Math.min(width, width + right); x++)
        shifted[(n * height + y) * width + x] = data[(n * height + y - down) * width + x - right]
    }
  }
  return new Tensor(shifted, shape)
}

export interface Answer {
  readonly digit: number
  /** Its probability, as the classifier sees it. */
  readonly confidence: number
}

export function classify(network: Sequential, pictures: Tensor): Answer[] {
  const { data, shape } = softmax(network.forward(pictures, false))
  return Array.from({ length: shape[0] }, (_, n) => {
    const probabilities = data.subarray(n * shape[1], (n + 1) * shape[1])
    const confidence = Math.max(...probabilities)
    return { digit: probabilities.indexOf(confidence), confidence }
  })
}

/** The share of digits that are recognised. */
export function accuracy(network: Sequential, digits: Digits): number {
  const right = classify(network, digits.all()).filter(({ digit }, i) => digit === digits.labels[i])
  return right.length / digits.length
}
