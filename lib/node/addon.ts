import type { FloatArray } from '../problem.js'

/** Weights that native code holds. Freed by `dispose`, or by the garbage collector. */
export interface NativeWeights {
  readonly native: unique symbol
}

/**
 * What native/addon/addon.cpp exports. `record` is the call record of record.ts; `id` is chosen by the caller and
 * unique among the pending calls. Failures are thrown, or reject, with `code` `'CK_INVALID'`, `'CK_OUT_OF_MEMORY'`,
 * `'CK_UNSUPPORTED'`, `'CK_CANCELLED'` or `'CK_QUEUE_FULL'` (see {@link setBacklog}).
 *
 * Synchronous calls read operands in place. Asynchronous ones copy them before they return and write `out` from
 * another thread: it must be memory that nobody else sees until the promise has resolved.
 */
export interface Addon {
  /** Of the package that it was built from. */
  version(): string
  isas(): string[]
  algorithms(): string[]
  /** One of `isas()`; holds for this environment (main thread or worker). */
  setIsa(name: string): void
  /** Of the process, as the next two. */
  threads(): number
  setThreads(count: number): void
  /** As `setThreads`, unless the number has been set before. */
  defaultThreads(count: number): void
  /** How much may be under way, of the process: calls, and bytes of their operands and results. */
  setBacklog(calls: number, bytes: number): void

  /** GFLOP/s of fused multiply-adds in float32, of all threads together; `isa` is one of `isas()`. */
  peak(isa: string): number

  /** With `prepared`, of a call whose weights are packed already. */
  plan(
    record: Float64Array,
    prepared?: boolean,
  ): {
    id: string
    algorithm: string
    reason: string
    /** `name: reason; name: reason`, or empty. */
    refused: string
    workspaceBytes: number
  }
  run(
    record: Float64Array,
    first: FloatArray,
    second: FloatArray,
    out: FloatArray,
    bias?: FloatArray,
    slope?: FloatArray,
  ): void
  runAsync(
    id: number,
    record: Float64Array,
    first: FloatArray,
    second: FloatArray,
    out: FloatArray,
    bias?: FloatArray,
    slope?: FloatArray,
  ): Promise<void>
  /** `record`: layout (0 channels-first, 1 channels-last), batch, channels, positions */
  biasGradient(record: Float64Array, gradient: FloatArray, out: FloatArray): void
  biasGradientAsync(id: number, record: Float64Array, gradient: FloatArray, out: FloatArray): Promise<void>

  /** Of the record only what follows the problem counts. */
  prepare(record: Float64Array, weights: FloatArray, bias?: FloatArray, slope?: FloatArray): NativeWeights
  /** What the runs after it compute, synchronous and asynchronous: the size of their input, and all else. */
  setSize(weights: NativeWeights, record: Float64Array): void
  /** A function that runs them, for the size set at the time of each call. To be made once. */
  runner(weights: NativeWeights): (input: FloatArray, out: FloatArray) => void
  runPreparedAsync(id: number, weights: NativeWeights, input: FloatArray, out: FloatArray): Promise<void>
  /** Bytes that V8 has been told of: array buffers, and packed weights. `process.memoryUsage()` shows only the former. */
  externalMemory(): number
  /** Calls under way finish. */
  dispose(weights: NativeWeights): void
  /** Takes the call out of the queue, or stops it soon. Without effect once it has completed. */
  cancel(id: number): void
}
