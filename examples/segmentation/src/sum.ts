/**
 * The sum of two maps is a convolution too: one map above the other, and a kernel of 2 × 1 taps for each channel.
 *
 *      a a a a
 *      a a a a      1
 *      b b b b  ∗   1   =  a + b         over all pixels of a map as one row
 *      b b b b
 *
 * With other taps than ones it is x · g + y, a factor g for each channel (the squeeze and excitation of MobileNet v3) and the
 * sum behind it; bias and activation come along as with any convolution. Several times as fast as a loop in JavaScript.
 */
import { conv2d, Tensor, type BackendOption } from 'convkit'
import type { Fused } from './fusion.js'
import type { Operation, Shape } from './operation.js'

/** Inputs: two maps of one shape. */
export function sum(shape: Shape, { bias, activation }: Fused, backend: BackendOption): Operation {
  const channels = shape[3]
  const weight = new Tensor(new Float32Array(2 * channels).fill(1), [2, 1, 1, channels])
  const prepared = conv2d.prepare(weight, { layout: 'channels-last', groups: channels, bias, activation, backend })
  return {
    description: 'add',
    outputShape: shape,
    flops: 0,
    neighbours: [0, 1],
    bind([a, b], out) {
      const { maps, gather } = stack(a, b)
      return () => {
        gather?.()
        prepared(maps, { out })
      }
    },
  }
}

/** Inputs: a map, factors `[1, 1, 1, channels]`, and the map to be added to their product. */
export function gatedSum(shape: Shape, { bias, activation }: Fused, backend: BackendOption): Operation {
  const channels = shape[3]
  const weight = new Tensor(new Float32Array(2 * channels).fill(1), [2, 1, 1, channels])
  const options = { layout: 'channels-last', groups: channels, bias, activation, backend } as const
  return {
    description: 'multiply-add',
    outputShape: shape,
    flops: 0,
    neighbours: [0, 2],
    bind([x, factors, y], out) {
      const { maps, gather, first } = stack(x, y)
      return () => {
        gather?.()
        weight.data.set(factors.data, first === x ? 0 : channels)
        conv2d(maps, weight, { ...options, out })
      }
    },
  }
}

/** Two maps one above the other, as they lie in memory or, where they lie apart, in a copy that `gather` makes. */
function stack(a: Tensor, b: Tensor): { maps: Tensor; first: Tensor; gather?: () => void } {
  const shape = [1, 2, a.size / a.shape[3], a.shape[3]]
  for (const [first, second] of [
    [a.data, b.data],
    [b.data, a.data],
  ]) {
    if (first.buffer === second.buffer && first.byteOffset + first.byteLength === second.byteOffset) {
      const both = new Float32Array(first.buffer, first.byteOffset, 2 * a.size)
      return { maps: new Tensor(both, shape), first: first === a.data ? a : b }
    }
  }
  const both = new Float32Array(2 * a.size)
  return {
    maps: new Tensor(both, shape),
    first: a,
    gather() {
      both.set(a.data)
      both.set(b.data, a.size)
    },
  }
}

/** Whether a product of these is a map times a factor for each channel. */
export function isGate([batch, , , channels]: Shape, factors: Shape): boolean {
  return batch === 1 && factors.join() === [1, 1, 1, channels].join()
}
