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
import { buildProgram } from './native.mjs'
import { PeakMeter } from './peak.mjs'
import { installPeers } from './peers.mjs'
import { eachOnce, heading, line, preamble, scalingText, summarize, summaryText } from './report.mjs'

/** @typedef {import('./types.js').Contestant} Contestant */
/** @typedef {import('./types.js').Result} Result */
/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./options.mjs').Options} Options */

/**
 * @param {Options} options
 * @returns {Promise<{ result: Result, present: Contestant[], failures: string[] }>}
 */
async function measure(options) {
  const { words, passes, threads, dtype, rounds, quick } = options
  const layers = selectLayers(readLayers(options.layers), words)
  if (layers.length === 0) throw new Error(`no layer is called ${words.join(' or ')}`)
  const machine = describeMachine()
  const withoutPeers = installPeers()
  const withoutPeak = buildProgram('peak')
  const peaks = new Map(withoutPeak === undefined ? threads.map((count) => [count, new PeakMeter(count)]) : [])
  const wanted = contestants(options)
  const withoutOneDnn = wanted.some(({ name }) => name === 'onednn') ? buildProgram('onednn', ['dnnl']) : undefined
  const contest = new Contest(
    wanted.filter(({ name }) => name !== 'onednn' || withoutOneDnn === undefined),
    { rounds, quick, peaks },
  )
  try {
    const { versions, absent } = await contest.rollCall()
    const present = eachOnce(contest.contestants)
    if (present.length === 0)
      throw new Error(absent.map(({ contestant, why }) => `${contestant.title}: ${why}`).join('\n'))
    const head = {
      format: /** @type {const} */ (2),
      date: new Date().toISOString(),
      machine,
      versions: { node: process.versions.node, ...versions },
      threads,
      dtype,
      rounds,
      quick,
      peak: (await peaks.get(threads[0])?.measureAll()) ?? null,
      notes: [
        ...[withoutPeers, withoutPeak].filter((note) => note !== undefined),
        ...(withoutOneDnn === undefined ? [] : [`without oneDNN (Debian: libdnnl-dev): ${withoutOneDnn}`]),
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
        const [base, ...more] = await contest.run({ layer, pass, dtype })
        for (const row of base === undefined ? [] : [base, ...more]) {
          if (Object.keys({ ...row.figures, ...row.failures }).length === 0) continue
          rows.push(row)
          console.log(line(row, present, base))
          for (const { name, title, ours } of present) {
            const why = row.failures[name]
            if (why !== undefined) console.log(`  ${title} failed: ${why}`)
            if (why !== undefined && ours) failures.push(`${title} at ${layer.name} ${pass}`)
          }
        }
      }
    }
    return { result: { ...head, rows, summary: summarize(rows, present) }, present, failures }
  } finally {
    contest.stop()
    for (const meter of peaks.values()) meter.stop()
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
  const scaling = scalingText(result.rows)
  if (scaling !== '') console.log(scaling)
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
  // Each of these loads convkit into this process, which a run does not need.
  if (options.against !== undefined) return (await import('./against.mjs')).compareWith(options)
  if (options.planner) return (await import('./planner.mjs')).judgePlanner(options)
  if (options.accuracy || options.overhead) {
    const good = options.accuracy
      ? await (await import('./accuracy.mjs')).accuracy(options)
      : await (await import('./overhead.mjs')).overhead()
    if (!good) process.exitCode = 1
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
