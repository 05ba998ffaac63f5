import type { Tensor } from 'convkit'

/** `[batch, height, width, channels]` */
export type Shape = readonly number[]

/** What one step of a network does. The lists hold one entry for each layer that the step reads. */
export interface Operation {
  /** For people: `conv 3×3, 64 → 4, relu`. */
  readonly description: string
  outputShape(inputs: readonly Shape[]): Shape
  /** Two for each multiply-add of a convolution; everything else counts as nothing. */
  flops(inputs: readonly Shape[]): number
  /** Writes the result's samples. */
  run(inputs: readonly Tensor[], out: Float32Array): void
}
