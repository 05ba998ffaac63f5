// @ts-check
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

/** @typedef {import('./types.js').Pass} Pass */
/** @typedef {import('./types.js').DType} DType */

export const help = `npm run bench -- [options] [words]

Times convkit and its peers on the layers of bench/layers.json. Words choose layers: part of a name (dcgan, 3x3) or an
operator (conv, convTranspose, conv3d). Needs the machine to itself.

  --pass <forward|gradInput|gradWeight|all>   default all
  --only <name,...>      contestants: native, onnxruntime, onednn, tfjs, typescript (the default), functional, channels-last
  --dtype <type>         float32 (default) or float64
  --threads <n,...>      1 by default; several numbers are measured side by side; all: as many as there are cores
  --layers <file>        other layers in the same form, such as bench/depthwise-layers.json
  --rounds <n>           interleaved rounds per line; default 9
  --quick                3 short rounds, and TypeScript on small layers only
  --json <file>          where the result goes, with a chart beside it; default bench/results/<date>.json
  --compare <old.json>   after the run, compare with an earlier result; exit code 1 on a regression
  --with <new.json>      with --compare: compare that result instead of running
  --against <folder>     instead: times of another build, a checkout or an installed package, beside these: by turns in one process
                         (of --only, native, functional and channels-last count; native by default)
  --accuracy             instead: errors against float64 of every algorithm; exit code 1 if one is beyond its bound
  --overhead             instead: what a call of a tiny layer costs; exit code 1 if it is more than promised
  --planner              instead: random layers (or --layers) for which 'auto' does not choose the fastest algorithm
  --help
`

/**
 * @template {string} T
 * @param {string} name
 * @param {string} value
 * @param {readonly T[]} known
 * @returns {T}
 */
function oneOf(name, value, known) {
  const found = known.find((candidate) => candidate === value)
  if (found === undefined) throw new Error(`--${name}: expected ${known.join(', ')}, received ${value}`)
  return found
}

/**
 * @param {string} name
 * @param {string} value
 * @param {number} most
 */
function count(name, value, most) {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1 || number > most) {
    throw new Error(`--${name}: expected an integer from 1 to ${most}, received ${value}`)
  }
  return number
}

const usual = /** @type {const} */ (['native', 'onnxruntime', 'onednn', 'tfjs', 'typescript'])
export const contestantNames = /** @type {const} */ ([...usual, 'functional', 'channels-last'])

/** Ascending, each once. @param {string} value */
function threadCounts(value) {
  const most = availableParallelism()
  const counts = value.split(',').map((one) => (one === 'all' ? most : count('threads', one, most)))
  return [...new Set(counts)].sort((a, b) => a - b)
}

/** @param {string[]} args */
export function readOptions(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      pass: { type: 'string', default: 'all' },
      only: { type: 'string', default: usual.join(',') },
      dtype: { type: 'string', default: 'float32' },
      threads: { type: 'string', default: '1' },
      layers: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      compare: { type: 'string' },
      with: { type: 'string' },
      against: { type: 'string' },
      accuracy: { type: 'boolean', default: false },
      overhead: { type: 'boolean', default: false },
      planner: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const passes = /** @type {const} */ (['forward', 'gradInput', 'gradWeight'])
  const pass = oneOf('pass', values.pass, [...passes, 'all'])
  if (values.with !== undefined && values.compare === undefined) throw new Error('--with needs --compare')
  return {
    help: values.help,
    words: positionals,
    layers: values.layers,
    passes: pass === 'all' ? passes : [pass],
    only: values.only.split(',').map((name) => oneOf('only', name, contestantNames)),
    dtype: oneOf('dtype', values.dtype, /** @type {const} */ (['float32', 'float64'])),
    threads: threadCounts(values.threads),
    rounds: count('rounds', values.rounds ?? (values.quick ? '3' : '9'), 1000),
    quick: values.quick,
    json: values.json,
    compare: values.compare,
    with: values.with,
    against: values.against,
    accuracy: values.accuracy,
    overhead: values.overhead,
    planner: values.planner,
  }
}

/** @typedef {ReturnType<typeof readOptions>} Options */
