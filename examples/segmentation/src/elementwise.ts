/** The operations between the convolutions: plain loops over `[batch, height, width, channels]`. */
import { conv2d, gradBias, type BackendOption } from 'convkit'
import type { Node } from './graph.js'
import { sizeOf, type Operation, type Shape } from './operation.js'

/** `inputs` are the shapes of the node's inputs. */
export function elementwise(node: Node, inputs: readonly Shape[], backend: BackendOption): Operation {
  switch (node.op) {
    case 'Add':
    case 'AddV2':
    case 'AddN':
      return combine(node, 'add', inputs, add)
    case 'Mul':
      return isGate(inputs) ? gate(inputs[0], backend) : combine(node, 'multiply', inputs, multiply)
    case 'Relu':
      return pointwise('relu', inputs[0], (x) => Math.max(x, 0))
    case 'Relu6':
      return pointwise('relu6', inputs[0], (x) => Math.min(Math.max(x, 0), 6))
    case 'Sigmoid':
      return pointwise('sigmoid', inputs[0], (x) => 1 / (1 + Math.exp(-x)))
    case 'AvgPool':
      return isGlobal(node, inputs[0]) ? globalAverage(inputs[0], backend) : averagePool(node, inputs[0])
    default:
      throw new Error(`node ${node.name}: operations of kind ${node.op} are not supported`)
  }
}

/** Puts a sample of the largest input together with one of another input, which repeats itself over and over. */
type Combination = (large: Float32Array, other: Float32Array, out: Float32Array) => void

const add: Combination = (large, other, out) => {
  const period = other.length
  for (let from = 0; from < out.length; from += period) {
    for (let i = 0; i < period; i++) out[from + i] = large[from + i] + other[i]
  }
}

const multiply: Combination = (large, other, out) => {
  const period = other.length
  for (let from = 0; from < out.length; from += period) {
    for (let i = 0; i < period; i++) out[from + i] = large[from + i] * other[i]
  }
}

/** Each input has the shape of the largest, or holds one value for each channel, or a single one. */
function combine({ name }: Node, description: string, shapes: readonly Shape[], combination: Combination): Operation {
  const sizes = shapes.map(sizeOf)
  const largest = sizes.indexOf(Math.max(...sizes))
  const outputShape = shapes[largest]
  const fits = shapes.every((shape, i) => {
    const broadcast = shape.every((extent, axis) => [1, outputShape.at(axis - shape.length)].includes(extent))
    return broadcast && [1, outputShape.at(-1), sizes[largest]].includes(sizes[i])
  })
  if (!fits) throw new Error(`node ${name}: cannot ${description} ${shapes.map((shape) => `[${shape}]`).join(', ')}`)
  return {
    description,
    outputShape,
    flops: 0,
    run: (inputs, out) => {
      const arrays = inputs.map(({ data }) => data as Float32Array)
      const [large] = arrays.splice(largest, 1)
      arrays.reduce((sofar, other) => (combination(sofar, other, out), out), large)
    },
  }
}

/** One factor for each channel: the squeeze and excitation of MobileNet v3. */
function isGate([[batch, , , channels], factors]: readonly Shape[]): boolean {
  return batch === 1 && factors?.join() === [1, 1, 1, channels].join()
}

/** A depthwise convolution of one tap, whose weights come anew with each frame. */
function gate(outputShape: Shape, backend: BackendOption): Operation {
  const groups = outputShape[3]
  return {
    description: 'multiply',
    outputShape,
    flops: 0,
    run: ([image, factors], out) => void conv2d(image, factors, { layout: 'channels-last', groups, backend, out }),
  }
}

function pointwise(description: string, outputShape: Shape, f: (x: number) => number): Operation {
  return {
    description,
    outputShape,
    flops: 0,
    run: ([{ data }], out) => {
      for (let i = 0; i < out.length; i++) out[i] = f(data[i])
    },
  }
}

function isGlobal({ window, padding }: Node, [batch, height, width]: Shape): boolean {
  return batch === 1 && padding === 'valid' && window[0] === height && window[1] === width
}

/** The sum over all pixels is what a bias has for its gradient. */
function globalAverage([, height, width, channels]: Shape, backend: BackendOption): Operation {
  return {
    description: `average ${height}×${width}`,
    outputShape: [1, 1, 1, channels],
    flops: 0,
    run: ([image], out) => {
      gradBias(image, { layout: 'channels-last', backend, out })
      for (let c = 0; c < channels; c++) out[c] /= height * width
    },
  }
}

function averagePool({ name, window: [wy, wx], strides: [sy, sx], padding }: Node, shape: Shape): Operation {
  if (padding !== 'valid') throw new Error(`node ${name}: a padded pooling is not supported`)
  const [batch, height, width, channels] = shape
  const outputShape = [batch, Math.floor((height - wy) / sy) + 1, Math.floor((width - wx) / sx) + 1, channels]
  const sums = new Float64Array(channels)
  return {
    description: `average ${wy}×${wx}`,
    outputShape,
    flops: 0,
    run: ([{ data }], out) => {
      const [, rows, columns] = outputShape
      for (let to = 0; to < out.length; to += channels) {
        const pixel = to / channels
        const [x, row] = [(pixel % columns) * sx, Math.floor(pixel / columns)]
        const y = (row % rows) * sy + Math.floor(row / rows) * height
        sums.fill(0)
        for (let dy = 0; dy < wy; dy++) {
          let from = ((y + dy) * width + x) * channels
          for (const end = from + wx * channels; from < end; from += channels) {
            for (let c = 0; c < channels; c++) sums[c] += data[from + c]
          }
        }
        for (let c = 0; c < channels; c++) out[to + c] = sums[c] / (wy * wx)
      }
    },
  }
}
