import type { Activation } from 'convkit'
import type { Layer } from './keras.js'

/** Keras' names of activations in convkit's words. Its hard_sigmoid has another slope than convkit's. */
const BY_NAME: Readonly<Record<string, Activation>> = {
  linear: 'linear',
  relu: 'relu',
  relu6: 'relu6',
  sigmoid: 'sigmoid',
  tanh: 'tanh',
  swish: 'silu',
  silu: 'silu',
  elu: { type: 'elu', alpha: 1 },
}

export function activationByName(name = 'linear'): Activation {
  const activation = BY_NAME[name]
  if (activation === undefined) throw new Error(`activation ${name} is not supported`)
  return activation
}

/** The activation that a layer consists of; undefined for a layer of another kind. */
export function activationOf({ name, kind, config, weights }: Layer): Activation | undefined {
  switch (kind) {
    case 'Activation':
      return activationByName(config.activation)
    case 'ELU':
      return { type: 'elu', alpha: config.alpha ?? 1 }
    case 'LeakyReLU':
      return { type: 'leaky-relu', slope: config.alpha ?? config.negative_slope ?? 0.3 }
    case 'PReLU': {
      const slope = weights.get('alpha')
      const channels = slope?.shape.at(-1)
      if (!slope || slope.size !== channels) throw new Error(`layer ${name}: PReLU needs one slope for each channel`)
      return { type: 'prelu', slope: slope.data }
    }
    case 'ReLU':
      if (config.threshold) throw new Error(`layer ${name}: a ReLU with a threshold is not supported`)
      if (!config.negative_slope) return { type: 'clip', min: 0, max: config.max_value ?? Infinity }
      if (config.max_value != null)
        throw new Error(`layer ${name}: a ReLU with both a slope and a limit is not supported`)
      return { type: 'leaky-relu', slope: config.negative_slope }
    default:
      return undefined
  }
}

/** The activation as a function of a value and its channel, for where no convolution comes before it. */
export function activationFunction(activation: Activation): (x: number, channel: number) => number {
  if (typeof activation === 'object') {
    switch (activation.type) {
      case 'clip':
        return (x) => Math.min(Math.max(x, activation.min), activation.max)
      case 'elu':
        return (x) => (x < 0 ? activation.alpha * Math.expm1(x) : x)
      case 'leaky-relu':
        return (x) => (x < 0 ? activation.slope * x : x)
      case 'prelu':
        return (x, channel) => (x < 0 ? activation.slope[channel] * x : x)
    }
  }
  switch (activation) {
    case 'linear':
      return (x) => x
    case 'relu':
      return (x) => Math.max(x, 0)
    case 'relu6':
      return (x) => Math.min(Math.max(x, 0), 6)
    case 'sigmoid':
      return (x) => 1 / (1 + Math.exp(-x))
    case 'silu':
      return (x) => x / (1 + Math.exp(-x))
    case 'tanh':
      return Math.tanh
    default:
      throw new Error(`activation ${activation} does not occur in Keras models`)
  }
}

/** For people. */
export function activationName(activation: Activation): string {
  return typeof activation === 'object' ? activation.type : activation
}
