/**
 * npm run speed [-- --rounds n --only name]: images per second of the examples' networks, in training and in use, on convkit
 * and on TensorFlow.js, all in one run. Fails if convkit is not as many times as fast as is promised. Unless only some of the
 * networks are asked for, draws examples/images/speed.svg and writes the table into examples/README.md.
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import * as tf from '@tensorflow/tfjs'
import { saveBars } from 'convkit-examples-shared/chart.js'
import { contest, median, type Contestant, type Times } from './contest.js'
import { makeJobs, type Job, type Work } from './jobs.js'
import { conditions, table, writeSection, type Row } from './report.js'
import { setUp, type Backend } from './tensorflow.js'

/** How many times as fast as TensorFlow.js' best backend convkit has to be. */
const BARS = { training: 20, use: 3 }
const BATCH = { training: 16, use: 64 }
const SECONDS = 0.5

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, only: { type: 'string', default: '' } },
})
const { only } = values
const rounds = Number(values.rounds)
const examples = resolve(import.meta.dirname, '../..')

interface Entrant extends Contestant {
  readonly job: Job
  readonly backend: Backend | 'convkit'
  work: Work
}

setUp()
const begun = await conditions()
const jobs = (await makeJobs(BATCH)).filter((job) => title(job).includes(only))
const expected = new Map<Job, number[]>()
const times = new Map<Entrant, Times>()
// TensorFlow.js' cpu backend last: another backend's code is slower in a process that has used this one as well.
for (const [training, ...backends] of [
  [false, 'wasm', 'convkit'],
  [true, 'cpu', 'convkit'],
  [false, 'cpu'],
] as const) {
  const entrants: Entrant[] = []
  for (const job of jobs.filter((job) => job.training === training)) {
    for (const backend of backends) entrants.push(await enter(job, backend))
  }
  for (const [entrant, measured] of await contest(entrants, { rounds, seconds: SECONDS })) times.set(entrant, measured)
}

const rows = jobs.map(row)
const lines = [...table(rows), '', `${begun} Medians of ${rounds} rounds.`]
console.log(lines.join('\n'))
if (only === '') await publish()
for (const { name, ratio, bar } of rows) {
  if (ratio >= bar) continue
  console.error(`${name}: ×${ratio.toFixed(2)}, less than the ×${bar} that is promised`)
  process.exitCode = 1
}

/** The chart and the table, for the README. */
async function publish(): Promise<void> {
  saveBars(resolve(examples, 'images/speed.svg'), {
    title: 'Images per second',
    categories: rows.map(({ name }) => name),
    bars: Object.fromEntries(
      (['convkit', 'wasm', 'cpu'] as const).map((backend) => [
        backend === 'convkit' ? backend : `tfjs ${backend}`,
        rows.map(({ rates }) => rates[backend] ?? null),
      ]),
    ),
  })
  await writeSection(resolve(examples, 'README.md'), 'speed', lines)
}

/** Checks first that it gives the same as the others, and the same again after a step of training. */
async function enter(job: Job, backend: Entrant['backend']): Promise<Entrant> {
  const prepare = async (): Promise<unknown> => backend !== 'convkit' && tf.setBackend(backend)
  await prepare()
  const work = backend === 'convkit' ? job.convkit : await job.tensorFlow()
  const result = [...Array.from(work()), ...(job.training ? Array.from(work()) : [])]
  if (!expected.has(job)) expected.set(job, result)
  const difference = largestDifference(result, expected.get(job)!)
  if (!(difference < job.tolerance)) throw new Error(`${title(job)}: results differ by ${difference}`)
  return { job, backend, prepare, work }
}

function row(job: Job): Row {
  const of = (backend: Entrant['backend']): Times | undefined => {
    const entrant = [...times.keys()].find((each) => each.job === job && each.backend === backend)
    return entrant && times.get(entrant)
  }
  const [own, best] = [of('convkit')!, of('wasm') ?? of('cpu')!]
  const rate = (measured?: Times): number | undefined => measured && job.images / median(measured.wall)
  return {
    name: title(job),
    images: job.images,
    rates: { convkit: rate(own)!, wasm: rate(of('wasm')), cpu: rate(of('cpu'))! },
    // Of each round by itself: its contestants met the same disturbances.
    ratio: median(best.wall.map((time, round) => time / own.wall[round])),
    ratioOfCpuTimes: median(best.cpu.map((time, round) => time / own.cpu[round])),
    bar: job.training ? BARS.training : BARS.use,
  }
}

function title({ name, training }: Job): string {
  return `${name}, ${training ? 'training' : 'use'}`
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  let largest = a.length === b.length ? 0 : NaN
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i] - b[i]))
  return largest
}
