// @ts-check
// The yardstick of the machine itself: native/peak.cpp, compiled here on first use. Without a compiler there is none, and the
// benchmark goes on without percentages.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Child } from './line-protocol.mjs'

const source = new URL('native/peak.cpp', import.meta.url)
const folder = new URL('build/', import.meta.url)
const program = new URL(process.platform === 'win32' ? 'peak.exe' : 'peak', folder)

/** @returns {string | undefined} why it could not be built, if so */
export function buildPeak() {
  if (existsSync(program) && statSync(program).mtimeMs >= statSync(source).mtimeMs) return undefined
  mkdirSync(folder, { recursive: true })
  const args = ['-std=c++17', '-O3', '-pthread', fileURLToPath(source), '-o', fileURLToPath(program)]
  const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  for (const compiler of compilers) {
    const done = spawnSync(compiler, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    if (done.status === 0) return undefined
    if (done.error === undefined) return `${compiler} could not compile bench/native/peak.cpp: ${done.stderr}`
  }
  return `no C++ compiler (${compilers.join(', ')}): percent of peak is left out`
}

export class PeakMeter {
  #child

  /** @param {number} threads */
  constructor(threads) {
    // A run with a forced instruction set is held against the peak of that set.
    const isa = process.env.CONVKIT_ISA
    this.#child = new Child(fileURLToPath(program), [String(threads), ...(isa ? [isa] : [])])
  }

  /** @param {'float32' | 'float64' | 'read' | 'copy'} what  GFLOP/s, or GB/s */
  async measure(what) {
    const { value } = await this.#child.ask({ do: what })
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
