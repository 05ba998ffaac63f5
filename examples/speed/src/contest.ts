/**
 * Timing on a machine that may be busy with other things: each round times every contestant, so that whatever disturbs
 * meets them all, and medians over the rounds count. None collects another's garbage, and a contestant whose work is
 * short begins each turn with one call that is not timed, as the one before it has left the caches in a state of its own.
 */
export interface Contestant {
  /** Called before each turn. */
  prepare(): Promise<unknown>
  work(): unknown
}

/** Of one call of `work`, in each round. */
export interface Times {
  readonly wall: number[]
  /** Of all threads together. */
  readonly cpu: number[]
}

/** @param seconds - a contestant works for at least so long in each round */
export async function contest<C extends Contestant>(
  contestants: readonly C[],
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<Map<C, Times>> {
  const times = new Map(contestants.map((contestant) => [contestant, { wall: [] as number[], cpu: [] as number[] }]))
  for (let round = 1; round <= rounds; round++) {
    for (const [contestant, { wall, cpu }] of times) {
      await contestant.prepare()
      globalThis.gc?.() // the garbage of the one before it
      if (!(wall[0] >= seconds)) contestant.work()
      const before = process.cpuUsage()
      const start = performance.now()
      let count = 0
      do {
        contestant.work()
        count++
      } while (performance.now() - start < seconds * 1000)
      const { user, system } = process.cpuUsage(before)
      wall.push((performance.now() - start) / 1000 / count)
      cpu.push((user + system) / 1e6 / count)
    }
    console.error(`round ${round} of ${rounds}`)
  }
  return times
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2
}
