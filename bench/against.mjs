// @ts-check
// Two builds of convkit in this process, by turns: npm run bench -- --against <folder>. What a change is worth is seen in the
// same seconds, whatever else the machine does.
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as convkit from 'convkit'
import { makeCall, timeByTurns } from './calls.mjs'
import { operatorName, readLayers, selectLayers } from './layers.mjs'
import { geometricMean, median } from './statistics.mjs'

/** @typedef {import('./calls.mjs').Variant} Variant */

/**
 * The times of a build on some layers, as multiples of those of another.
 *
 * @param {{ of: any, to: any }} builds  modules
 * @param {import('./types.js').Case[]} jobs
 * @param {{ rounds: number, variant?: Variant | undefined }} how
 * @param {(line: string) => void} tell
 */
export function compareBuilds({ of, to }, jobs, { rounds, variant }, tell) {
  const ratios = jobs.map((job) => {
    const calls = [to, of].map((build) => makeCall(build, job, variant))
    const [before, after] = timeByTurns(
      calls.map(({ run }) => run),
      rounds,
    )
    for (const { dispose } of calls) dispose()
    const plans = [...new Set(calls.map(({ plan }) => plan))].join(' -> ')
    const times = [before, after].map((ms) => ms.toPrecision(3).padStart(9)).join(' ->')
    const ratio = after / before
    tell(`×${ratio.toFixed(3)} ${times} ms  ${job.pass} ${operatorName(job.layer)} ${job.layer.name}  ${plans}`)
    return ratio
  })
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)]
  const numbers = { mean: geometricMean(ratios), median: median(ratios), least, most }
  const text = Object.entries(numbers).map(([name, number]) => `${name} ×${number.toFixed(3)}`)
  tell(`${ratios.length} layers: ${text.join(', ')}`)
}

/** @param {import('./options.mjs').Options} options */
export async function compareWith({ against, layers: file, words, passes, only, dtype, threads, rounds }) {
  const other = await import(pathToFileURL(join(resolve(/** @type {string} */ (against)), 'dist/esm/index.js')).href)
  for (const build of [convkit, other]) {
    const { backend, reason } = build.info()
    if (backend !== 'native') throw new Error(`--against compares native code, but one of both has none: ${reason}`)
    build.setThreads(threads[0])
  }
  const variants = only.filter((name) => name === 'native' || name === 'functional' || name === 'channels-last')
  const layers = selectLayers(readLayers(file), words)
  for (const name of variants) {
    const variant = name === 'native' ? undefined : name
    console.log(`${name}, ${dtype}, threads: ${threads[0]}; times of ${against} -> times here`)
    for (const pass of name === 'functional' ? passes.filter((one) => one === 'forward') : passes) {
      const jobs = layers.map((layer) => ({ layer, pass, dtype }))
      compareBuilds({ of: convkit, to: other }, jobs, { rounds, variant }, console.log)
    }
  }
}
