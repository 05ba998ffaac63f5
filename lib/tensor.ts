import { arrayLength, convkitError, describe, isArray, list } from './errors.js'
import { allocate, checkData, checkExtents, dtypeOf, elementCount, readAxes, readShape } from './operand.js'
import type { DType, FloatArray } from './problem.js'

/** The key to the constructor that checks nothing; not exported from the package. */
export const TRUSTED = Symbol('trusted')

/** Nested arrays of numbers, as deep as the tensor's rank; a plain number for rank 0. */
export type NestedArray = number | NestedArray[]

/** Row-major, contiguous floats with a shape. Every operator returns one. */
export class Tensor {
  /** The elements; shared with whatever was wrapped, never copied. */
  readonly data: FloatArray
  /** Extents, outermost first; frozen. */
  readonly shape: readonly number[]
  /** Follows from the array: `'float32'` or `'float64'`. */
  readonly dtype: DType

  /**
   * Wraps an array without copying it.
   * @param data - Float32Array or Float64Array with as many elements as the shape says
   * @param shape - extents, outermost first, each an integer ≥ 0
   * @throws TypeError `ERR_CONVKIT_DTYPE`, `ERR_CONVKIT_SHAPE`; RangeError `ERR_CONVKIT_SHAPE`, `ERR_CONVKIT_BUFFER`
   */
  constructor(data: FloatArray, shape: readonly number[])
  /** @internal For results, whose data and shape convkit made itself. */
  constructor(data: FloatArray, shape: readonly number[], trusted: typeof TRUSTED, dtype: DType)
  constructor(data: FloatArray, shape: readonly number[], trusted?: typeof TRUSTED, dtype?: DType) {
    this.data = data
    if (trusted === TRUSTED && dtype !== undefined) {
      this.shape = shape
      this.dtype = dtype
      return
    }
    const checked = dtypeOf(data)
    if (checked === undefined) {
      throw convkitError(
        'TypeError',
        'ERR_CONVKIT_DTYPE',
        `tensor: data: expected a Float32Array or Float64Array, received ${describe(data)}`,
      )
    }
    const extents = readShape('tensor', 'shape', shape)
    checkData('tensor', 'data', data, elementCount('tensor', 'data', extents), extents)
    this.shape = Object.freeze(extents)
    this.dtype = checked
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length
  }

  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((product, extent) => product * extent, 1)
  }

  /**
   * The same data under another shape.
   * @param shape - as many elements as before; one entry may be −1 and is inferred
   * @throws RangeError `ERR_CONVKIT_SHAPE` when the sizes do not agree
   */
  reshape(shape: readonly number[]): Tensor {
    const wanted = readAxes('reshape', 'shape', shape)
    const open = wanted.indexOf(-1)
    const extents = checkExtents('reshape', 'shape', open < 0 ? wanted : wanted.with(open, 1))
    const rest = elementCount('reshape', 'the tensor', extents)
    const inferred = open < 0 ? 1 : rest === 0 ? NaN : this.size / rest
    if (rest * inferred !== this.size || !Number.isSafeInteger(inferred)) {
      throw convkitError(
        'RangeError',
        'ERR_CONVKIT_SHAPE',
        `reshape: shape ${list(wanted)} does not fit the ${this.size} elements of shape ${list(this.shape)}`,
      )
    }
    if (open >= 0) extents[open] = inferred
    return new Tensor(this.data, extents)
  }

  /**
   * The elements as nested arrays: `[[1, 2], [3, 4]]` for shape `[2, 2]`.
   * @throws RangeError `ERR_CONVKIT_MEMORY` where they would take more than about 1 GiB (some 130 million elements)
   */
  toArray(): NestedArray {
    checkData('toArray', 'data', this.data, this.size, this.shape)
    checkNested(this.shape)
    let next = 0
    const nest = (axis: number): NestedArray => {
      if (axis === this.rank) return this.data[next++]
      const nested: NestedArray[] = []
      for (let i = 0; i < this.shape[axis]; i++) nested.push(nest(axis + 1))
      return nested
    }
    return nest(0)
  }
}

const MOST_NESTED_BYTES = 2 ** 30

/** V8 ends the process where its heap is full, and empty arrays count as well: `[2 ** 31, 0]` has no element at all. */
function checkNested(shape: readonly number[]): void {
  let [arrays, bytes] = [1, 0]
  for (const extent of shape) {
    bytes += 64 * arrays + 8 * arrays * extent
    arrays *= extent
  }
  if (bytes <= MOST_NESTED_BYTES) return
  throw convkitError(
    'RangeError',
    'ERR_CONVKIT_MEMORY',
    `toArray: nested arrays of shape ${list(shape)} would take some ${Math.ceil(bytes / 2 ** 20)} MiB, more than 1024 MiB; data has the elements`,
  )
}

/**
 * Makes a tensor.
 * @param data - a FloatArray is wrapped without copying; a `number[]` becomes a Float32Array
 * @param shape - extents, outermost first; their product is the number of elements
 * @throws TypeError `ERR_CONVKIT_DTYPE`, `ERR_CONVKIT_SHAPE`; RangeError `ERR_CONVKIT_SHAPE`, `ERR_CONVKIT_BUFFER`
 */
export function tensor(data: FloatArray | readonly number[], shape: readonly number[]): Tensor {
  if (!isArray(data)) return new Tensor(data as FloatArray, shape)
  // The shape says how much memory there must be; an array may say any length.
  const extents = readShape('tensor', 'shape', shape)
  const count = elementCount('tensor', 'data', extents)
  const length = arrayLength(data)
  if (length !== count) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_BUFFER',
      `tensor: data has ${length} elements, but shape ${list(extents)} needs ${count}`,
    )
  }
  return new Tensor(fromNumbers(data, count), extents)
}

function fromNumbers(numbers: readonly unknown[], count: number): FloatArray {
  const data = allocate('tensor', 'float32', count)
  for (let i = 0; i < count; i++) {
    const value = numbers[i]
    if (typeof value !== 'number') {
      throw convkitError(
        'TypeError',
        'ERR_CONVKIT_DTYPE',
        `tensor: data[${i}]: expected a number, received ${describe(value)}`,
      )
    }
    data[i] = value
  }
  return data
}

/**
 * A tensor of zeros.
 * @param shape - extents, outermost first
 * @param dtype - `'float32'` (default) or `'float64'`
 * @throws RangeError `ERR_CONVKIT_MEMORY` above 2³² elements or when there is no room
 */
export function zeros(shape: readonly number[], dtype: DType = 'float32'): Tensor {
  if (dtype !== 'float32' && dtype !== 'float64') {
    throw convkitError(
      'TypeError',
      'ERR_CONVKIT_DTYPE',
      `zeros: dtype: expected 'float32' or 'float64', received ${describe(dtype)}`,
    )
  }
  const extents = readShape('zeros', 'shape', shape)
  return new Tensor(allocate('zeros', dtype, elementCount('zeros', 'the tensor', extents)), extents)
}
