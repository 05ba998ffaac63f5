// @ts-check
// What the terminal shows: a line per case as it is finished, then the geometric means.
import { geometricMean } from './statistics.mjs'

/** @typedef {import('./types.js').Contestant} Contestant */
/** @typedef {import('./types.js').Figure} Figure */
/** @typedef {import('./types.js').Pass} Pass */
/** @typedef {import('./types.js').Result} Result */
/** @typedef {import('./types.js').Row} Row */
/** @typedef {import('./types.js').Summary} Summary */

/** The contestant that everything is measured against. */
export const subject = 'native'

/** Three significant digits, but no exponent: 0.0123, 1.23, 123, 12345. */
export function digits(/** @type {number} */ value) {
  if (value === 0 || !Number.isFinite(value)) return String(value)
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(decimals, 6))
}

const columns = /** @type {const} */ ([
  ['ms', 9],
  ['GFLOP/s', 8],
  ['bound', 6],
])

/** @param {Figure | undefined} figure */
function cells(figure) {
  const percent = figure?.percentOfBound
  const texts = figure
    ? [digits(figure.ms), digits(figure.gflops), percent == null ? '' : `${Math.round(percent)}%`]
    : ['', '', '']
  return columns.map(([, width], i) => texts[i].padStart(width)).join('')
}

/**
 * How many times as long as the subject a contestant takes.
 *
 * @param {Row} row
 * @param {string} against
 */
export function ratio({ figures }, against) {
  const ours = figures[subject]
  const theirs = figures[against]
  return ours && theirs ? theirs.ms / ours.ms : undefined
}

const ratioWidth = 9
const groupWidth = columns.reduce((total, [, width]) => total + width, 0)

/** What stands to the left of the figures. */
const margin = (
  /** @type {string} */ layer,
  /** @type {string} */ pass,
  /** @type {string | number} */ threads,
  /** @type {string} */ by,
) => `${layer.padEnd(17)}${pass.padEnd(11)}${String(threads).padEnd(3)}${by.padStart(5)}`

/** Each contestant once, whatever its number of threads. @param {Contestant[]} contestants */
export const eachOnce = (contestants) => [...new Map(contestants.map((one) => [one.name, one])).values()]

/** @param {Contestant[]} contestants */
export function heading(contestants) {
  const over = contestants
    .map(({ title, name }) => title.padStart(groupWidth) + ' '.repeat(name === subject ? 0 : ratioWidth))
    .join('')
  const names = columns.map(([name, width]) => name.padStart(width)).join('')
  const under = contestants.map(({ name }) => names + (name === subject ? '' : 'ratio'.padStart(ratioWidth))).join('')
  const left = margin('layer', 'pass', 'n', 'by')
  return `${' '.repeat(left.length)}${over.trimEnd()}\n${left}${under}  plan`
}

/**
 * @param {Row} row
 * @param {Contestant[]} contestants
 * @param {Row | undefined} base  the same case with the least number of threads
 */
export function line(row, contestants, base) {
  const groups = contestants.map(({ name }) => {
    const group = row.failures[name] === undefined ? cells(row.figures[name]) : 'failed'.padStart(groupWidth)
    if (name === subject) return group
    const times = ratio(row, name)
    return group + (times === undefined ? '' : `×${digits(times)}`).padStart(ratioWidth)
  })
  const by = row.bound === null ? '' : row.bound.by === 'bytes' ? 'bytes' : 'fma'
  const left = margin(row.layer, row.pass, row.threads, by)
  return `${left}${groups.join('')}  ${scaling(row, base)}${row.figures[subject]?.plan ?? ''}`.trimEnd()
}

/**
 * How many times as fast as with the least number of threads.
 *
 * @param {Row} row
 * @param {Row | undefined} base
 */
function scaling(row, base) {
  const before = base?.figures[subject]
  const now = row.figures[subject]
  if (base === undefined || base.threads === row.threads || !before || !now) return ''
  return `[×${(before.ms / now.ms).toFixed(2)} of ${base.threads}] `
}

/**
 * @param {Row[]} rows
 * @param {Contestant[]} contestants
 * @returns {Summary[]}
 */
