/**
 * A request: one validated call, ready to run now or off-thread. Both ways of running it end in the same place, so
 * that a synchronous and an asynchronous call differ in nothing but the thread.
 */

import { abortError, convkitError, type AbortSignalLike } from './errors.js'
import { allocate, bufferOf, checkData, elementCount, lengthOf, overlap, type Operand } from './operand.js'
import type { DType, FloatArray } from './problem.js'
import { Tensor, TRUSTED } from './tensor.js'

export interface Request {
  readonly where: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly out: FloatArray | undefined
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
  const { where, dtype, shape } = request
  const out = request.out ?? allocate(where, dtype, elementCount(where, 'the result', shape))
  request.run(out)
  return new Tensor(out, Object.freeze(shape), TRUSTED, dtype)
}

export async function runLater(request: Omit<Request, 'run'>): Promise<Tensor> {
  const { where, dtype, shape, signal, out } = request
  if (signal?.aborted) throw abortError(signal)
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
  copyInto(out, result)
  return new Tensor(out, Object.freeze(shape), TRUSTED, dtype)
}

/** The intrinsic copy, whatever a subclass of the caller's has in its place. */
function copyInto(out: FloatArray, result: FloatArray): void {
  const intrinsic = Float32Array.prototype.set
  intrinsic.call(out, result)
}
