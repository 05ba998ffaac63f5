/** What is timed: each job on convkit and on TensorFlow.js, with the same weights and the same batch. */
import * as tf from '@tensorflow/tfjs'
import type { Tensor } from 'convkit'
import { Adam } from 'convkit-examples-shared/adam.js'
import { loadDigits } from 'convkit-examples-shared/digits.js'
import type { Sequential } from 'convkit-examples-shared/layer.js'
import { meanSquare } from 'convkit-examples-shared/loss.js'
import { prepare } from 'convkit-examples-shared/inference.js'
import { Random } from 'convkit-examples-shared/random.js'
import { Autoencoder } from '../../autoencoder/src/model.js'
import { ADAM, Gan, noise, REAL } from '../../dcgan/src/learn.js'
import { readGraphModel } from '../../segmentation/src/graph.js'
import { readPhotograph } from '../../segmentation/src/image.js'
import { resizeBilinear } from '../../segmentation/src/interpolation.js'
import { loadNetwork, modelFile, photographs } from '../../segmentation/src/model.js'
import { loadInTensorFlow } from '../../segmentation/src/tensorflow.js'
import { toChannelsLast, toTensorFlow } from './tensorflow.js'

/** Works on one batch; gives what can be compared: a result, or the losses of a training step. */
export type Work = () => ArrayLike<number>

export interface Job {
  readonly name: string
  readonly training: boolean
  /** In a batch. */
  readonly images: number
  /** By how much results may differ. */
  readonly tolerance: number
  readonly convkit: Work
  /** For the backend that is set when it is called. */
  tensorFlow(): Work | Promise<Work>
}

/** TensorFlow.js' `cpu` backend, the only one of its own that can train, takes long for a step: small batches there. */
export async function makeJobs({ training, use }: { training: number; use: number }): Promise<Job[]> {
  const random = new Random(1)
  const digits = (count: number): Tensor => loadDigits().training.batch(Array.from({ length: count }, (_, i) => i))
  const trained = new Gan(random)
  const used = new Gan(random) // of its own, as those that are trained change
  return [
    trainAutoencoder(new Autoencoder(false, random), digits(training)),
    trainGan(trained, digits(training), noise(random, training)),
    useNetwork('autoencoder', new Autoencoder(false, random).network, digits(use)),
    useNetwork('DCGAN, generator', used.generator, noise(random, use)),
    useNetwork('DCGAN, discriminator', used.discriminator, digits(use)),
    await segment(),
  ]
}

function useNetwork(name: string, network: Sequential, input: Tensor): Job {
  const prepared = prepare(network)
  return {
    name,
    training: false,
    images: input.shape[0],
    tolerance: 1e-3,
    convkit: () => prepared(input).data,
    tensorFlow() {
      const model = toTensorFlow(network, input.shape.slice(1))
      const x = toChannelsLast(input)
      return () => read(model.predict(x, { batchSize: input.shape[0] }) as tf.Tensor)
    },
  }
}

function trainAutoencoder({ network }: Autoencoder, input: Tensor): Job {
  const adam = new Adam(network.parameters)
  return {
    name: 'autoencoder',
    training: true,
    images: input.shape[0],
    tolerance: 1e-3,
    convkit() {
      const { value, gradient } = meanSquare(network.forward(input, true), input)
      network.backward(gradient, { input: false, parameters: true })
      adam.step()
      return [value]
    },
    tensorFlow() {
      const model = toTensorFlow(network, input.shape.slice(1))
      const optimizer = tf.train.adam(1e-3)
      const x = toChannelsLast(input)
      return () =>
        tf.tidy(() => {
          const loss = (): tf.Scalar => tf.losses.meanSquaredError(x, model.apply(x, { training: true }) as tf.Tensor)
          return optimizer.minimize(loss, true)!.dataSync<'float32'>()
        })
    },
  }
}

function trainGan(gan: Gan, real: Tensor, noise: Tensor): Job {
  return {
    name: 'DCGAN',
    training: true,
    images: real.shape[0],
    // A first step of Adam has the gradient's sign alone, and rounding turns that where batch normalisation leaves almost none.
    tolerance: 0.05,
    convkit: () => Object.values(gan.learn(real, noise)),
    tensorFlow() {
      const generator = toTensorFlow(gan.generator, noise.shape.slice(1))
      const discriminator = toTensorFlow(gan.discriminator, real.shape.slice(1))
      const [ofGenerator, ofDiscriminator] = [generator, discriminator].map((model) => ({
        optimizer: tf.train.adam(ADAM.learningRate, ADAM.beta1),
        variables: model.trainableWeights.map((weight) => weight.read() as tf.Variable),
      }))
      const [x, z] = [real, noise].map(toChannelsLast)
      const judge = (pictures: tf.Tensor, answer: number): tf.Scalar => {
        const output = discriminator.apply(pictures, { training: true }) as tf.Tensor
        return tf.losses.sigmoidCrossEntropy(tf.fill(output.shape, answer), output)
      }
      return () =>
        tf.tidy(() => {
          const make = (): tf.Tensor => generator.apply(z, { training: true }) as tf.Tensor
          const fake = make()
          const first = ofDiscriminator.optimizer.minimize(
            () => tf.add(judge(x, REAL), judge(fake, 0)),
            true,
            ofDiscriminator.variables,
          )!
          const second = ofGenerator.optimizer.minimize(() => judge(make(), 1), true, ofGenerator.variables)!
          return [first.dataSync()[0], second.dataSync()[0]]
        })
    },
  }
}

/** One photograph after the other, as a camera gives them. */
async function segment(): Promise<Job> {
  const network = await loadNetwork()
  const [, height, width] = network.inputShape
  const photo = resizeBilinear(await readPhotograph(photographs[0]), [height, width])
  return {
    name: 'segmentation',
    training: false,
    images: 1,
    tolerance: 0.02, // the model's 1/6 in half precision, see segmentation/README.md
    convkit: () => network.run(photo).data,
    async tensorFlow() {
      const model = await loadInTensorFlow(await readGraphModel(modelFile))
      const x = tf.tensor(photo.data, [...photo.shape])
      return () => read(model.predict(x) as tf.Tensor)
    },
  }
}

/** Not in a `tf.tidy`, where a model of TensorFlow.js takes twice as long: without, it frees what lies between its layers itself. */
function read(result: tf.Tensor): Float32Array {
  const values = result.dataSync<'float32'>()
  result.dispose()
  return values
}
