/**
 * npm run speed [-- --rounds n --batch n]: images per second of the examples' networks, in training and in use, on convkit and on
 * TensorFlow.js. All in one run: every round times every contestant on every job, and medians over the rounds count.
 * Prints a table and draws examples/images/speed.svg.
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as tf from '@tensorflow/tfjs'
import { info } from 'convkit'
import { saveBars } from 'convkit-examples-shared/chart.js'
import { loadDigits } from 'convkit-examples-shared/digits.js'
import { makeJobs, type Job, type Work } from './jobs.js'
import { setUp, type Backend } from './tensorflow.js'

/** A contestant repeats a job for at least so long in each round. */
const SECONDS = 0.3

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, batch: { type: 'string', default: '64' } },
})
const rounds = Number(values.rounds)
const batch = Number(values.batch)

interface Contestant {
  readonly name: string
  readonly job: Job
  readonly backend: Backend | undefined
  readonly work: Work
  /** Per image, in each round. */
  readonly wall: number[]
  readonly cpu: number[]
}

setUp()
const { training } = loadDigits()
const jobs = makeJobs(training.batch(Array.from({ length: batch }, (_, i) => i)))
const contestants: Contestant[] = []
for (const job of jobs) await enter(job)
for (let round = 1; round <= rounds; round++) {
  for (const contestant of contestants) await time(contestant)
  console.error(`round ${round} of ${rounds}`)
}
report()
saveBars(resolve(import.meta.dirname, '../../images/speed.svg'), {
  title: `Images per second, batches of ${batch}`,
  categories: jobs.map(title),
  bars: Object.fromEntries(
    ['convkit', 'tfjs wasm', 'tfjs cpu'].map((name) => [name, jobs.map((job) => rate(find(job, name)) ?? null)]),
  ),
})

/** Makes the contestants of a job, and checks that they give the same before they have learned anything. */
async function enter(job: Job): Promise<void> {
  const backends: (Backend | undefined)[] = job.training ? ['cpu', undefined] : ['cpu', 'wasm', undefined]
  let expected: ArrayLike<number> | undefined
  for (const backend of backends) {
    if (backend) await tf.setBackend(backend)
    const work = backend ? job.tensorFlow() : job.convkit
    const result = work() // also warms up
    expected ??= result
    const difference = largestDifference(result, expected)
    if (!(difference < 1e-3)) throw new Error(`${title(job)}: results differ by ${difference}`)
    contestants.push({ name: backend ? `tfjs ${backend}` : 'convkit', job, backend, work, wall: [], cpu: [] })
  }
}

async function time({ backend, work, wall, cpu }: Contestant): Promise<void> {
  if (backend) await tf.setBackend(backend)
  const before = process.cpuUsage()
  const start = performance.now()
  let images = 0
  do {
    work()
    images += batch
  } while (performance.now() - start < SECONDS * 1000)
  const { user, system } = process.cpuUsage(before)
  wall.push((performance.now() - start) / 1000 / images)
  cpu.push((user + system) / 1e6 / images)
}

function report(): void {
  const { version, isa, threads } = info()
  const wasm = [tf.env().getBool('WASM_HAS_SIMD_SUPPORT') ? 'SIMD' : 'no SIMD']
  if (!tf.env().getBool('WASM_HAS_MULTITHREAD_SUPPORT')) wasm.push('one thread')
  console.log(`convkit ${version} (${isa}, ${threads} threads), tfjs ${tf.version.tfjs} (wasm: ${wasm.join(', ')})`)
  console.log(`images per second, batches of ${batch}, medians of ${rounds} interleaved rounds\n`)
  console.log('| network | convkit | tfjs wasm | tfjs cpu | ratio | ratio of CPU times |')
  console.log('| --- | ---: | ---: | ---: | ---: | ---: |')
  for (const job of jobs) {
    const [own, wasm, cpu] = ['convkit', 'tfjs wasm', 'tfjs cpu'].map((name) => find(job, name))
    const best = wasm ?? cpu!
    const cells = [own, wasm, cpu].map((contestant) => describe(rate(contestant)))
    const ratios = [median(best.wall) / median(own!.wall), median(best.cpu) / median(own!.cpu)]
    console.log(`| ${[title(job), ...cells, ...ratios.map((ratio) => `×${ratio.toFixed(1)}`)].join(' | ')} |`)
  }
}

function title({ name, training }: Job): string {
  return `${name}, ${training ? 'training' : 'use'}`
}

function find(job: Job, name: string): Contestant | undefined {
  return contestants.find((contestant) => contestant.job === job && contestant.name === name)
}

function rate(contestant: Contestant | undefined): number | undefined {
  return contestant && 1 / median(contestant.wall)
}

function describe(imagesPerSecond: number | undefined): string {
  if (imagesPerSecond === undefined) return 'cannot'
  return imagesPerSecond < 10 ? imagesPerSecond.toPrecision(2) : imagesPerSecond.toFixed(0)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = a.length === b.length ? 0 : NaN
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i] - b[i]))
  return largest
}
