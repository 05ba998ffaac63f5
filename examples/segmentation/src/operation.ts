import type { Tensor } from 'convkit'

/** `[batch, height, width, channels]` */
export type Shape = readonly number[]

/** What one step of the network does, for inputs of known shapes. */
export interface Operation {
  /** For people: `conv 3×3 s2, 3 → 16, hard-swish`. */
  readonly description: string
  readonly outputShape: Shape
  /** Two for each multiply-add of a convolution; everything else counts as nothing. */
  readonly flops: number
  /** Writes the result's samples. */
  run(inputs: readonly Tensor[], out: Float32Array): void
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((size, extent) => size * extent, 1)
}
