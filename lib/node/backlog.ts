/**
 * How much asynchronous work may be under way: calls, and the bytes of their copied operands and of their results, from
 * the call to the moment when its promise is settled. One call more is refused at once, which tells a server to
 * answer "busy" while it still can. Native code counts for the whole process (native/addon/backlog.h), the TypeScript
 * backend for its worker.
 */

import { totalmem } from 'node:os'
import { convkitError } from '../errors.js'

export interface Limits {
  readonly calls: number
  readonly bytes: number
}

const MIB = 2 ** 20
const LEAST_BYTES = 256 * MIB

/** A quarter of the memory that this process may use, as the system or its container says. */
export function defaultLimits(): Limits {
  const constrained = process.constrainedMemory() as number | undefined // 0, undefined or absurdly large: not constrained
  const memory = Math.min(totalmem(), constrained || Infinity)
  return { calls: 100_000, bytes: Math.max(Math.floor(memory / 4), LEAST_BYTES) }
}

/** @param underWay - such as `12 calls with 345 MiB` */
export function queueFull(underWay: string, { calls, bytes }: Limits): Error {
  return convkitError(
    'RangeError',
    'ERR_CONVKIT_MEMORY',
    `convkit: the queue is full: ${underWay} of operands and results are under way (at most ${calls} calls and ${Math.floor(bytes / MIB)} MiB); await some of them before making more`,
  )
}

export class Backlog {
  readonly #limits: Limits
  #calls = 0
  #bytes = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Throws when there is no room. A call larger than the bound is taken where nothing else is under way. */
  enter(bytes: number): void {
    const full = this.#calls >= this.#limits.calls || this.#bytes + bytes > this.#limits.bytes
    if (full && this.#calls > 0) {
      throw queueFull(`${this.#calls} calls with ${Math.floor(this.#bytes / MIB)} MiB`, this.#limits)
    }
    this.#calls++
    this.#bytes += bytes
  }

  leave(bytes: number): void {
    this.#calls--
    this.#bytes -= bytes
  }
}
