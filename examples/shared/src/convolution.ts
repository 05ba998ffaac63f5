/**
 * A layer that learns a convolution or a transposed convolution: the two operators have the same members, so one class
 * serves both.
 *
 *     forward    y = f(conv(x, w) + b)             f: an activation that convkit fuses
 *     backward   dz = dy · f′(z)                   in place
 *                dw += conv.gradWeight(x, dz)
 *                db += gradBias(dz)
 *                dx = conv.gradInput(w, dz)
 */
import { conv2d, convTranspose2d, gradBias, zeros, type Tensor } from 'convkit'
import { activationBackward, type Activation } from './activation.js'
import { addTo, Memory, parameter, type Layer, type Needs, type Parameter } from './layer.js'
import type { Random } from './random.js'

export type Operator = typeof conv2d | typeof convTranspose2d

/** What stays the same in forward and backward: the options that the gradients take too. */
export interface Geometry {
  readonly stride?: number
  readonly padding?: number
  readonly outputPadding?: number
}

export interface Details extends Geometry {
  readonly activation?: Activation
  /** False where batch normalisation follows, which has a bias of its own. */
  readonly bias?: boolean
}

export class Convolution implements Layer {
  readonly geometry: Geometry
  readonly activation: Activation
  readonly bias: Parameter | undefined
  private readonly memory = new Memory()
  private input!: Tensor
  private output!: Tensor

  /** @param weight - convkit's: `[outputs, inputs, k, k]` for conv2d, `[inputs, outputs, k, k]` for convTranspose2d */
  constructor(
    readonly operator: Operator,
    readonly weight: Parameter,
    { activation = 'linear', bias = true, ...geometry }: Details,
  ) {
    const outputs = weight.value.shape[operator === conv2d ? 0 : 1]
    this.geometry = geometry
    this.activation = activation
    this.bias = bias ? parameter(zeros([outputs])) : undefined
  }

  get parameters(): readonly Parameter[] {
    return this.bias ? [this.weight, this.bias] : [this.weight]
  }

  forward(input: Tensor, training: boolean): Tensor {
    const { operator, weight, geometry, activation, bias, memory } = this
    const shape = operator.outputShape(input.shape, weight.value.shape, geometry)
    const out = training ? memory.take('output', shape) : undefined
    this.input = input
    this.output = operator(input, weight.value, { ...geometry, activation, bias: bias?.value, out })
    return this.output
  }

  backward(gradOutput: Tensor, needs: Needs): Tensor | undefined {
    const { operator, geometry, input, output, bias, memory } = this
    const { value: weight, gradient } = this.weight
    activationBackward(this.activation, output, gradOutput)
    if (needs.parameters) {
      const out = memory.take('gradWeight', weight.shape)
      addTo(gradient, operator.gradWeight(input, weight.shape, gradOutput, { ...geometry, out }))
      if (bias) addTo(bias.gradient, gradBias(gradOutput))
    }
    if (!needs.input) return undefined
    const out = memory.take('gradInput', input.shape)
    return operator.gradInput(input.shape, weight, gradOutput, { ...geometry, out })
  }
}

/** A weight with random values; by default those of He et al., which keep the size of signals that pass a ReLU. */
export function randomWeight(random: Random, shape: readonly number[], terms: number, deviation?: number): Parameter {
  return parameter(random.normals(shape, deviation ?? Math.sqrt(2 / terms)))
}

export interface Initial {
  /** Of the random weights; default √(2 / terms of an output's sum). */
  readonly deviation?: number
}

/** `inputs` channels to `outputs` channels by a k × k convolution. */
export function conv(
  random: Random,
  [inputs, outputs, k]: readonly [number, number, number],
  { deviation, ...details }: Details & Initial = {},
): Convolution {
  const weight = randomWeight(random, [outputs, inputs, k, k], inputs * k * k, deviation)
  return new Convolution(conv2d, weight, details)
}

/** The same, transposed: with stride s the picture becomes s times as large, and each output sums about (k / s)² taps. */
export function convTranspose(
  random: Random,
  [inputs, outputs, k]: readonly [number, number, number],
  { deviation, ...details }: Details & Initial = {},
): Convolution {
  const terms = inputs * (k / (details.stride ?? 1)) ** 2
  const weight = randomWeight(random, [inputs, outputs, k, k], terms, deviation)
  return new Convolution(convTranspose2d, weight, details)
}
