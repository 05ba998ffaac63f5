// @ts-check
// The benchmark: npm run bench -- --help. README.md beside this file tells the method and how to read the figures.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { drawChart } from './chart.mjs'
import { compare, readResult } from './compare.mjs'
import { contestants } from './contestants.mjs'
import { Contest } from './contest.mjs'
import { readLayers, selectLayers } from './layers.mjs'
import { describeMachine } from './machine.mjs'
import { help, readOptions } from './options.mjs'
import { buildPeak, PeakMeter } from './peak.mjs'
import { installPeers } from './peers.mjs'
import { heading, line, preamble, summarize, summaryText } from './report.mjs'

/** @typedef {import('./types.js').Contestant} Contestant */
/** @typedef {import('./types.js').Result} Result */
/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./options.mjs').Options} Options */

/**
 * @param {Options} options
 * @returns {Promise<{ result: Result, present: Contestant[], failures: string[] }>}
 */
async function measure(options) {
  const { words, passes, only, threads, dtype, rounds, quick } = options
  const layers = selectLayers(readLayers(), words)
  if (layers.length === 0) throw new Error(`no layer is called ${words.join(' or ')}`)
  const machine = describeMachine()
  const withoutPeers = installPeers()
  const withoutPeak = buildPeak()
  const peak = withoutPeak === undefined ? new PeakMeter(threads) : undefined
  const wanted = contestants(options).filter(({ name }) => only.some((one) => one === name))
  const contest = new Contest(wanted, { rounds, quick, peak })
  try {
    const { versions, absent } = await contest.rollCall()
    const present = contest.contestants
    if (present.length === 0)
      throw new Error(absent.map(({ contestant, why }) => `${contestant.title}: ${why}`).join('\n'))
    const head = {
      format: /** @type {const} */ (1),
      date: new Date().toISOString(),
      machine,
      versions: { node: process.versions.node, ...versions },
      threads,
      dtype,
      rounds,
      quick,
      peak: peak ? await peak.measureAll() : null,
      notes: [
        ...[withoutPeers, withoutPeak].filter((note) => note !== undefined),
        ...absent.map(({ contestant, why }) => `without ${contestant.title}: ${why}`),
      ],
    }
    console.log(`${preamble(head)}\n\n${heading(present)}`)

    /** @type {Row[]} */
    const rows = []
    const failures = absent
      .filter(({ contestant }) => contestant.ours)
      .map(({ contestant }) => `no ${contestant.title} (is it built?)`)
    for (const pass of passes) {
      for (const layer of layers) {
        const row = await contest.run({ layer, pass, dtype })
        if (Object.keys({ ...row.figures, ...row.failures }).length === 0) continue
        rows.push(row)
        console.log(line(row, present))
        for (const { name, title, ours } of present) {
          const why = row.failures[name]
          if (why !== undefined) console.log(`  ${title} failed: ${why}`)
          if (why !== undefined && ours) failures.push(`${title} at ${layer.name} ${pass}`)
        }
      }
    }
    return { result: { ...head, rows, summary: summarize(rows, present) }, present, failures }
  } finally {
    contest.stop()
    peak?.stop()
  }
}

/**
 * Writes the result and its chart.
 *
 * @param {Result} result
 * @param {Contestant[]} present
 * @param {string} [wanted]
 */
function save(result, present, wanted) {
  const results = fileURLToPath(new URL('results/', import.meta.url))
  const file = resolve(wanted ?? `${results}${result.date.replaceAll(':', '-')}.json`)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(result, null, 2) + '\n')
  console.log(`\nresult: ${file}`)
  const picture = `${file.replace(/\.json$/, '')}.svg`
  try {
    drawChart(picture, result, present)
    console.log(`chart:  ${picture}`)
  } catch (error) {
    console.log(`no chart: ${/** @type {Error} */ (error).message.split('\n')[0]}`)
  }
}

/** @param {Options} options */
async function measureAndSave(options) {
  const { result, present, failures } = await measure(options)
  if (result.summary.length > 0) console.log(`\n${summaryText(result.summary)}`)
  save(result, present, options.json)
  if (failures.length > 0) {
    console.log(`failed: ${failures.join(', ')}`)
    process.exitCode = 1
  }
  return result
}

async function main() {
  const options = readOptions(process.argv.slice(2))
  if (options.help) {
    console.log(help)
    return
  }
  // Read first: an old file that cannot be read should not cost a run.
  const before = options.compare === undefined ? undefined : readResult(options.compare)
  const result = options.with === undefined ? await measureAndSave(options) : readResult(options.with)
  if (before === undefined) return
  const { text, regressions } = compare(before, result)
  console.log(text)
  if (regressions > 0) process.exitCode = 1
}

try {
  await main()
} catch (error) {
  console.error(/** @type {Error} */ (error).message)
  process.exitCode = 2
}
