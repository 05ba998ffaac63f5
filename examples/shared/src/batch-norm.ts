/**
 * Batch normalisation (Ioffe & Szegedy, "Batch Normalization", algorithms 1 and 2), with the ReLU behind it. Each channel
 * is brought to mean 0 and variance 1 over the batch, then to a scale γ and a shift β that are learned:
 *
 *     x̂ = (x − mean) / √(variance + ε)          y = relu(γ x̂ + β)
 *
 * and back, dz being the gradient at γ x̂ + β and n the number of values in the channel:
 *
 *     dβ = Σ dz,   dγ = Σ dz · x̂,   dx = γ / √(variance + ε) · (dz − dβ / n − x̂ · dγ / n)
 */
import { Tensor, zeros } from 'convkit'
import { activationBackward } from './activation.js'
import { Memory, parameter, type Layer, type Needs, type Parameter } from './layer.js'

export const EPSILON = 1e-5
/** What a batch leaves of the running statistics, which stand in for its own after training. */
const MOMENTUM = 0.9

export class BatchNorm implements Layer {
  readonly scale: Parameter
  readonly shift: Parameter
  readonly running: { readonly mean: Float64Array; readonly variance: Float64Array }
  private readonly memory = new Memory()
  private input!: Tensor
  private output!: Tensor
  /** Of the last batch in training: mean and 1 / √(variance + ε) per channel. */
  private readonly mean: Float64Array
  private readonly inverse: Float64Array

  /** @param slope - of the ReLU where its argument is negative: 0, or 0.2 for the leaky one */
  constructor(
    readonly channels: number,
    readonly slope = 0,
  ) {
    this.scale = parameter(new Tensor(new Float32Array(channels).fill(1), [channels]))
    this.shift = parameter(zeros([channels]))
    this.running = { mean: new Float64Array(channels), variance: new Float64Array(channels).fill(1) }
    this.mean = new Float64Array(channels)
    this.inverse = new Float64Array(channels)
  }

  get parameters(): readonly Parameter[] {
    return [this.scale, this.shift]
  }

  forward(input: Tensor, training: boolean): Tensor {
    const { channels, slope, running, mean, inverse } = this
    const { data: x, shape } = input
    const y = training ? this.memory.take('output', shape) : new Float32Array(x.length)
    const size = x.length / shape[0] / channels // of one channel of one image
    for (let c = 0; c < channels; c++) {
      if (training) this.measure(x, shape[0], c, size)
      const center = training ? mean[c] : running.mean[c]
      const factor = this.scale.value.data[c] * (training ? inverse[c] : 1 / Math.sqrt(running.variance[c] + EPSILON))
      const shift = this.shift.value.data[c] - center * factor
      // The ReLU is linear plus absolute value, which needs no branch: see activation.ts.
      const [linear, absolute] = [(1 + slope) / 2, (1 - slope) / 2]
      for (let start = c * size; start < x.length; start += channels * size) {
        for (let i = start; i < start + size; i++) {
          const z = x[i] * factor + shift
          y[i] = linear * z + absolute * Math.abs(z)
        }
      }
    }
    this.input = input
    this.output = new Tensor(y, shape)
    return this.output
  }

  /** Mean and variance of channel c over the batch. */
  private measure(x: Tensor['data'], batch: number, c: number, size: number): void {
    let [sum, squares] = [0, 0]
    for (let start = c * size; start < x.length; start += this.channels * size) {
      for (let i = start; i < start + size; i++) {
        sum += x[i]
        squares += x[i] * x[i] // in float64, so that little is lost in the difference below
      }
    }
    const mean = sum / (batch * size)
    const variance = Math.max(0, squares / (batch * size) - mean * mean)
    this.mean[c] = mean
    this.inverse[c] = 1 / Math.sqrt(variance + EPSILON)
    this.running.mean[c] = MOMENTUM * this.running.mean[c] + (1 - MOMENTUM) * mean
    this.running.variance[c] = MOMENTUM * this.running.variance[c] + (1 - MOMENTUM) * variance
  }

  /** Of a forward call in training. */
  backward(gradOutput: Tensor, needs: Needs): Tensor | undefined {
    const { channels, slope, mean, inverse } = this
    activationBackward({ type: 'leaky-relu', slope }, this.output, gradOutput)
    const { data: x, shape } = this.input
    const dz = gradOutput.data
    const dx = this.memory.take('gradInput', needs.input ? shape : [0])
    const size = x.length / shape[0] / channels
    const n = shape[0] * size
    for (let c = 0; c < channels; c++) {
      const center = mean[c]
      let [sum, product] = [0, 0]
      for (let start = c * size; start < x.length; start += channels * size) {
        for (let i = start; i < start + size; i++) {
          sum += dz[i]
          product += dz[i] * (x[i] - center)
        }
      }
      product *= inverse[c]
      if (needs.parameters) {
        this.shift.gradient[c] += sum
        this.scale.gradient[c] += product
      }
      if (!needs.input) continue
      // dx = factor · (dz − sum / n − x̂ · product / n), as a multiply-add of dz and one of x.
      const factor = this.scale.value.data[c] * inverse[c]
      const ofInput = (-factor * product * inverse[c]) / n
      const constant = (-factor * sum) / n - ofInput * center
      for (let start = c * size; start < x.length; start += channels * size) {
        for (let i = start; i < start + size; i++) dx[i] = factor * dz[i] + ofInput * x[i] + constant
      }
    }
    return needs.input ? new Tensor(dx, shape) : undefined
  }
}
