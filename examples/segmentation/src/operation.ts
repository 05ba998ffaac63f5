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
  /** The numbers of two inputs that had better lie next to each other in memory: see `sum.ts`. */
  readonly neighbours?: readonly [number, number]
  /** What to do for each picture, once it is known where inputs and result lie. */
  bind(inputs: readonly Tensor[], out: Float32Array): () => void
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((size, extent) => size * extent, 1)
}
