/**
 * Reading operands. What a caller passes may have getters and proxies that run any code, so an operand is taken in
 * two steps: {@link readTensor} reads each property once and copies the shape; only when all arguments of the call
 * have been read does {@link checkData} look at lengths. Nothing of the caller's runs between that and the kernels.
 */

import { arrayLength, convkitError, describe, isArray, isRecord, list, typedArrayName } from './errors.js'
import type { DType, FloatArray } from './problem.js'

/** No operand or result has more elements than this. */
export const MAX_ELEMENTS = 2 ** 32

/** A row-major, contiguous array of floats with a shape. An onnxruntime tensor is one; so is convkit's `Tensor`. */
export type TensorLike =
  | {
      /** The elements, as many as the shape says. */
      readonly data: FloatArray
      /** Extents, outermost first. */
      readonly shape: readonly number[]
    }
  | {
      /** The elements, as many as the dims say. */
      readonly data: FloatArray
      /** Extents, outermost first; `shape` wins where there are both. */
      readonly dims: readonly number[]
    }

/** An operand whose properties have been read; its data has not been looked at. */
export interface Operand {
  readonly name: string
  readonly data: FloatArray
  readonly dtype: DType
  readonly shape: readonly number[]
}

/** The dtype of a Float32Array or Float64Array of any realm, else undefined. */
export function dtypeOf(data: unknown): DType | undefined {
  const name = typedArrayName(data)
  return name === 'Float32Array' ? 'float32' : name === 'Float64Array' ? 'float64' : undefined
}

const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object
const intrinsic = (name: string): ((this: FloatArray) => unknown) =>
  Object.getOwnPropertyDescriptor(typedArrayPrototype, name)?.get as (this: FloatArray) => unknown
const lengthGetter = intrinsic('length')
const bufferGetter = intrinsic('buffer')
const byteOffsetGetter = intrinsic('byteOffset')
const byteLengthGetter = intrinsic('byteLength')

/** The true length, whatever a subclass says; 0 when detached or out of bounds. */
export function lengthOf(data: FloatArray): number {
  return lengthGetter.call(data) as number
}

export function bufferOf(data: FloatArray): ArrayBufferLike {
  return bufferGetter.call(data) as ArrayBufferLike
}

/** True when the buffer behind the view is gone. */
export function isDetached(data: FloatArray): boolean {
  if (lengthOf(data) > 0) return false
  try {
    // ArrayBuffer.prototype.detached came with Node 21; a view of a detached buffer cannot be made on any version.
    return new Uint8Array(bufferOf(data)).length < 0
  } catch {
    return true
  }
}

const arrayBufferLength = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength')?.get as (
  this: unknown,
) => number

function isShared(buffer: ArrayBufferLike): boolean {
  try {
    arrayBufferLength.call(buffer)
    return false
  } catch {
    return true
  }
}

/**
 * True when the views may share memory although their buffers are two objects: a clone of a SharedArrayBuffer has the
 * memory of its original, and so has the buffer of a shared WebAssembly memory after it has grown. Nothing tells.
 */
export function mayAlias(a: FloatArray, b: FloatArray): boolean {
  return bufferOf(a) !== bufferOf(b) && isShared(bufferOf(a)) && isShared(bufferOf(b))
}

/** True when the two views share at least one byte of one buffer. */
export function overlap(a: FloatArray, b: FloatArray): boolean {
  if (bufferOf(a) !== bufferOf(b)) return false
  const [startA, startB] = [byteOffsetGetter.call(a) as number, byteOffsetGetter.call(b) as number]
  const [bytesA, bytesB] = [byteLengthGetter.call(a) as number, byteLengthGetter.call(b) as number]
  return startA < startB + bytesB && startB < startA + bytesA && bytesA > 0 && bytesB > 0
}

/**
 * Copies a shape: a plain array of safe integers ≥ 0. Product and rank are checked by the caller.
 * @param property - of `name`, for messages: `'.shape'`
 */
export function readShape(where: string, name: string, value: unknown, property = ''): number[] {
  return checkExtents(where, name, readAxes(where, name, value, property), property)
}

/** Entries to overwrite: an assignment to one that is not there could run a setter that somebody has put on a prototype. */
const BLANK: readonly unknown[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]

/** The first `count` (at most 16) entries of an array of the caller's, each read once. */
export function readFirst(value: readonly unknown[], count: number): unknown[] {
  const entries: unknown[] = BLANK.slice(0, count)
  for (let i = 0; i < count; i++) entries[i] = value[i]
  return entries
}

/** Copies an array of at most 16 entries: its length and each of them are read once, before the first is judged. */
export function readAxes(where: string, name: string, value: unknown, property = ''): unknown[] {
  if (!isArray(value)) {
    throw convkitError(
      'TypeError',
      'ERR_CONVKIT_SHAPE',
      `${where}: ${name}${property}: expected an array of integers, received ${describe(value)}`,
    )
  }
  const rank = arrayLength(value)
  if (!(Number.isInteger(rank) && rank >= 0 && rank <= 16))
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_SHAPE',
      `${where}: ${name}${property}: expected at most 16 axes, received ${rank}`,
    )
  return readFirst(value, rank)
}

