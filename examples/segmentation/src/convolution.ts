/** TensorFlow's three convolutions as prepared convkit operators: weights packed once, bias and activation fused. */
import { conv2d, convTranspose2d, type BackendOption, type EpilogueOptions, type Operator, type Tensor } from 'convkit'
import type { Fused } from './fusion.js'
import type { Node } from './graph.js'
import type { Operation, Shape } from './operation.js'

export function isConvolution({ op }: Node): boolean {
  return op === 'Conv2D' || op === 'DepthwiseConv2dNative' || op === 'Conv2DBackpropInput'
}

/** The input that is neither weights nor sizes. */
export function imageOf({ op, inputs }: Node): Node {
  return inputs[op === 'Conv2DBackpropInput' ? 2 : 0]
}

export function outputChannels(node: Node): number {
  const [, , third, fourth] = weightOf(node).shape
  if (node.op === 'DepthwiseConv2dNative') return third * fourth
  return node.op === 'Conv2DBackpropInput' ? third : fourth
}

function weightOf({ name, inputs }: Node): Tensor {
  const weight = inputs[1]?.value
  if (!weight) throw new Error(`node ${name}: the weights are not a constant`)
  return weight
}

export function convolution(node: Node, { bias, activation }: Fused, input: Shape, backend: BackendOption): Operation {
  const weight = weightOf(node)
  const [height, width, third, fourth] = weight.shape
  const { strides, dilations, padding } = node
  const common = {
    layout: 'channels-last' as const,
    stride: [...strides],
    dilation: [...dilations],
    padding,
    bias,
    activation,
    backend,
  }
  const kernel = `${height}×${width}${strides[0] > 1 ? ` s${strides[0]}` : ''}`
  const tail = activation === 'linear' ? '' : `, ${activation as string}`
  switch (node.op) {
    case 'Conv2D': {
      const options = { ...common, groups: input[3] / third }
      return operation(`conv ${kernel}, ${input[3]} → ${fourth}${tail}`, conv2d, weight, options, input)
    }
    case 'DepthwiseConv2dNative': {
      const options = { ...common, groups: third }
      const flat = weight.reshape([height, width, 1, third * fourth])
      return operation(`depthwise ${kernel}, ${third * fourth}${tail}`, conv2d, flat, options, input)
    }
    case 'Conv2DBackpropInput': {
      // The gradient of a convolution towards its input, [height, width, out, in] as the convolution's own kernel is.
      const sizes = node.inputs[0].value
      if (!sizes) throw new Error(`node ${node.name}: the output's shape is not a constant`)
      const options = { ...common, outputShape: [...sizes.data.subarray(1, 3)] }
      return operation(`convTranspose ${kernel}, ${fourth} → ${third}${tail}`, convTranspose2d, weight, options, input)
    }
    default:
      throw new Error(`node ${node.name}: ${node.op} is no convolution`)
  }
}

function operation<Options extends EpilogueOptions>(
  description: string,
  operator: Operator<Options, never>,
  weight: Tensor,
  options: Options,
  input: Shape,
): Operation {
  const prepared = operator.prepare(weight, options)
  return {
    description,
    outputShape: prepared.outputShape(input),
    flops: operator.plan(input, weight.shape, options).flops,
    bind:
      ([image], out) =>
      () =>
        void prepared(image, { out }),
  }
}
