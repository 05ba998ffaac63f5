// @ts-check
// Two result files against each other: a regression is a line that has become slower by more than a tenth and by more than
// the spread of both measurements. The peak and the peers tell whether it was the machine that changed.
import { readFileSync } from 'node:fs'
import { digits, subject } from './report.mjs'
import { geometricMean } from './statistics.mjs'

/** @typedef {import('./types.js').Result} Result */
/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./types.js').Figure} Figure */

const leastChange = 0.1

/**
 * Spread is half the distance between the quartiles; three of it on either side hold about all rounds of a calm machine.
 *
 * @param {Figure} before
 * @param {Figure} after
 */
const noise = (before, after) => Math.max(leastChange, 3 * (before.spread + after.spread))

/** @param {string} file */
export function readResult(file) {
  /** @type {Result} */
  const result = JSON.parse(readFileSync(file, 'utf8'))
  if (result.format !== 2) throw new Error(`${file} is not a result of this version of the benchmark`)
  return result
}

/**
 * @param {Result} before
 * @param {Result} after
 * @returns {{ text: string, regressions: number }}
 */
export function compare(before, after) {
  const lines = [`\n${after.date} against ${before.date}: time of ${subject}, new / old`]
  if (before.dtype !== after.dtype) lines.push(`note: dtype was ${before.dtype} and is ${after.dtype}`)
  if (before.machine.cpu !== after.machine.cpu) lines.push('note: these are different machines')

  const keyOf = (/** @type {Row} */ { layer, pass, threads }) => `${layer} ${pass} ${threads}`
  const old = new Map(before.rows.map((row) => [keyOf(row), row]))
  const ratios = []
  /** @type {Map<string, number[]>} */
  const others = new Map()
  let regressions = 0
  for (const row of after.rows) {
    const earlier = old.get(keyOf(row))
    if (earlier === undefined) continue
    const note = (/** @type {string} */ name, /** @type {number} */ value) =>
      others.set(name, [...(others.get(name) ?? []), value])
    if (row.peakGflops && earlier.peakGflops) note('peak', row.peakGflops / earlier.peakGflops)

    for (const [name, figure] of Object.entries(row.figures)) {
      const was = earlier.figures[name]
      if (was === undefined) continue
      const change = figure.ms / was.ms
      if (name !== subject) {
        note(name, change)
        continue
      }
      ratios.push(change)
      const limit = noise(was, figure)
      const slower = change > 1 + limit
      const verdict = slower ? 'SLOWER' : change < 1 / (1 + limit) ? 'faster' : ''
      if (slower) regressions++
      const times = `${digits(was.ms).padStart(9)} ms ${digits(figure.ms).padStart(9)} ms  ×${change.toFixed(2)}`
      lines.push(
        `${row.layer.padEnd(17)}${row.pass.padEnd(11)}${String(row.threads).padEnd(3)}${times}  ${verdict}`.trimEnd(),
      )
    }
  }
  if (ratios.length === 0) return { text: [...lines, 'no line in common'].join('\n'), regressions }
  lines.push(
    `geometric mean ×${geometricMean(ratios).toFixed(2)} over ${ratios.length}; ${regressions} slower beyond noise`,
  )
  for (const [name, values] of others) lines.push(`${name}, new / old: ×${geometricMean(values).toFixed(2)}`)
  return { text: lines.join('\n'), regressions }
}
