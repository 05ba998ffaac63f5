/** Test data from a seed: the seed is printed with every failure, so a failing problem can be made again. */

export type FloatArray = Float32Array | Float64Array
export type Dtype = 'float32' | 'float64'

/** An operand in the tests' own words; every operator takes it as a TensorLike. */
export interface Plain {
  readonly data: FloatArray
  readonly shape: readonly number[]
}

/** The seed of the random tests (CONVKIT_SEED) and how many problems each of them draws (CONVKIT_CASES multiplies). */
export const seed = Number(process.env['CONVKIT_SEED'] ?? 20160323)
export const caseCount = (usual: number): number =>
  Math.max(1, Math.round(usual * Number(process.env['CONVKIT_CASES'] ?? 1)))

/** A small random generator (mulberry32): good enough for test data, the same everywhere. */
export class Random {
  private state: number

  constructor(start: number) {
    this.state = start >>> 0
  }

  /** A real in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** An integer in [low, high], both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.int(0, choices.length - 1)]
  }
}

export const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

export const floats = (dtype: Dtype, source: number | readonly number[]): FloatArray => {
  const Type = dtype === 'float32' ? Float32Array : Float64Array
  return typeof source === 'number' ? new Type(source) : new Type(source)
}

/** A tensor from literal values, float32 unless told otherwise. */
export const plain = (values: readonly number[], shape: readonly number[], dtype: Dtype = 'float32'): Plain => ({
  data: floats(dtype, values),
  shape,
})

/** Integers in [-4, 4]: sums of products of them are exact in float32 (up to 2²⁴) in any order of summation. */
export const integers = (random: Random, shape: readonly number[], dtype: Dtype = 'float32', limit = 4): Plain => {
  const data = floats(dtype, product(shape))
  for (let i = 0; i < data.length; i++) data[i] = random.int(-limit, limit)
  return { data, shape }
}

/** Reals in [-1, 1). */
export const reals = (random: Random, shape: readonly number[], dtype: Dtype = 'float32'): Plain => {
  const data = floats(dtype, product(shape))
  for (let i = 0; i < data.length; i++) data[i] = 2 * random.next() - 1
  return { data, shape }
}

export const ones = (shape: readonly number[], dtype: Dtype = 'float32'): Plain => ({
  data: floats(dtype, product(shape)).fill(1),
  shape,
})

export const dot = (a: Plain, b: Plain): number => {
  let sum = 0
  for (let i = 0; i < a.data.length; i++) sum += a.data[i] * b.data[i]
  return sum
}

export const dtypeOf = (data: FloatArray): Dtype => (data instanceof Float32Array ? 'float32' : 'float64')

/** The same tensor with its axes in another order: result axis i is axis `order[i]` of the argument. */
export const permute = (tensor: Plain, order: readonly number[]): Plain => {
  const { data, shape } = tensor
  const strides = shape.map((_, axis) => product(shape.slice(axis + 1)))
  const resultShape = order.map((axis) => shape[axis])
  const result = floats(dtypeOf(data), data.length)
  const index = resultShape.map(() => 0)
  for (let i = 0; i < result.length; i++) {
    let at = 0
    for (let axis = 0; axis < index.length; axis++) {
      at += index[axis] * strides[order[axis]]
    }
    result[i] = data[at]
    for (let axis = index.length - 1; axis >= 0; axis--) {
      index[axis] = index[axis] + 1
      if (index[axis] < resultShape[axis]) break
      index[axis] = 0
    }
  }
  return { data: result, shape: resultShape }
}

export type Layout = 'channels-first' | 'channels-last'

/** [N, C, ...spatial] or [C, ...spatial] to the given layout. */
export const toLayout = (tensor: Plain, layout: Layout, rank: number): Plain => {
  if (layout === 'channels-first') return tensor
  const spatial = Array.from({ length: rank }, (_, axis) => axis + tensor.shape.length - rank)
  const channel = tensor.shape.length - rank - 1
  return permute(tensor, [...(channel === 1 ? [0] : []), ...spatial, channel])
}

/**
 * [A, B, ...k] to the given weight layout. For conv (A, B) = (Cout, Cin/groups) -> [...k, Cin/groups, Cout]; likewise
 * for its transpose.
 */
export const toWeightLayout = (tensor: Plain, layout: Layout): Plain => {
  if (layout === 'channels-first') return tensor
  const spatial = tensor.shape.slice(2).map((_, axis) => axis + 2)
  return permute(tensor, [...spatial, 1, 0])
}

/** The inverse of toLayout. */
export const fromLayout = (tensor: Plain, layout: Layout, rank: number): Plain => {
  if (layout === 'channels-first') return tensor
  const last = tensor.shape.length - 1
  const spatial = Array.from({ length: rank }, (_, axis) => axis + last - rank)
  return permute(tensor, [...(last > rank ? [0] : []), last, ...spatial])
}

/** The inverse of toWeightLayout. */
export const fromWeightLayout = (tensor: Plain, layout: Layout): Plain => {
  if (layout === 'channels-first') return tensor
  const rank = tensor.shape.length - 2
  return permute(tensor, [rank + 1, rank, ...Array.from({ length: rank }, (_, axis) => axis)])
}
