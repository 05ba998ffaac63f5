/** The examples' networks in TensorFlow.js, layer by layer with the same weights. */
import * as tf from '@tensorflow/tfjs'
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { conv2d, type FloatArray, type Tensor } from 'convkit'
import { BatchNorm, EPSILON } from 'convkit-examples-shared/batch-norm.js'
import { Convolution } from 'convkit-examples-shared/convolution.js'
import { Sequential, type Layer } from 'convkit-examples-shared/layer.js'

export type Backend = 'cpu' | 'wasm'

export function setUp(): void {
  tf.enableProdMode()
  const wasm = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json')
  setWasmPaths(join(dirname(wasm), 'dist/'))
  setThreadsCount(availableParallelism())
}

/** @param inputShape - convkit's, without the batch: `[channels, height, width]` */
export function toTensorFlow(network: Sequential, [channels, height, width]: readonly number[]): tf.Sequential {
  const model = tf.sequential()
  model.add(tf.layers.inputLayer({ inputShape: [height, width, channels] }))
  network.layers.flatMap(flatten).forEach((layer) => addLayer(model, layer))
  return model
}

function flatten(layer: Layer): Layer[] {
  return layer instanceof Sequential ? layer.layers.flatMap(flatten) : [layer]
}

function addLayer(model: tf.Sequential, layer: Layer): void {
  if (layer instanceof BatchNorm) {
    const norm = tf.layers.batchNormalization({ epsilon: EPSILON, momentum: 0.9 })
    model.add(norm)
    const { scale, shift, running } = layer
    norm.setWeights([scale.value.data, shift.value.data, running.mean, running.variance].map(toVector))
    model.add(layer.slope === 0 ? tf.layers.reLU() : tf.layers.leakyReLU({ alpha: layer.slope }))
  } else if (layer instanceof Convolution) {
    const { operator, weight, geometry, activation, bias } = layer
    const [first, second, k] = weight.value.shape
    const { stride = 1, padding = 0 } = geometry
    // With these, TensorFlow's 'same' is what the examples pad.
    if (padding !== (stride === 1 ? 0 : (k - stride) / 2)) throw new Error(`no equal of padding ${padding}`)
    const config = {
      filters: operator === conv2d ? first : second,
      kernelSize: k,
      strides: stride,
      padding: padding === 0 ? ('valid' as const) : ('same' as const),
      useBias: bias !== undefined,
      ...(typeof activation === 'string' && { activation: activation as 'relu' | 'sigmoid' | 'tanh' | 'linear' }),
    }
    const added = operator === conv2d ? tf.layers.conv2d(config) : tf.layers.conv2dTranspose(config)
    model.add(added)
    // [a, b, y, x] to [y, x, b, a], for both operators.
    const kernel = tf.transpose(tf.tensor(weight.value.data as Float32Array, [...weight.value.shape]), [2, 3, 1, 0])
    added.setWeights(bias ? [kernel, toVector(bias.value.data)] : [kernel])
    if (typeof activation === 'object' && activation.type === 'leaky-relu')
      model.add(tf.layers.leakyReLU({ alpha: activation.slope }))
  } else throw new Error('no equal of this layer')
}

function toVector(values: FloatArray): tf.Tensor1D {
  return tf.tensor1d(Float32Array.from(values))
}

/** A batch of one-channel pictures, or of vectors: the same memory in both layouts. */
export function toChannelsLast({ data, shape }: Tensor): tf.Tensor4D {
  const [count, channels, height, width] = shape
  if (channels !== 1 && height * width !== 1) throw new Error('would need a transposition')
  return tf.tensor4d(data as Float32Array, [count, height, width, channels])
}
