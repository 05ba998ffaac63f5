import { Tensor } from 'convkit'

/** Seeded random numbers: the same seed gives the same weights, and the same digits in the same order. */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** In [0, 1): Tommy Ettinger's mulberry32. */
  uniform(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let bits = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }

  /** With mean 0 and deviation 1: Box and Muller's transform. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
  }

  normals(shape: readonly number[], deviation = 1): Tensor {
    const size = shape.reduce((product, extent) => product * extent, 1)
    return new Tensor(
      Float32Array.from({ length: size }, () => deviation * this.normal()),
      shape,
    )
  }

  /** The numbers 0 … count − 1 in random order: Fisher and Yates' shuffle. */
  permutation(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, i) => i)
    for (let i = count - 1; i > 0; i--) {
      const j = Math.floor(this.uniform() * (i + 1))
      ;[order[i], order[j]] = [order[j], order[i]]
    }
    return order
  }
}
