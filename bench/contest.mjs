// @ts-check
// One line of the table: every contestant loads the case, the results are compared, then they take turns.
//
//   round 1   peak  convkit      onnxruntime  TypeScript
//   round 2   peak  TypeScript   onnxruntime  convkit        the order turns round, so that none always follows the same
//   ...
//
// A machine drifts: clocks change, neighbours come and go. What is compared is therefore measured within the same seconds.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readValues, relativeDifference, tolerance } from './agreement.mjs'
import { bytes, flops } from './layers.mjs'
import { Child } from './line-protocol.mjs'
import { median, spread } from './statistics.mjs'

/** @typedef {import('./types.js').Case} Case */
/** @typedef {import('./types.js').Contestant} Contestant */
/** @typedef {import('./types.js').Figure} Figure */
/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./types.js').DType} DType */
/** @typedef {Contestant & { child: Child, rounds: number[], difference: number, plan?: string }} Entrant */

/** A contestant that has spent this long on a case gets no more than the least number of rounds. */
const patienceMs = 6000
const leastRounds = 3

export class Contest {
  #children
  #contestants
  #options

  /**
   * @param {Contestant[]} contestants
   * @param {{ rounds: number, quick: boolean, peak: import('./peak.mjs').PeakMeter | undefined }} options
   */
  constructor(contestants, options) {
    this.#contestants = contestants
    this.#options = options
    this.#children = new Map(contestants.map(({ name, command, args, env }) => [name, new Child(command, args, env)]))
  }

  /** Those that answered the roll call. */
  get contestants() {
    return this.#contestants
  }

  /**
   * Asks every contestant for its version. One that does not answer stays out from then on.
   *
   * @returns {Promise<{ versions: Record<string, string>, absent: { contestant: Contestant, why: string }[] }>}
   */
  async rollCall() {
    /** @type {Record<string, string>} */
    const versions = {}
    /** @type {{ contestant: Contestant, why: string }[]} */
    const absent = []
    for (const contestant of this.#contestants) {
      try {
        const { version, isa } = await this.#child(contestant.name).ask({ do: 'about' })
        versions[contestant.title] = isa === undefined ? version : `${version} (${isa})`
      } catch (error) {
        absent.push({ contestant, why: /** @type {Error} */ (error).message })
      }
    }
    this.#contestants = this.#contestants.filter((one) => !absent.some(({ contestant }) => contestant === one))
    return { versions, absent }
  }

  stop() {
    for (const child of this.#children.values()) child.stop()
  }

  /**
   * @param {Case} job
   * @returns {Promise<Row>}
   */
  async run(job) {
    const { layer, pass, dtype } = job
    /** @type {Record<string, string>} */
    const failures = {}
    const entrants = await this.#load(job, failures)
    const peaks = await this.#takeTurns(entrants, dtype, failures)

    const peakGflops = peaks && median(peaks.multiplyAdds)
    const figures = entrants
      .filter(({ name, rounds }) => failures[name] === undefined && rounds.length > 0)
      .map(({ name, rounds, difference, plan }) => {
        const ms = median(rounds)
        const gflops = flops(layer) / ms / 1e6
        const percentOfPeak = peakGflops && (100 * gflops) / peakGflops
        return /** @type {const} */ ([
          name,
          { ms, spread: spread(rounds), gflops, percentOfPeak, difference, plan, rounds },
        ])
      })
    return {
      layer: layer.name,
      op: layer.op,
      pass,
      flops: flops(layer),
      bytes: bytes(layer, dtype),
      peakGflops,
      copyGBs: peaks && median(peaks.copy),
      figures: Object.fromEntries(figures),
      failures,
    }
  }

  /**
   * Loads the case into every contestant that can take it and compares what they compute.
   *
   * @param {Case} job
   * @param {Record<string, string>} failures
   */
  async #load(job, failures) {
    const able = this.#contestants.filter(
      ({ passes, dtypes, maxFlops }) =>
        passes.includes(job.pass) && dtypes.includes(job.dtype) && flops(job.layer) <= maxFlops,
    )
    const folder = mkdtempSync(join(tmpdir(), 'convkit-bench-'))
    /** @type {Entrant[]} */
    const entrants = []
    /** @type {Float32Array | Float64Array | undefined} */
    let expected
    try {
      for (const contestant of able) {
        const child = this.#child(contestant.name)
        const resultFile = join(folder, contestant.name)
        try {
          const { plan } = await child.ask({ do: 'load', ...job, resultFile })
          const values = readValues(resultFile, job.dtype)
          expected ??= values
          const difference = relativeDifference(values, expected)
          if (!(difference <= tolerance)) {
            throw new Error(`differs from the first contestant by ${difference} of its root mean square`)
          }
          entrants.push({ ...contestant, child, rounds: [], difference, plan })
        } catch (error) {
          failures[contestant.name] = /** @type {Error} */ (error).message
        }
        rmSync(resultFile, { force: true })
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
    return entrants
  }

  /**
   * @param {Entrant[]} entrants
   * @param {DType} dtype
   * @param {Record<string, string>} failures
   */
  async #takeTurns(entrants, dtype, failures) {
    const { rounds, quick, peak } = this.#options
    const budgetMs = quick ? 10 : 40
    const spent = new Map(entrants.map(({ name }) => [name, 0]))
    const multiplyAdds = []
    const copy = []
    const wants = (/** @type {Entrant} */ { name, maxRounds, rounds: done }) =>
      failures[name] === undefined &&
      done.length < Math.min(rounds, maxRounds) &&
      (done.length < leastRounds || (spent.get(name) ?? 0) < patienceMs)

    let turn = entrants
    while (turn.some(wants)) {
      if (peak) {
        copy.push(await peak.measure('copy'))
        multiplyAdds.push(await peak.measure(dtype))
      }
      for (const entrant of turn.filter(wants)) {
        const start = performance.now()
        try {
          const { times } = await entrant.child.ask({ do: 'run', budgetMs })
          entrant.rounds.push(median(times))
        } catch (error) {
          failures[entrant.name] = /** @type {Error} */ (error).message
        }
        spent.set(entrant.name, (spent.get(entrant.name) ?? 0) + performance.now() - start)
      }
      turn = [...turn].reverse()
    }
    return multiplyAdds.length > 0 ? { multiplyAdds, copy } : null
  }

  /** @param {string} name */
  #child(name) {
    const child = this.#children.get(name)
    if (child === undefined) throw new Error(`no contestant is called ${name}`)
    return child
  }
}
