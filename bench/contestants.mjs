// @ts-check
// Who takes part. A new peer is one more entry here and a program that speaks the line protocol (see contestants/).
import { fileURLToPath } from 'node:url'
import { programFile } from './native.mjs'

/** @typedef {import('./types.js').Contestant} Contestant */

const program = (/** @type {string} */ file) => fileURLToPath(new URL(`contestants/${file}`, import.meta.url))
const allPasses = /** @type {const} */ (['forward', 'gradInput', 'gradWeight'])
const bothTypes = /** @type {const} */ (['float32', 'float64'])

/**
 * In the order of the table. The first one's results are those that the others' are compared with.
 *
 * @param {number} threads
 * @param {boolean} quick
 * @returns {Omit<Contestant, 'threads'>[]}
 */
function withThreads(threads, quick) {
  const node = process.execPath
  /** @param {{ name: string, title: string, variant?: string, passes?: Contestant['passes'] }} which */
  const ours = ({ name, title, variant, passes = allPasses }) => ({
    name,
    title,
    command: node,
    args: [program('convkit.mjs'), String(threads), ...(variant === undefined ? [] : [variant])],
    env: { CONVKIT_BACKEND: 'native' },
    passes,
    dtypes: bothTypes,
    maxFlops: Infinity,
    maxRounds: Infinity,
    ours: true,
  })
  return [
    ours({ name: 'native', title: 'convkit' }),
    ours({ name: 'functional', title: 'functional', variant: 'functional', passes: ['forward'] }),
    ours({ name: 'channels-last', title: 'channels last', variant: 'channels-last' }),
    {
      name: 'onnxruntime',
      title: 'onnxruntime',
      command: node,
      args: [program('onnxruntime.mjs'), String(threads)],
      passes: ['forward'],
      dtypes: ['float32'],
      maxFlops: Infinity,
      maxRounds: Infinity,
      ours: false,
    },
    {
      name: 'onednn',
      title: 'oneDNN',
      command: programFile('onednn'),
      args: [],
      env: { OMP_NUM_THREADS: String(threads) },
      passes: allPasses,
      dtypes: ['float32'],
      maxFlops: Infinity,
      maxRounds: Infinity,
      ours: false,
    },
    {
      name: 'tfjs',
      title: 'tfjs wasm',
      command: node,
      args: [program('tfjs.mjs')],
      passes: ['forward'],
      dtypes: ['float32'],
      maxFlops: Infinity,
      maxRounds: Infinity,
      ours: false,
    },
    {
      // About a hundred times slower: it only has to show how far behind it is, and that it computes the same.
      name: 'typescript',
      title: 'TypeScript',
      command: node,
      args: [program('convkit.mjs')],
      env: { CONVKIT_BACKEND: 'typescript' },
      passes: allPasses,
      dtypes: bothTypes,
      maxFlops: quick ? 0.1e9 : 1e9,
      maxRounds: quick ? 1 : 3,
      ours: true,
    },
  ]
}

/** Those that have one thread only, whatever is asked for. */
const single = ['tfjs', 'typescript']

/**
 * Each contestant once for every number of threads.
 *
 * @param {{ threads: number[], quick: boolean, only: readonly string[] }} options
 * @returns {Contestant[]}
 */
export function contestants({ threads, quick, only }) {
  return threads.flatMap((count) =>
    withThreads(count, quick)
      .filter(({ name }) => only.includes(name) && (count === 1 || !single.includes(name)))
      .map((contestant) => ({ ...contestant, threads: count })),
  )
}
