/**
 * npm run speed [-- --rounds n]: images per second of the examples' networks, in training and in use, on convkit and on
 * TensorFlow.js, all in one run. Draws examples/images/speed.svg, writes the table into examples/README.md, and fails if
 * convkit is not as many times as fast as is promised.
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

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' } } })
const rounds = Number(values.rounds)
const examples = resolve(import.meta.dirname, '../..')

interface Entrant extends Contestant {
  readonly job: Job
  readonly backend: Backend | 'convkit'
  work: Work
}

setUp()
const begun = await conditions()
const jobs = await makeJobs(BATCH)
const entrants: Entrant[] = []
for (const job of jobs) entrants.push(...(await enter(job)))
const times = await contest(entrants, { rounds, seconds: SECONDS })

const rows = jobs.map(row)
const lines = [...table(rows), '', `${begun} Medians of ${rounds} rounds.`]
console.log(lines.join('\n'))
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
for (const { name, ratio, bar } of rows) {
  if (ratio >= bar) continue
  console.error(`${name}: ×${ratio.toFixed(2)}, less than the ×${bar} that is promised`)
  process.exitCode = 1
}

/** The contestants of a job, after a check that they give the same before they have learned anything. */
async function enter(job: Job): Promise<Entrant[]> {
  const backends = job.training ? (['cpu', 'convkit'] as const) : (['cpu', 'wasm', 'convkit'] as const)
  const entered: Entrant[] = []
  let expected: ArrayLike<number> | undefined
  for (const backend of backends) {
    const prepare = async (): Promise<unknown> => backend !== 'convkit' && tf.setBackend(backend)
    await prepare()
    const work = backend === 'convkit' ? job.convkit : await job.tensorFlow()
    const result = work()
    expected ??= result
    const difference = largestDifference(result, expected)
    if (!(difference < job.tolerance)) throw new Error(`${job.name}: results differ by ${difference}`)
    entered.push({ job, backend, prepare, work })
  }
  return entered
}

function row(job: Job): Row {
  const of = (backend: Entrant['backend']): Times | undefined => {
    const entrant = entrants.find((each) => each.job === job && each.backend === backend)
    return entrant && times.get(entrant)
  }
  const [own, best] = [of('convkit')!, of('wasm') ?? of('cpu')!]
  const rate = (measured?: Times): number | undefined => measured && job.images / median(measured.wall)
  return {
    name: `${job.name}, ${job.training ? 'training' : 'use'}`,
    images: job.images,
    rates: { convkit: rate(own)!, wasm: rate(of('wasm')), cpu: rate(of('cpu'))! },
    // Of each round by itself: its contestants met the same disturbances.
    ratio: median(best.wall.map((time, round) => time / own.wall[round])),
    ratioOfCpuTimes: median(best.cpu.map((time, round) => time / own.cpu[round])),
    bar: job.training ? BARS.training : BARS.use,
  }
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = a.length === b.length ? 0 : NaN
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i] - b[i]))
  return largest
}
