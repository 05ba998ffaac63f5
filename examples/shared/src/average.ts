import type { Parameter } from './layer.js'

/** How much of the mean a step keeps: about 500 steps count, and a tenth of them at the beginning. */
const KEEP = 0.998

/**
 * A running mean of weights that are being learned: each batch pulls them elsewhere, their mean lies in the middle
 * (Yazıcı et al., "The Unusual Effectiveness of Averaging in GAN Training").
 */
export class Average {
  private steps = 0

  /** @param means - parameters of a second network, built like the one that learns */
  constructor(
    private readonly learned: readonly Parameter[],
    private readonly means: readonly Parameter[],
  ) {}

  /** To be called after each step of the optimiser. */
  step(): void {
    this.steps++
    const part = Math.max(1 - KEEP, 10 / (9 + this.steps))
    this.means.forEach(({ value: { data: mean } }, k) => {
      const { data } = this.learned[k].value
      for (let i = 0; i < mean.length; i++) mean[i] += part * (data[i] - mean[i])
    })
  }
}
