/**
 * A request: one validated call, ready to run now or off-thread. Both ways of running it end in the same place, so
 * that a synchronous and an asynchronous call differ in nothing but the thread.
 */

import { convkitError, type AbortSignalLike } from './errors.js'
import { allocate, bufferOf, checkData, elementCount, lengthOf, mayAlias, overlap, type Operand } from './operand.js'
import type { DType, FloatArray } from './problem.js'
import { Tensor, TRUSTED } from './tensor.js'

export interface Request {
  readonly where: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly out: FloatArray | undefined
  /** What `run` reads. */
  readonly operands: readonly FloatArray[]
  readonly signal: AbortSignalLike | undefined
  run(out: FloatArray): void
  /** Copies the operands before it returns. */
  runAsync(signal: AbortSignalLike | undefined): Promise<FloatArray>
}

/**
 * Checks the option `out` against the result and the operands it must not overlap. Runs no code of the caller.
 * @throws RangeError or TypeError `ERR_CONVKIT_BUFFER`
 */
export function checkOut(
  where: string,
  out: FloatArray | undefined,
  shape: readonly number[],
  operands: readonly (Pick<Operand, 'name' | 'data'> | undefined)[],
): void {
  if (out === undefined) return
  checkData(where, 'out', out, elementCount(where, 'the result', shape), shape)
  for (const operand of operands) if (operand !== undefined) checkDistinct(where, out, operand)
}

/** Throws if `out` shares memory with the operand. */
export function checkDistinct(where: string, out: FloatArray, { name, data }: Pick<Operand, 'name' | 'data'>): void {
  if (!overlap(out, data)) return
  throw convkitError(
    'TypeError',
    'ERR_CONVKIT_BUFFER',
    `${where}: out: expected memory of its own, but it overlaps ${name}`,
  )
}

export function runNow(request: Request): Tensor {
  const { where, dtype, shape, out, operands } = request
  const result = placeOfResult(where, dtype, elementCount(where, 'the result', shape), out, operands)
  request.run(result)
  return new Tensor(deliver(result, out), Object.freeze(shape), TRUSTED, dtype)
}

/** Where a result is computed: in `out`, unless there is none or it may have an operand's memory. */
export function placeOfResult(
  where: string,
  dtype: DType,
  count: number,
  out: FloatArray | undefined,
  operands: readonly FloatArray[],
): FloatArray {
  if (out === undefined || operands.some((data) => mayAlias(out, data))) return allocate(where, dtype, count)
  return out
}

/** The result in the array that the caller gave, if any. */
export function deliver(result: FloatArray, out: FloatArray | undefined): FloatArray {
  if (out === undefined || out === result) return result
  copyInto(out, result)
  return out
}

/** The signal is asked by the backends, once operands are copied: its properties may be getters that run any code. */
export async function runLater(request: Omit<Request, 'run' | 'operands'>): Promise<Tensor> {
  const { where, dtype, shape, signal, out } = request
  const result = await request.runAsync(signal)
  if (out === undefined) return new Tensor(result, Object.freeze(shape), TRUSTED, dtype)
  // `out` has been in the caller's hands all the while. lengthOf is 0 for a detached view.
  if (lengthOf(out) !== result.length) {
    throw convkitError(
      'TypeError',
      'ERR_CONVKIT_BUFFER',
      `${where}: out: expected ${result.length} elements when the call completed, received ${lengthOf(out)} (its buffer was ${bufferOf(out).byteLength === 0 ? 'detached' : 'resized'} meanwhile)`,
    )
  }
  return new Tensor(deliver(result, out), Object.freeze(shape), TRUSTED, dtype)
}

/** The intrinsic copy, whatever a subclass of the caller's has in its place. */
function copyInto(out: FloatArray, result: FloatArray): void {
  const intrinsic = Float32Array.prototype.set
  intrinsic.call(out, result)
}
