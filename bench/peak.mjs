// @ts-check
// The yardstick of the machine itself: native/peak.cpp. Without a compiler there is none, and the benchmark goes on without
// percentages.
import { Child } from './line-protocol.mjs'
import { programFile } from './native.mjs'

/** @typedef {import('./types.js').DType} DType */

export class PeakMeter {
  #child

  /** @param {number} threads */
  constructor(threads) {
    // A run with a forced instruction set is held against the peak of that set.
    const isa = process.env.CONVKIT_ISA
    this.#child = new Child(programFile('peak'), [String(threads), ...(isa ? [isa] : [])])
  }

  /**
   * GFLOP/s, or GB/s.
   *
   * @param {DType | 'read' | 'copy'} what
   * @param {number} [bytes]  of memory, over and over; default: far more than any cache holds, once
   */
  async measure(what, bytes) {
    const { value } = await this.#child.ask({ do: what, bytes })
    return /** @type {number} */ (value)
  }

  /** @returns {Promise<import('./types.js').Peak>} */
  async measureAll() {
    const { isa } = await this.#child.ask({ do: 'about' })
    /** @type {Record<string, number>} */
    const best = {}
    for (let i = 0; i < 3; i++) {
      for (const what of /** @type {const} */ (['float32', 'float64', 'read', 'copy'])) {
        best[what] = Math.max(best[what] ?? 0, await this.measure(what))
      }
    }
    return { isa, float32: best.float32, float64: best.float64, read: best.read, copy: best.copy }
  }

  stop() {
    this.#child.stop()
  }
}
