/** The asynchronous calls of this backend: on the calling thread, in a later turn, with operands copied now. */

import { withAbort } from '../../abort.js'
import { abortError, type AbortSignalLike } from '../../errors.js'
import { allocate, dtypeOf, lengthOf } from '../../operand.js'
import type { DType, FloatArray } from '../../problem.js'
import type { Epilogue } from '../backend.js'
import { WHERE } from './operands.js'

/** Computes in a later turn, unless the signal is aborted before that. */
export async function later<T>(signal: AbortSignalLike | undefined, compute: () => T): Promise<T> {
  if (signal?.aborted) throw abortError(signal)
  let timer: ReturnType<typeof setTimeout> | undefined
  const turn = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, 0)
  })
  await withAbort(signal, turn, () => {
    clearTimeout(timer)
  })
  return compute()
}

/** A copy in memory of its own. `set` reads the elements alone: a subclass of the caller's has no say in it. */
export function copyOf(data: FloatArray): FloatArray {
  const copy = allocate(WHERE, dtypeOf(data) as DType, lengthOf(data))
  if (copy.length > 0) copy.set(data) // an empty view may lie outside of its buffer, which is no fault of a batch of 0
  return copy
}

export function copyOfEpilogue(epilogue: Epilogue): Epilogue {
  const { bias, slope } = epilogue
  return { ...epilogue, bias: bias && copyOf(bias), slope: slope && copyOf(slope) }
}
