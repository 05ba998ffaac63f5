/**
 * Keras' convolution layers as prepared convkit operators. Three things are settled here once, before any picture comes:
 *
 * - the weights are packed into the form that the kernels read (`prepare`);
 * - an activation that follows becomes part of the convolution;
 * - nearest upsampling in front of a convolution disappears into it. The enlarged picture only repeats its samples, so
 *   a kernel that walks over it meets each sample several times; `upsampleAsTranspose` adds those taps up beforehand:
 *
 *       UpSampling2D ×2, then Conv2D 3×3       9 taps for each output pixel
 *       one convTranspose2d 4×4, stride 2      4 taps for each output pixel, and no enlarged picture
 */
import {
  conv2d,
  convTranspose2d,
  upsampleAsTranspose,
  type Activation,
  type BackendOption,
  type ConvOptions,
  type ConvTransposeOptions,
  type EpilogueOptions,
  type Operator,
  type Tensor,
} from 'convkit'
import { activationByName, activationName } from './activation.js'
import type { Layer } from './keras.js'
import type { Operation } from './step.js'

/** What the layers around a convolution add to it. */
export interface Fused {
  /** Of the nearest upsampling in front of it, per axis. */
  readonly upsampling?: number | number[] | undefined
  /** Of the activation layer behind it. */
  readonly activation?: Activation | undefined
}

export function isConvolution({ kind }: Layer): boolean {
  return kind === 'Conv2D' || kind === 'DepthwiseConv2D' || kind === 'Conv2DTranspose'
}

/** Whether nearest upsampling can become part of this layer: of a dense convolution with stride 1. */
export function takesUpsampling({ kind, config }: Layer): boolean {
  return kind === 'Conv2D' && [config.strides ?? 1].flat().every((stride) => stride === 1)
}

/** Whether the layer leaves room for an activation behind it. */
export function takesActivation(layer: Layer): boolean {
  return isConvolution(layer) && activationByName(layer.config.activation) === 'linear'
}

export function convolution(layer: Layer, fused: Fused, backend: BackendOption): Operation {
  const { kind, config, weights } = layer
  if (config.data_format === 'channels_first') throw new Error(`layer ${layer.name}: channels_first is not supported`)
  const kernel = weights.get(kind === 'DepthwiseConv2D' ? 'depthwise_kernel' : 'kernel')
  if (!kernel) throw new Error(`layer ${layer.name} has no kernel`)
  const activation = fused.activation ?? activationByName(config.activation)
  const options = {
    layout: 'channels-last',
    stride: config.strides ?? 1,
    dilation: config.dilation_rate ?? 1,
    padding: config.padding ?? 'valid',
    groups: config.groups ?? 1,
    bias: weights.get('bias'),
    activation,
    backend,
  } as const
  if (fused.upsampling !== undefined) {
    const { padding, dilation, groups, layout } = options
    const equal = upsampleAsTranspose(kernel, fused.upsampling, { padding, dilation, groups, layout })
    return transposed(equal.weight, { ...equal.options, bias: options.bias, activation, backend })
  }
  if (kind === 'Conv2DTranspose') {
    if (config.output_padding != null) throw new Error(`layer ${layer.name}: output_padding is not supported`)
    return transposed(kernel, { ...options, ...missingOutput(kernel, options) })
  }
  if (kind === 'DepthwiseConv2D') {
    const [height, width, channels, multiplier] = kernel.shape
    return direct(kernel.reshape([height, width, 1, channels * multiplier]), { ...options, groups: channels })
  }
  return direct(kernel, options)
}

function direct(weight: Tensor, options: ConvOptions): Operation {
  const [height, width, inputs, outputs] = weight.shape
  const name = `conv ${height}×${width}, ${inputs * (options.groups ?? 1)} → ${outputs}`
  return operation(name, conv2d, weight, options)
}

function transposed(weight: Tensor, options: ConvTransposeOptions): Operation {
  const [height, width, outputs, inputs] = weight.shape
  const name = `convTranspose ${height}×${width}, ${inputs} → ${outputs * (options.groups ?? 1)}`
  return operation(name, convTranspose2d, weight, options)
}

function operation<Options extends EpilogueOptions>(
  name: string,
  operator: Operator<Options, never>,
  weight: Tensor,
  options: Options,
): Operation {
  const prepared = operator.prepare(weight, options)
  const { activation = 'linear' } = options
  return {
    description: activation === 'linear' ? name : `${name}, ${activationName(activation)}`,
    outputShape: ([shape]) => prepared.outputShape(shape),
    flops: ([shape]) => operator.plan(shape, weight.shape, options).flops,
    run: ([input], out) => void prepared(input, { out }),
  }
}

/** Keras' unpadded transposed convolution gives stride samples for each input sample even where its kernel is smaller. */
function missingOutput(
  weight: Tensor,
  { stride, padding }: { stride: number | number[]; padding: string },
): { outputPadding?: number[] } {
  if (padding === 'same') return {}
  return {
    outputPadding: [stride, stride]
      .flat()
      .slice(0, 2)
      .map((s, axis) => Math.max(0, s - weight.shape[axis])),
  }
}
