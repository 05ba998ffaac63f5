/**
 * Nearest upsampling by two and a k × k convolution, trained as the one transposed convolution that it equals.
 *
 * The k × k weights w are what is learned; each step folds them into the (k + 1) × (k + 1) weights v that run. Along one
 * axis, with v read from its end, v is w summed over a window of two:
 *
 *     w = a b c      v = c  b+c  a+b  a                 v[q + (k − 1) − j] gathers w[j], for q = 0, 1
 *
 * The fold is linear, so the gradient comes back through its transpose: w[j] collects the gradients of all taps that it
 * went into,
 *
 *     dw[j] = Σ over q of dv[q + (k − 1) − j]
 *
 * which is a convolution of dv with a window of ones (the sum over q), read backwards.
 */
import { conv2d, convTranspose2d, gradBias, Tensor, tensor, upsampleAsTranspose, zeros } from 'convkit'
import { activationBackward, type Activation } from 'convkit-examples-shared/activation.js'
import { randomWeight, type Details, type Initial } from 'convkit-examples-shared/convolution.js'
import { addTo, parameter, type Layer, type Needs, type Parameter } from 'convkit-examples-shared/layer.js'
import type { Random } from 'convkit-examples-shared/random.js'

const FACTOR = 2
type Folded = ReturnType<typeof upsampleAsTranspose>

export class UpsampledConvolution implements Layer {
  readonly bias: Parameter | undefined
  private folded!: Folded
  private input!: Tensor
  private output!: Tensor

  /** @param weight - of the convolution, `[outputs, inputs, k, k]`; its padding is `'same'` */
  constructor(
    readonly weight: Parameter,
    readonly activation: Activation,
    bias: boolean,
  ) {
    this.bias = bias ? parameter(zeros([weight.value.shape[0]])) : undefined
  }

  get parameters(): readonly Parameter[] {
    return this.bias ? [this.weight, this.bias] : [this.weight]
  }

  forward(input: Tensor): Tensor {
    this.folded = upsampleAsTranspose(this.weight.value, FACTOR)
    this.input = input
    const { weight, options } = this.folded
    this.output = convTranspose2d(input, weight, { ...options, activation: this.activation, bias: this.bias?.value })
    return this.output
  }

  backward(gradOutput: Tensor, needs: Needs): Tensor | undefined {
    const { weight, options } = this.folded
    activationBackward(this.activation, this.output, gradOutput)
    if (needs.parameters) {
      const gradFolded = convTranspose2d.gradWeight(this.input, weight.shape, gradOutput, options)
      addTo(this.weight.gradient, unfold(gradFolded))
      if (this.bias) addTo(this.bias.gradient, gradBias(gradOutput))
    }
    return needs.input ? convTranspose2d.gradInput(this.input.shape, weight, gradOutput, options) : undefined
  }
}

/** The transpose of the fold: from `[inputs, outputs, k + 1, k + 1]` to `[outputs, inputs, k, k]`. */
function unfold(gradFolded: Tensor): Tensor {
  const [inputs, outputs, taps] = gradFolded.shape
  const k = taps - FACTOR + 1
  const ones = tensor(new Float32Array(FACTOR ** 2).fill(1), [1, 1, FACTOR, FACTOR])
  const sums = conv2d(gradFolded.reshape([-1, 1, taps, taps]), ones).data
  const result = new Float32Array(sums.length)
  for (let i = 0; i < result.length; i++) {
    const tap = i % k ** 2
    const [output, input] = [Math.floor(i / k ** 2 / inputs), Math.floor(i / k ** 2) % inputs]
    result[i] = sums[(input * outputs + output + 1) * k ** 2 - 1 - tap]
  }
  return new Tensor(result, [outputs, inputs, k, k])
}

/** `inputs` channels to `outputs` channels, twice as large. */
export function upsampled(
  random: Random,
  [inputs, outputs, k]: readonly [number, number, number],
  { deviation, activation = 'linear', bias = true }: Details & Initial = {},
): UpsampledConvolution {
  const weight = randomWeight(random, [outputs, inputs, k, k], inputs * k * k, deviation)
  return new UpsampledConvolution(weight, activation, bias)
}
