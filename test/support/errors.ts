/** What a call ends with, and what every error of the library must look like. */

import { expect } from 'vitest'

export const codes = [
  'ERR_CONVKIT_OPTION',
  'ERR_CONVKIT_SHAPE',
  'ERR_CONVKIT_DTYPE',
  'ERR_CONVKIT_BUFFER',
  'ERR_CONVKIT_MEMORY',
  'ERR_CONVKIT_BACKEND',
] as const
export type Code = (typeof codes)[number]

export interface ConvkitError extends Error {
  readonly code: Code
}

/** The error of a call, or undefined where it succeeds. */
export const errorOf = (call: () => unknown): ConvkitError | undefined => {
  try {
    call()
  } catch (error) {
    return error as ConvkitError
  }
  return undefined
}

/** Class, name, code and message as the contract says them for every error. */
export const expectTyped = (error: ConvkitError | undefined, what: string): ConvkitError => {
  if (error === undefined) throw new Error(`${what}: expected an error, but the call succeeded`)
  const text = `${what}: ${String(error)}`
  expect(error, text).toBeInstanceOf(Error)
  expect(codes, text).toContain(error.code)
  const classes = {
    ERR_CONVKIT_OPTION: [TypeError, RangeError],
    ERR_CONVKIT_SHAPE: [TypeError, RangeError],
    ERR_CONVKIT_DTYPE: [TypeError],
    ERR_CONVKIT_BUFFER: [TypeError, RangeError],
    ERR_CONVKIT_MEMORY: [RangeError],
    ERR_CONVKIT_BACKEND: [Error],
  }[error.code]
  expect(classes, text).toContain(error.constructor)
  expect(error.name, text).toBe(error.constructor.name)
  expect(error.message, text).toMatch(/^[^\r\n\u2028\u2029]{10,400}$/)
  return error
}

/** One comparable line for a call's outcome: the result's shape and numbers, or the error. */
export const outcomeOf = (call: () => unknown): string => {
  try {
    const result = call() as { shape?: readonly number[]; data?: ArrayLike<number> } | undefined
    // A typed array copies another one without asking it.
    const data = result?.data === undefined ? result : [result.shape, Array.from(new Float64Array(result.data))]
    return `result ${JSON.stringify(data)}`
  } catch (error) {
    const { name, code, message } = error as ConvkitError
    return `${name} ${code}: ${message}`
  }
}
