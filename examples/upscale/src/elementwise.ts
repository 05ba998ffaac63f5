/** The layers between the convolutions. They move memory more than they compute: plain loops over the samples. */
import type { Activation } from 'convkit'
import { activationFunction, activationName } from './activation.js'
import type { Layer } from './keras.js'
import type { Operation, Shape } from './step.js'

export function activate(activation: Activation): Operation {
  const f = activationFunction(activation)
  return pointwise(activationName(activation), ([input], out) => {
    const channels = input.shape[input.rank - 1]
    for (let i = 0; i < out.length; i++) out[i] = f(input.data[i], i % channels)
  })
}

export function add(): Operation {
  return pointwise('add', ([first, ...others], out) => {
    out.set(first.data)
    for (const { data } of others) for (let i = 0; i < out.length; i++) out[i] += data[i]
  })
}

export function multiply(): Operation {
  return pointwise('multiply', ([first, ...others], out) => {
    out.set(first.data)
    for (const { data } of others) for (let i = 0; i < out.length; i++) out[i] *= data[i]
  })
}

export function rescale({ config: { scale = 1, offset = 0 } }: Layer): Operation {
  return pointwise('rescale', ([{ data }], out) => {
    for (let i = 0; i < out.length; i++) out[i] = data[i] * scale + offset
  })
}

/** One result sample from the samples at the same place. */
function pointwise(description: string, run: Operation['run']): Operation {
  const outputShape = (shapes: readonly Shape[]): Shape => {
    if (shapes.some((shape) => shape.join() !== shapes[0].join())) {
      throw new Error(`${description}: shapes differ (${shapes.map((shape) => `[${shape.join(', ')}]`).join(', ')})`)
    }
    return shapes[0]
  }
  return operation(description, outputShape, run)
}

/** Joins the channels of its inputs, pixel by pixel. */
export function concatenate({ name, config: { axis = -1 } }: Layer): Operation {
  if (axis !== -1 && axis !== 3) throw new Error(`layer ${name}: only channels can be concatenated, not axis ${axis}`)
  const outputShape = (shapes: readonly Shape[]): Shape => [
    ...shapes[0].slice(0, 3),
    shapes.reduce((sum, shape) => sum + shape[3], 0),
  ]
  return operation('concatenate', outputShape, (inputs, out) => {
    const total = inputs.reduce((sum, { shape }) => sum + shape[3], 0)
    let first = 0
    for (const { data, shape } of inputs) {
      const channels = shape[3]
      for (let from = 0, to = first; from < data.length; to += total - channels) {
        for (const end = from + channels; from < end;) out[to++] = data[from++]
      }
      first += channels
    }
  })
}

/** Nearest upsampling that no convolution could take in. */
export function upsample({ name, config }: Layer): Operation {
  if (config.interpolation !== 'nearest')
    throw new Error(`layer ${name}: ${config.interpolation} upsampling is not supported`)
  const [fy, fx] = [config.size ?? 2, config.size ?? 2].flat()
  const outputShape = ([[batch, height, width, channels]]: readonly Shape[]): Shape => [
    batch,
    height * fy,
    width * fx,
    channels,
  ]
  return operation(`upsample ×${fy}`, outputShape, ([{ data, shape }], out) => {
    const [batch, height, width, channels] = shape
    let to = 0
    for (let y = 0; y < batch * height * fy; y++) {
      for (let x = 0; x < width * fx; x++) {
        const from = (Math.floor(y / fy) * width + Math.floor(x / fx)) * channels
        for (let c = 0; c < channels; c++) out[to++] = data[from + c]
      }
    }
  })
}

function operation(description: string, outputShape: Operation['outputShape'], run: Operation['run']): Operation {
  return { description, outputShape, flops: () => 0, run }
}
