// Node's binaries from npm, kept from one run to the next.
import { existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { runNpm } from '../run.mjs'

/** The file of that major version: `nodeOf('linux-arm64', 22)`. */
export function nodeOf(target, major) {
  const [platform, cpu] = target.split('-')
  const name = `node-${platform === 'win32' ? 'win' : platform}-${cpu}`
  const place = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'convkit', `${name}-${major}`)
  const node = join(place, 'node_modules', name, 'bin', platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(node)) {
    mkdirSync(place, { recursive: true })
    // --force: it may be for another system than this.
    const flags = ['--force', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save']
    runNpm(['install', '--prefix', place, ...flags, `${name}@${major}`], { cwd: place, quiet: true })
  }
  return node
}
