// @ts-check
// One case: every contestant loads it, the results are compared, then they take turns.
//
//   round 1   machine  convkit      onnxruntime  TypeScript
//   round 2   machine  TypeScript   onnxruntime  convkit        the order turns round, so that none always follows the same
//   ...
//
// A machine drifts: clocks change, neighbours come and go. What is compared is therefore measured within the same seconds,
// and so are different numbers of threads.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readValues, relativeDifference, tolerance } from './agreement.mjs'
import { bytes, flops } from './layers.mjs'
import { Child } from './line-protocol.mjs'
import { median, spread } from './statistics.mjs'

/** @typedef {import('./types.js').Bound} Bound */
/** @typedef {import('./types.js').Case} Case */
/** @typedef {import('./types.js').Contestant} Contestant */
/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./peak.mjs').PeakMeter} PeakMeter */
/** @typedef {Contestant & { rounds: number[], difference: number, plan?: string, failure?: string }} Entrant */
/** @typedef {{ multiplyAdds: number[], read: number[], copy: number[] }} MachineRounds */

/** A contestant that has spent this long on a case gets no more than the least number of rounds. */
const patienceMs = 6000
const leastRounds = 3

/** @param {Contestant} contestant */
const keyOf = ({ name, threads }) => `${name} ${threads}`

export class Contest {
  #children
  #contestants
  #options

  /**
   * @param {Contestant[]} contestants
   * @param {{ rounds: number, quick: boolean, peaks: Map<number, PeakMeter> }} options  a meter for each number of threads
   */
  constructor(contestants, options) {
    this.#contestants = contestants
    this.#options = options
    this.#children = new Map(contestants.map((one) => [keyOf(one), new Child(one.command, one.args, one.env)]))
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
        const { version, isa } = await this.#child(contestant).ask({ do: 'about' })
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
   * @returns {Promise<Row[]>}  one for each number of threads
   */
  async run(job) {
    const entrants = await this.#load(job)
    const machine = await this.#takeTurns(job, entrants)
    const threads = [...new Set(entrants.map((entrant) => entrant.threads))]
    return threads.map((count) =>
      rowOf(
        job,
        count,
        entrants.filter((entrant) => entrant.threads === count),
        machine.get(count),
      ),
    )
  }

  /**
   * Loads the case into every contestant that can take it and compares what they compute.
   *
   * @param {Case} job
   */
  async #load(job) {
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
        /** @type {Entrant} */
        const entrant = { ...contestant, rounds: [], difference: 0 }
        const resultFile = join(folder, contestant.name)
        try {
          const { plan, unable } = await this.#child(contestant).ask({ do: 'load', ...job, resultFile })
          if (unable !== undefined) continue
          const values = readValues(resultFile, job.dtype)
          expected ??= values
          entrant.plan = plan
          entrant.difference = relativeDifference(values, expected)
          if (!(entrant.difference <= tolerance)) {
            throw new Error(`differs from the first contestant by ${entrant.difference} of its root mean square`)
          }
        } catch (error) {
          entrant.failure = /** @type {Error} */ (error).message
        }
        entrants.push(entrant)
        rmSync(resultFile, { force: true })
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
    return entrants
  }

  /**
   * @param {Case} job
   * @param {Entrant[]} entrants
   * @returns {Promise<Map<number, MachineRounds>>}  by number of threads
   */
  async #takeTurns(job, entrants) {
    const { rounds, quick, peaks } = this.#options
    const budgetMs = quick ? 10 : 40
    const spent = new Map(entrants.map((entrant) => [entrant, 0]))
    /** @type {Map<number, MachineRounds>} */
    const machine = new Map()
    const wants = (/** @type {Entrant} */ entrant) =>
      entrant.failure === undefined &&
      entrant.rounds.length < Math.min(rounds, entrant.maxRounds) &&
      (entrant.rounds.length < leastRounds || (spent.get(entrant) ?? 0) < patienceMs)

    let turn = entrants
    while (turn.some(wants)) {
      for (const [threads, meter] of peaks) {
        if (!turn.some((entrant) => entrant.threads === threads && wants(entrant))) continue
        const figures = machine.get(threads) ?? { multiplyAdds: [], read: [], copy: [] }
        machine.set(threads, figures)
        figures.read.push(await meter.measure('read', bytes(job).all))
        figures.copy.push(await meter.measure('copy', bytes(job).all))
        figures.multiplyAdds.push(await meter.measure(job.dtype))
      }
      for (const entrant of turn.filter(wants)) {
        const start = performance.now()
        try {
          const { times } = await this.#child(entrant).ask({ do: 'run', budgetMs })
          entrant.rounds.push(median(times))
        } catch (error) {
          entrant.failure = /** @type {Error} */ (error).message
        }
        spent.set(entrant, (spent.get(entrant) ?? 0) + performance.now() - start)
      }
      turn = [...turn].reverse()
    }
    return machine
  }

  /** @param {Contestant} contestant */
  #child(contestant) {
    const child = this.#children.get(keyOf(contestant))
    if (child === undefined) throw new Error(`no contestant is called ${contestant.name}`)
    return child
  }
}

/**
 * @param {Case} job
 * @param {number} threads
 * @param {Entrant[]} entrants
 * @param {MachineRounds | undefined} machine
 * @returns {Row}
 */
function rowOf(job, threads, entrants, machine) {
  const peakGflops = machine ? median(machine.multiplyAdds) : null
  const readGBs = machine ? median(machine.read) : null
  const copyGBs = machine ? median(machine.copy) : null
  const bound = boundOf(job, peakGflops, readGBs, copyGBs)
  const figures = entrants
    .filter(({ failure, rounds }) => failure === undefined && rounds.length > 0)
    .map(({ name, rounds, difference, plan }) => {
      const ms = median(rounds)
      const gflops = flops(job.layer) / ms / 1e6
      const percentOfPeak = peakGflops && (100 * gflops) / peakGflops
      const percentOfBound = bound && (100 * bound.ms) / ms
      const figure = { ms, spread: spread(rounds), gflops, percentOfPeak, percentOfBound, difference, plan, rounds }
      return /** @type {const} */ ([name, figure])
    })
  const failures = entrants.flatMap(({ name, failure }) =>
    failure === undefined ? [] : [/** @type {const} */ ([name, failure])],
  )
  return {
    layer: job.layer.name,
    op: job.layer.op,
    pass: job.pass,
    threads,
    flops: flops(job.layer),
    bytes: bytes(job).all,
    peakGflops,
    readGBs,
    copyGBs,
    bound,
    figures: Object.fromEntries(figures),
    failures: Object.fromEntries(failures),
  }
}

/**
 * As many bytes as are written cost what copying costs; what is read beyond that, what reading costs.
 *
 * @param {Case} job
 * @param {number | null} peakGflops
 * @param {number | null} readGBs
 * @param {number | null} copyGBs
 * @returns {Bound | null}
 */
function boundOf(job, peakGflops, readGBs, copyGBs) {
  if (!peakGflops || !readGBs || !copyGBs) return null
  const { read, written, all } = bytes(job)
  const copied = Math.min(all, 2 * written)
  const moving = (copied / copyGBs + Math.max(0, read - written) / readGBs) / 1e6
  const computing = flops(job.layer) / peakGflops / 1e6
  return moving > computing ? { by: 'bytes', ms: moving } : { by: 'multiply-adds', ms: computing }
}