/** The entries of convkit's own array, as safe integers ≥ 0; the same array. */
export function checkExtents(where: string, name: string, entries: unknown[], property = ''): number[] {
  for (let axis = 0; axis < entries.length; axis++) {
    const extent = entries[axis]
    if (!isExtent(extent)) {
      throw convkitError(
        typeof extent === 'number' ? 'RangeError' : 'TypeError',
        'ERR_CONVKIT_SHAPE',
        `${where}: ${name}${property}[${axis}]: expected an integer ≥ 0, received ${describe(extent)}`,
      )
    }
    entries[axis] = extent + 0 // −0 counts as 0
  }
  return entries as number[]
}

function isExtent(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/**
 * The product of the extents. Throws `ERR_CONVKIT_MEMORY` above 2³². A factor of 0 does not hide an overflow of the
 * others: `[0, 2³⁰, 2³⁰]` could never be filled, but a native size computation must not wrap on it either.
 */
export function elementCount(where: string, name: string, shape: readonly number[]): number {
  let count = 1
  let product = 1
  for (const extent of shape) {
    count *= Math.max(extent, 1)
    product *= extent
  }
  if (count > MAX_ELEMENTS) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_MEMORY',
      `${where}: ${name} of shape ${list(shape)} has more than 2^32 elements`,
    )
  }
  return product
}

/** Reads `data`, `shape` (else `dims`), `dtype` and `type` of a tensor, each once. */
export function readTensor(where: string, name: string, value: unknown): Operand {
  if (!isRecord(value)) {
    throw convkitError(
      'TypeError',
      'ERR_CONVKIT_DTYPE',
      `${where}: ${name}: expected a tensor { data: Float32Array | Float64Array, shape: number[] }, received ${describe(value)}`,
    )
  }
  const ownShape = value['shape']
  const shapeValue = ownShape === undefined ? value['dims'] : ownShape
  const { data, dtype: saysDtype, type: saysType } = value
  const dtype = dtypeOf(data)
  if (dtype === undefined) {
    throw convkitError(
      'TypeError',
      'ERR_CONVKIT_DTYPE',
      `${where}: ${name}.data: expected a Float32Array or Float64Array, received ${describe(data)}`,
    )
  }
  if (saysDtype !== undefined && saysDtype !== dtype) throw contradiction(where, `${name}.dtype`, saysDtype, data)
  if (saysType !== undefined && saysType !== dtype) throw contradiction(where, `${name}.type`, saysType, data)
  const fromDims = ownShape === undefined && shapeValue !== undefined
  const shape = readShape(where, name, shapeValue, fromDims ? '.dims' : '.shape')
  return { name, data: data as FloatArray, dtype, shape }
}

function contradiction(where: string, property: string, says: unknown, data: unknown): Error {
  return convkitError(
    'TypeError',
    'ERR_CONVKIT_DTYPE',
    `${where}: ${property} is ${describe(says)}, but its data is a ${describe(data)}`,
  )
}

/** Throws unless all operands have the dtype of the first. */
export function checkDtypes(where: string, operands: readonly (Pick<Operand, 'name' | 'dtype'> | undefined)[]): DType {
  const [first, ...rest] = operands.filter((operand) => operand !== undefined)
  if (first === undefined) return 'float32'
  for (const { name, dtype } of rest) {
    if (dtype !== first.dtype) {
      throw convkitError(
        'TypeError',
        'ERR_CONVKIT_DTYPE',
        `${where}: ${name} is ${dtype}, but ${first.name} is ${first.dtype} (all operands of one call have one dtype)`,
      )
    }
  }
  return first.dtype
}

/**
 * Throws unless the data is attached and holds exactly `expected` elements. Runs no code of the caller.
 * @param needs - what asks for that many: a shape, or words
 */
export function checkData(
  where: string,
  name: string,
  data: FloatArray,
  expected: number,
  needs: readonly number[] | string,
): void {
  const length = lengthOf(data)
  if (length === expected && (length > 0 || !isDetached(data))) return
  if (isDetached(data)) {
    throw convkitError(
      'TypeError',
      'ERR_CONVKIT_BUFFER',
      `${where}: ${name}: expected ${expected} elements, but its buffer is detached`,
    )
  }
  throw convkitError(
    'RangeError',
    'ERR_CONVKIT_BUFFER',
    `${where}: ${name} has ${length} elements, but ${typeof needs === 'string' ? needs : `shape ${list(needs)}`} needs ${expected}`,
  )
}

/** A zero-filled array, or `ERR_CONVKIT_MEMORY`. */
export function allocate(where: string, dtype: DType, length: number): FloatArray {
  if (length <= MAX_ELEMENTS) {
    try {
      return dtype === 'float32' ? new Float32Array(length) : new Float64Array(length)
    } catch {
      // falls through: V8 has no room, or no arrays of this length
    }
  }
  throw convkitError('RangeError', 'ERR_CONVKIT_MEMORY', `${where}: cannot allocate ${length} elements of ${dtype}`)
}
