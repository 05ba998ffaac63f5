import { info } from 'convkit'

/** A line that says what runs, and a warning where that takes long. */
export function announce(): void {
  const { version, backend, isa, threads, reason } = info()
  if (backend === 'native') console.log(`convkit ${version}: native code (${isa}), ${threads} threads\n`)
  else console.log(`convkit ${version}: TypeScript (${reason ?? 'as asked for'}); expect hours instead of minutes.\n`)
}
