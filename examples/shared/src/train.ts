/** The loop of every training: batches in random order, a progress bar, and the losses for the curve. */
import { setImmediate } from 'node:timers/promises'
import { SingleBar } from 'cli-progress'
import type { Random } from './random.js'

export interface Training {
  /** Stands before the bar. */
  readonly name: string
  readonly epochs: number
  readonly batchSize: number
  /** The number of examples to learn from. What is left after the last full batch of an epoch is not used in it. */
  readonly count: number
  readonly random: Random
  /** Learns from the examples with these numbers; gives the loss or losses by name. */
  step(indexes: Uint32Array): Readonly<Record<string, number>>
  /** Called after each epoch, counted from 1. */
  afterEpoch?(epoch: number): void
}

/** @returns each loss after each step */
export async function train(training: Training): Promise<Record<string, number[]>> {
  const { name, epochs, batchSize, count, random } = training
  const batches = Math.floor(count / batchSize)
  const losses: Record<string, number[]> = {}
  const bar = new SingleBar({
    format: `${name.padEnd(14)} {bar} {percentage} %  epoch {epoch} of ${epochs}  {duration_formatted}  {losses}`,
    barsize: 20,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    gracefulExit: false,
    noTTYOutput: true,
    notTTYSchedule: 10_000,
  })
  bar.start(epochs * batches, 0, { epoch: 1, losses: '' })
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const order = random.permutation(count)
    for (let batch = 0; batch < batches; batch++) {
      const values = training.step(order.subarray(batch * batchSize, (batch + 1) * batchSize))
      for (const [key, value] of Object.entries(values)) (losses[key] ??= []).push(value)
      bar.increment({ epoch, losses: describe(losses) })
      await setImmediate() // lets timers of the progress bar run
    }
    training.afterEpoch?.(epoch)
  }
  bar.stop()
  return losses
}

/** The mean of the last steps, as single batches differ. */
function describe(losses: Readonly<Record<string, readonly number[]>>): string {
  const recent = Object.entries(losses).map(([name, values]) => `${name} ${mean(values.slice(-50)).toFixed(4)}`)
  return recent.join('  ')
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** For the curve: means of `width` steps each, with the middle step of each group. */
export function smooth(values: readonly number[], width: number): [step: number, value: number][] {
  const groups = Math.floor(values.length / width)
  return Array.from({ length: groups }, (_, k) => {
    return [(k + 0.5) * width, mean(values.slice(k * width, (k + 1) * width))]
  })
}
