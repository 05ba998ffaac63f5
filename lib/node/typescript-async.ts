/**
 * Asynchronous calls of the TypeScript backend, in one worker thread that starts with the first of them and keeps no
 * process alive while it idles.
 *
 *     runAsync --room?--copies--> queue --one at a time--> worker.js --transfers the result--> promise
 *
 * The queue stays on this side, so an abort takes waiting work out at once, and stops running work by ending
 * the worker: the next call starts a new one. Where there is no worker.js (a bundle; the sources of lib/ run by the
 * tests without a build), or where Node may start no thread (its permission model), the call runs on the calling
 * thread in a later turn.
 */

import { Worker } from 'node:worker_threads'
import type { Backend, BiasProblem, Epilogue, PassOperands } from '../backend/backend.js'
import { abortError, convkitError, type AbortSignalLike, type ErrorCode } from '../errors.js'
import { allocate, dtypeOf, lengthOf } from '../operand.js'
import { resultLength, type ConvProblem, type DType, type FloatArray, type Pass } from '../problem.js'
import { withAbort } from '../abort.js'
import { Backlog, defaultLimits, type Limits } from './backlog.js'
import { findWorker } from './paths.js'

/** What the worker is sent: the arguments of one call, their arrays copied. */
export type Task =
  | { kind: 'run'; pass: Pass; problem: ConvProblem; algorithm: string; operands: PassOperands }
  | { kind: 'biasGradient'; problem: BiasProblem; gradOutput: FloatArray }

/** Computes a task: in the worker, or in a later turn of this thread. */
export async function compute(backend: Backend, task: Task, signal?: AbortSignalLike): Promise<FloatArray> {
  if (task.kind === 'biasGradient') return backend.biasGradientAsync(task.problem, task.gradOutput, signal)
  return backend.runAsync(task.pass, task.problem, task.algorithm, task.operands, signal)
}

/** What it answers. */
export type Reply = { out: FloatArray } | { error: { name: string; code: ErrorCode | undefined; message: string } }

/** The same backend, with its asynchronous calls in a worker. */
export function withWorker(backend: Backend, limits: Limits = defaultLimits()): Backend {
  const file = findWorker()
  if (file === undefined) return backend
  const queue = new WorkerQueue(file, backend)
  const backlog = new Backlog(limits)
  /** Makes the task, which copies, only where there is room for it. Whatever is thrown rejects. */
  const run = async (bytes: number, make: () => Task, signal: AbortSignalLike | undefined): Promise<FloatArray> => {
    backlog.enter(bytes)
    try {
      return await queue.submit(make(), signal)
    } finally {
      backlog.leave(bytes)
    }
  }
  return {
    ...backend,
    runAsync(pass, problem, algorithm, operands, signal) {
      const make = (): Task => ({ kind: 'run', pass, problem, algorithm, operands: copyOperands(operands) })
      return run(bytesOf(arraysOf(operands)) + resultBytes(pass, problem), make, signal)
    },
    biasGradientAsync(problem, gradOutput, signal) {
      const make = (): Task => ({ kind: 'biasGradient', problem, gradOutput: copy(gradOutput) })
      return run(bytesOf([gradOutput]), make, signal)
    },
    prepare(pass, algorithm, weights, epilogue) {
      const inner = backend.prepare(pass, algorithm, weights, epilogue)
      const kept = copyOperands({ image: undefined, features: undefined, weights, epilogue })
      const side = pass === 'forward' ? 'image' : 'features'
      return {
        planId: inner.planId.bind(inner),
        run: inner.run.bind(inner),
        runAsync(problem, input, signal) {
          const operands = { ...kept, [side]: input }
          const make = (): Task => ({ kind: 'run', pass, problem, algorithm, operands: copyOperands(operands) })
          return run(bytesOf(arraysOf(operands)) + resultBytes(pass, problem), make, signal)
        },
        dispose: inner.dispose.bind(inner),
      }
    },
  }
}

function copy(data: FloatArray): FloatArray {
  const copied = allocate('convkit', dtypeOf(data) as DType, lengthOf(data))
  if (copied.length > 0) copied.set(data)
  return copied
}

function copyOperands({ image, features, weights, epilogue }: PassOperands): PassOperands {
  return {
    image: image && copy(image),
    features: features && copy(features),
    weights: weights && copy(weights),
    epilogue: epilogue && copyEpilogue(epilogue),
  }
}

