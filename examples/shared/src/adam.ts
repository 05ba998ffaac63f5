import type { Parameter } from './layer.js'

export interface AdamOptions {
  /** Default 0.001. */
  readonly learningRate?: number
  /** How much of the running mean of gradients a step keeps; default 0.9. GANs take 0.5. */
  readonly beta1?: number
  /** The same for their squares; default 0.999. */
  readonly beta2?: number
}

/** Kingma & Ba, "Adam: A Method for Stochastic Optimization", algorithm 1. */
export class Adam {
  /** May be changed between steps. */
  learningRate: number
  readonly beta1: number
  readonly beta2: number
  private steps = 0
  private readonly moments: readonly { readonly mean: Float32Array; readonly square: Float32Array }[]

  constructor(
    readonly parameters: readonly Parameter[],
    { learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999 }: AdamOptions = {},
  ) {
    this.learningRate = learningRate
    this.beta1 = beta1
    this.beta2 = beta2
    this.moments = parameters.map(({ value: { size } }) => ({
      mean: new Float32Array(size),
      square: new Float32Array(size),
    }))
  }

  /** Moves each parameter against its gradient, and sets the gradient back to zero. */
  step(): void {
    const { beta1, beta2 } = this
    this.steps++
    const rate = (this.learningRate * Math.sqrt(1 - beta2 ** this.steps)) / (1 - beta1 ** this.steps)
    this.parameters.forEach(({ value, gradient }, k) => {
      const { mean, square } = this.moments[k]
      const data = value.data
      for (let i = 0; i < data.length; i++) {
        const g = gradient[i]
        const m = (mean[i] = beta1 * mean[i] + (1 - beta1) * g)
        const v = (square[i] = beta2 * square[i] + (1 - beta2) * g * g)
        data[i] -= (rate * m) / (Math.sqrt(v) + 1e-8)
        gradient[i] = 0
      }
    })
  }
}
