import { info } from 'convkit'

/** A line that says what runs, and a warning where that takes long. */
export function announce(): void {
  const { version, backend, isa, threads, reason } = info()
  if (backend === 'native') console.log(`convkit ${version}: native code (${isa}), ${threads} threads\n`)
  else console.log(`convkit ${version}: TypeScript (${reason ?? 'as asked for'}); expect hours instead of minutes.\n`)
}

/** How long the program has run so far, and how long its threads have together. */
export function spent(): string {
  const { user, system } = process.cpuUsage()
  return `${process.uptime().toFixed(0)} s, ${((user + system) / 1e6).toFixed(0)} s of processor time`
}
