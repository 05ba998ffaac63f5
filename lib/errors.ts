/**
 * Every error that convkit makes: a class that says what kind of fault it is, a `code` for programs and one line for
 * people: which argument, what was expected, what came.
 */

/**
 * - `ERR_CONVKIT_OPTION`: an option (or a helper's argument) is unknown, of the wrong kind or out of its range
 * - `ERR_CONVKIT_SHAPE`: shapes that are malformed or contradict each other
 * - `ERR_CONVKIT_DTYPE`: an operand that is no tensor of floats, or operands of different dtypes
 * - `ERR_CONVKIT_BUFFER`: data that is detached, overlapping, of the wrong length, or a disposed operator
 * - `ERR_CONVKIT_MEMORY`: more than 2³² elements, or more than can be allocated
 * - `ERR_CONVKIT_BACKEND`: the backend, instruction set or thread count asked for cannot be had
 */
export type ErrorCode =
  | 'ERR_CONVKIT_OPTION'
  | 'ERR_CONVKIT_SHAPE'
  | 'ERR_CONVKIT_DTYPE'
  | 'ERR_CONVKIT_BUFFER'
  | 'ERR_CONVKIT_MEMORY'
  | 'ERR_CONVKIT_BACKEND'

const CLASSES = { TypeError, RangeError, Error }

/** Makes (does not throw) an error of the given class with a `code`; the message becomes one line. */
export function convkitError(
  kind: keyof typeof CLASSES,
  code: ErrorCode,
  message: string,
): Error & { code: ErrorCode } {
  const error = new CLASSES[kind](message.replace(/\s*\n\s*/g, ' '))
  return withCode(error, code)
}

/** Defines `code`: an assignment could run a setter that somebody has put on `Object.prototype`. */
function withCode<C extends string>(error: Error, code: C): Error & { code: C } {
  const property = { __proto__: null, value: code, enumerable: true, writable: true, configurable: true }
  return Object.defineProperty(error, 'code', property) as Error & { code: C }
}

/** The parts of an AbortSignal that convkit uses; declared here so that the library needs no DOM or Node types. */
export interface AbortSignalLike {
  /** True once aborted. */
  readonly aborted: boolean
  /** Becomes the `cause` of the error. */
  readonly reason?: unknown
  /** As an `EventTarget`'s. */
  addEventListener(type: 'abort', listener: () => void): void
  /** As an `EventTarget`'s. */
  removeEventListener(type: 'abort', listener: () => void): void
}

/** The error of an aborted call: name `AbortError`, code `ABORT_ERR`, `cause` the signal's reason. */
export function abortError(signal: AbortSignalLike): Error & { code: 'ABORT_ERR' } {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  error.name = 'AbortError'
  return withCode(error, 'ABORT_ERR')
}

const LONGEST = 60

/**
 * A value as an error message shows it. Runs no code of the caller: objects are not looked into, and arrays only
 * through a copy that the caller of this function has made.
 */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string': {
      // Cut first: a text may be as long as a string can be, and quotes would make it longer.
      const text = JSON.stringify(value.slice(0, LONGEST + 1)).replace(/[\u007f-\u009f\u2028\u2029]/g, '\u00b7')
      return text.length > LONGEST ? `${text.slice(0, LONGEST)}…"` : text.replace(/^"|"$/g, "'")
    }
    case 'bigint':
      // Digits of a large one would take minutes.
      return BigInt.asIntN(64, value) === value ? `${value}n (a bigint)` : 'a large bigint'
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'symbol':
      return 'a symbol'
    case 'function':
      return 'a function'
    case 'object':
      if (value === null) return 'null'
      if (isRevoked(value)) return 'a revoked proxy'
      if (Array.isArray(value)) return 'an array'
      return typedArrayName(value) ?? 'an object'
    default:
      return String(value)
  }
}

/** A list of numbers (already copied from the caller) as a message shows it: `[1, 2, 3]`. */
export function list(values: readonly unknown[]): string {
  const shown = values.slice(0, 8).map((value) => describe(value))
  return `[${shown.join(', ')}${values.length > 8 ? ', …' : ''}]`
}

const typedArrayTag = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)?.get as (this: unknown) => string | undefined

/** `'Float32Array'` and the like for a true typed array (of any realm, subclasses too), else undefined. */
export function typedArrayName(value: unknown): string | undefined {
  return typedArrayTag.call(value)
}

/** Array.isArray, which throws for a revoked proxy; to convkit that is no array. */
export function isArray(value: unknown): value is unknown[] {
  return !isRevoked(value) && Array.isArray(value)
}

/** Whether the value is an object from which properties can be read: neither null, an array nor a typed array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !isRevoked(value) &&
    !Array.isArray(value) &&
    typedArrayName(value) === undefined
  )
}

function isRevoked(value: unknown): boolean {
  try {
    Array.isArray(value) // runs no trap of a proxy
    return false
  } catch {
    return true
  }
}

/** The length of an array, which a proxy may lie about; NaN when it is no number. */
export function arrayLength(value: unknown[]): number {
  const length: unknown = value.length
  return typeof length === 'number' ? length : NaN
}