export function summarize(rows, contestants) {
  /** @type {Summary[]} */
  const summaries = []
  const threadCounts = [...new Set(rows.map((row) => row.threads))]
  for (const { name } of contestants.filter(({ name }) => name !== subject)) {
    for (const op of /** @type {const} */ (['conv', 'convTranspose'])) {
      for (const pass of /** @type {const} */ (['forward', 'gradInput', 'gradWeight'])) {
        for (const threads of threadCounts) {
          const ratios = rows
            .filter((row) => row.op === op && row.pass === pass && row.threads === threads)
            .map((row) => ({ layer: row.layer, ratio: ratio(row, name) }))
            .filter(/** @returns {entry is { layer: string, ratio: number }} */ (entry) => entry.ratio !== undefined)
          if (ratios.length === 0) continue
          const worst = ratios.reduce((least, entry) => (entry.ratio < least.ratio ? entry : least))
          const mean = geometricMean(ratios.map((entry) => entry.ratio))
          summaries.push({ op, pass, threads, against: name, layers: ratios.length, ratio: mean, worst })
        }
      }
    }
  }
  return summaries
}

/** @param {Summary[]} summaries */
export function summaryText(summaries) {
  const lines = summaries.map(
    ({ op, pass, threads, against, layers, ratio, worst }) =>
      `${op.padEnd(14)}${pass.padEnd(11)}${`×${digits(ratio)}`.padEnd(10)}${against}` +
      `, ${threadsText([threads])}, ${layers} ${layers === 1 ? 'layer' : 'layers'}, least ×${digits(worst.ratio)} (${worst.layer})`,
  )
  return ['how many times as fast as (geometric means):', ...lines].join('\n')
}

/** @param {number[]} threads */
export const threadsText = (threads) => `${threads.join(', ')} ${threads.join() === '1' ? 'thread' : 'threads'}`

/**
 * How convkit gains from more threads: geometric means over the layers that are large enough to be shared out.
 *
 * @param {Row[]} rows
 */
export function scalingText(rows) {
  const least = Math.min(...rows.map((row) => row.threads))
  const counts = [...new Set(rows.map((row) => row.threads))].filter((threads) => threads !== least)
  return counts
    .map((threads) => {
      const gains = rows.flatMap((row) => {
        const base = rows.find((one) => one.layer === row.layer && one.pass === row.pass && one.threads === least)
        const [before, now] = [base?.figures[subject], row.figures[subject]]
        return row.threads === threads && row.flops >= largeFlops && before && now ? [before.ms / now.ms] : []
      })
      if (gains.length === 0) return ''
      const mean = digits(geometricMean(gains))
      return `convkit, ${threadsText([threads])} against ${least}: ×${mean} over ${gains.length} cases of at least 0.2 GFLOP, least ×${digits(Math.min(...gains))}`
    })
    .filter((text) => text !== '')
    .join('\n')
}

/** Below this a layer takes a few milliseconds, and waking threads begins to count. */
const largeFlops = 0.2e9

/** @param {Omit<Result, 'rows' | 'summary'>} result */
export function preamble({ date, machine, versions, threads, dtype, rounds, peak, notes }) {
  const { cpu, cores, memoryGiB, platform, arch, loadAverage } = machine
  const known = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const lines = [
    `${date}  ${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}, ${memoryGiB} GiB, ${platform} ${arch}`,
    known.join(', '),
    `${threadsText(threads)}, ${dtype}, medians of ${rounds} interleaved rounds, weights prepared, output allocated`,
  ]
  if (peak) {
    lines.push(
      `peak (${peak.isa}): ${digits(peak.float32)} GFLOP/s float32, ${digits(peak.float64)} float64; ` +
        `memory: ${digits(peak.read)} GB/s read, ${digits(peak.copy)} copied (read + written)`,
    )
  }
  if (loadAverage > 0.5) {
    notes = [...notes, `the machine is busy (load average ${digits(loadAverage)}): do not trust these figures`]
  }
  return [...lines, ...notes.map((note) => `note: ${note}`)].join('\n')
}
