/** The operations between the convolutions: plain loops over `[batch, height, width, channels]`. */
import { conv2d, gradBias, type BackendOption } from 'convkit'
import type { Node } from './graph.js'
import { sizeOf, type Operation, type Shape } from './operation.js'
import { isGate } from './sum.js'

/** `inputs` are the shapes of the node's inputs. */
export function elementwise(node: Node, inputs: readonly Shape[], backend: BackendOption): Operation {
  switch (node.op) {
    case 'Add':
    case 'AddV2':
    case 'AddN':
      return combine(node, 'add', inputs, add)
    case 'Mul':
      return isGate(inputs[0], inputs[1]) ? gate(inputs[0], backend) : combine(node, 'multiply', inputs, multiply)
    case 'MulAdd':
      return combine(node, 'multiply-add', inputs, multiply, add)
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

type Combination = (a: number, b: number) => number

const add: Combination = (a, b) => a + b
const multiply: Combination = (a, b) => a * b

/** One input after the other, the last combination for all that are left. Each has the shape of the result, or holds one value for each channel, or a single one. */
function combine(
  { name }: Node,
  description: string,
  shapes: readonly Shape[],
  ...combinations: readonly Combination[]
): Operation {
  const sizes = shapes.map(sizeOf)
  const outputShape = shapes[sizes.indexOf(Math.max(...sizes))]
  const fits = shapes.every((shape, i) => {
    const broadcast = shape.every((extent, axis) => [1, outputShape.at(axis - shape.length)].includes(extent))
    return broadcast && [1, outputShape.at(-1), sizeOf(outputShape)].includes(sizes[i])
  })
  if (!fits) throw new Error(`node ${name}: cannot ${description} ${shapes.map((shape) => `[${shape}]`).join(', ')}`)
  return {
    description,
    outputShape,
    flops: 0,
    bind: (inputs, out) => () => {
      inputs.slice(1).forEach(({ data: b }, k) => {
        const a = k === 0 ? inputs[0].data : out
        const combination = combinations[Math.min(k, combinations.length - 1)]
        for (let i = 0; i < out.length; i++) out[i] = combination(a[i % a.length], b[i % b.length])
      })
    },
  }
}

/** A depthwise convolution of one tap, whose weights come anew with each frame. */
function gate(outputShape: Shape, backend: BackendOption): Operation {
  const groups = outputShape[3]
  return {
    description: 'multiply',
    outputShape,
    flops: 0,
    bind:
      ([image, factors], out) =>
      () =>
        void conv2d(image, factors, { layout: 'channels-last', groups, backend, out }),
  }
}

function pointwise(description: string, outputShape: Shape, f: (x: number) => number): Operation {
  return {
    description,
    outputShape,
    flops: 0,
    bind:
      ([{ data }], out) =>
      () => {
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
    bind:
      ([image], out) =>
      () => {
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
    bind:
      ([{ data }], out) =>
      () => {
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
