/**
 * A convolutional autoencoder: the encoder squeezes a digit into 32 numbers, the decoder makes a digit of them again.
 *
 *                 k8 s2        k4 s2         k7
 *     1×28×28 ──► 16×14×14 ──► 32×7×7 ──► 32×1×1        encoder: conv2d
 *     1×28×28 ◄── 16×14×14 ◄── 32×7×7 ◄── 32×1×1        decoder: convTranspose2d
 *
 * Each layer of the decoder undoes the geometry of one of the encoder, and convkit's transposed convolution takes the
 * weights of the convolution whose transpose it is. So the decoder's weights have the shape of the encoder's, and "tied"
 * is to pass it the same ones. Each weight then collects two gradients, one from each of its uses.
 */
import { conv2d, convTranspose2d, type Tensor } from 'convkit'
import type { Activation } from 'convkit-examples-shared/activation.js'
import { Convolution, randomWeight, type Geometry } from 'convkit-examples-shared/convolution.js'
import { Sequential } from 'convkit-examples-shared/layer.js'
import type { Random } from 'convkit-examples-shared/random.js'

/** Of the convolutions, from the picture to the code: `[outputs, inputs, k, k]`. */
const LEVELS: readonly { readonly shape: readonly number[]; readonly geometry: Geometry }[] = [
  { shape: [16, 1, 8, 8], geometry: { stride: 2, padding: 3 } },
  { shape: [32, 16, 4, 4], geometry: { stride: 2, padding: 1 } },
  { shape: [32, 32, 7, 7], geometry: {} },
]

export class Autoencoder {
  readonly encoder: Sequential
  readonly decoder: Sequential
  readonly network: Sequential

  constructor(tied: boolean, random: Random) {
    const encoder: Convolution[] = []
    const decoder: Convolution[] = []
    LEVELS.forEach(({ shape, geometry }, level) => {
      const [outputs, inputs, k] = shape
      const { stride = 1 } = geometry
      const last = level === LEVELS.length - 1
      // Strokes show in the first kernels once they have grown out of the noise that they begin with: little of it, then.
      const deviation = level === 0 ? 0.08 : undefined
      const weight = randomWeight(random, shape, inputs * k * k, deviation)
      encoder.push(new Convolution(conv2d, weight, { ...geometry, activation: last ? 'linear' : 'relu' }))

      const activation: Activation = level === 0 ? 'sigmoid' : 'relu'
      const back = tied ? weight : randomWeight(random, shape, outputs * (k / stride) ** 2, deviation)
      decoder.unshift(new Convolution(convTranspose2d, back, { ...geometry, activation }))
    })
    this.encoder = new Sequential(encoder)
    this.decoder = new Sequential(decoder)
    this.network = new Sequential([this.encoder, this.decoder])
  }

  reconstruct(pictures: Tensor): Tensor {
    return this.network.forward(pictures, false)
  }

  /** The kernels of the first layer, `[16, 1, 8, 8]`, and of the last: the same ones where tied. */
  get kernels(): { encoder: Tensor; decoder: Tensor } {
    const [encoder, decoder] = [this.encoder.layers.at(0), this.decoder.layers.at(-1)] as Convolution[]
    return { encoder: encoder.weight.value, decoder: decoder.weight.value }
  }
}