function copyEpilogue({ activation, a, b, bias, slope }: Epilogue): Epilogue {
  return { activation, a, b, bias: bias && copy(bias), slope: slope && copy(slope) }
}

function arraysOf({ image, features, weights, epilogue }: PassOperands): FloatArray[] {
  return [image, features, weights, epilogue?.bias, epilogue?.slope].filter((array) => array !== undefined)
}

function bytesOf(arrays: readonly FloatArray[]): number {
  return arrays.reduce((bytes, array) => bytes + lengthOf(array) * bytesPerElement(dtypeOf(array) as DType), 0)
}

function resultBytes(pass: Pass, problem: ConvProblem): number {
  return resultLength(pass, problem) * bytesPerElement(problem.dtype)
}

function bytesPerElement(dtype: DType): number {
  return dtype === 'float32' ? 4 : 8
}

/** The memory of a task, which the worker may have. */
function buffersOf(task: Task): ArrayBuffer[] {
  const arrays = task.kind === 'biasGradient' ? [task.gradOutput] : arraysOf(task.operands)
  return arrays.map((array) => array.buffer as ArrayBuffer)
}

interface Entry {
  readonly task: Task
  readonly resolve: (out: FloatArray) => void
  readonly reject: (error: unknown) => void
}

class WorkerQueue {
  readonly #file: string
  readonly #backend: Backend
  readonly #waiting = new Set<Entry>()
  #running: Entry | undefined
  #stopping = false
  #worker: Worker | undefined

  /** @param backend - for where no worker can be started */
  constructor(file: string, backend: Backend) {
    this.#file = file
    this.#backend = backend
  }

  async submit(task: Task, signal: AbortSignalLike | undefined): Promise<FloatArray> {
    if (signal?.aborted) throw abortError(signal)
    try {
      this.#worker ??= this.#start()
    } catch {
      return compute(this.#backend, task, signal)
    }
    let cancel = (): void => undefined
    const done = new Promise<FloatArray>((resolve, reject) => {
      const entry = { task, resolve, reject }
      cancel = () => {
        this.#remove(entry)
      }
      this.#waiting.add(entry)
      this.#next()
    })
    return withAbort(signal, done, cancel)
  }

  #next(): void {
    if (this.#running !== undefined || this.#stopping) return
    const entry = this.#waiting.values().next().value
    if (entry === undefined) {
      this.#worker?.unref()
      return
    }
    this.#waiting.delete(entry)
    this.#running = entry
    try {
      this.#worker ??= this.#start()
      this.#worker.ref()
      this.#worker.postMessage(entry.task, buffersOf(entry.task))
    } catch (error) {
      this.#settle((failed) => {
        failed.reject(error)
      })
    }
  }

  /** Ends the running entry and goes on with the next one. */
  #settle(how: (entry: Entry) => void): void {
    const entry = this.#running
    this.#running = undefined
    if (entry !== undefined) how(entry)
    this.#next()
  }

  #remove(entry: Entry): void {
    this.#waiting.delete(entry)
    if (this.#running !== entry) return
    void this.#worker?.terminate()
    this.#worker = undefined
    // One event may abort thousands of calls: the next worker starts when it is over and known which are left.
    this.#running = undefined
    this.#stopping = true
    setImmediate(() => {
      this.#stopping = false
      this.#next()
    })
  }

  #start(): Worker {
    // Flags of this process, such as --input-type, are none of the worker's.
    const worker = new Worker(this.#file, { execArgv: [] })
    worker.on('message', (reply: Reply) => {
      if (worker !== this.#worker) return
      this.#settle((entry) => {
        if ('out' in reply) entry.resolve(reply.out)
        else entry.reject(makeError(reply.error))
      })
    })
    // The worker is lost: for want of memory, or because somebody ended it.
    const lost = (reason: string): void => {
      if (worker !== this.#worker) return
      this.#worker = undefined
      this.#settle((entry) => {
        entry.reject(convkitError('RangeError', 'ERR_CONVKIT_MEMORY', `convkit: the worker thread ended: ${reason}`))
      })
    }
    worker.on('error', (error) => {
      lost(error instanceof Error ? error.message : String(error))
    })
    worker.on('exit', (code) => {
      lost(`exit code ${code}`)
    })
    return worker
  }
}

function makeError({ name, code, message }: { name: string; code: ErrorCode | undefined; message: string }): Error {
  const kind = name === 'TypeError' || name === 'RangeError' ? name : 'Error'
  return code === undefined ? new Error(`${name}: ${message}`) : convkitError(kind, code, message)
}
