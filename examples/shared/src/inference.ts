/**
 * A trained network for use: each batch normalisation, by now a fixed scale and shift per channel, goes into the weights
 * and the bias of the convolution before it, its ReLU becomes the convolution's activation, and the weights are packed
 * once. What is left are convkit's operators one after another, and the results between them take the same memory again in
 * each call:
 *
 *     γ (w ∗ x − mean) / √(variance + ε) + β   =   (w · s) ∗ x + (β − mean · s),   s = γ / √(variance + ε)
 */
import { conv2d, Tensor, type Prepared } from 'convkit'
import { BatchNorm, EPSILON } from './batch-norm.js'
import { Convolution } from './convolution.js'
import { Memory, Sequential, type Layer } from './layer.js'

/** Gives what `network.forward(input, false)` would; later training does not change it. */
export function prepare(network: Sequential): (input: Tensor) => Tensor {
  const layers = flatten(network)
  const steps = layers.flatMap((layer, i) => {
    if (layer instanceof BatchNorm) return []
    if (!(layer instanceof Convolution)) throw new Error('only convolutions and batch normalisation can be prepared')
    const next = layers[i + 1]
    return [next instanceof BatchNorm ? prepareNormalised(layer, next) : prepareConvolution(layer)]
  })
  const memory = new Memory()
  return (input) =>
    steps.reduce((value, step, i) => {
      const last = i === steps.length - 1 // whose result is the caller's
      return step(value, last ? {} : { out: memory.take(String(i), step.outputShape(value.shape)) })
    }, input)
}

function flatten(layer: Layer): Layer[] {
  return layer instanceof Sequential ? layer.layers.flatMap(flatten) : [layer]
}

function prepareConvolution({ operator, weight, geometry, activation, bias }: Convolution): Prepared {
  return operator.prepare(weight.value, { ...geometry, activation, bias: bias?.value })
}

function prepareNormalised({ operator, weight, geometry }: Convolution, norm: BatchNorm): Prepared {
  const { channels, slope, running } = norm
  const scale = Float32Array.from({ length: channels }, (_, c) => {
    return norm.scale.value.data[c] / Math.sqrt(running.variance[c] + EPSILON)
  })
  const bias = scale.map((factor, c) => norm.shift.value.data[c] - running.mean[c] * factor)
  const { data, shape } = weight.value
  const taps = shape[2] * shape[3]
  const channelOf = (i: number): number =>
    operator === conv2d ? Math.floor(i / (shape[1] * taps)) : Math.floor(i / taps) % shape[1]
  const scaled = new Tensor(
    data.map((value, i) => value * scale[channelOf(i)]),
    shape,
  )
  return operator.prepare(scaled, { ...geometry, bias, activation: { type: 'leaky-relu', slope } })
}
