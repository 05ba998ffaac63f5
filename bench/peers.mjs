// @ts-check
// The peers: other libraries to compare with and to draw with. They live in bench/peers with a lockfile of their own and are
// installed on first use, so that convkit's own manifest never lists them.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const folder = new URL('peers/', import.meta.url)

/**
 * A peer's module. Its types are those of a package that may not be installed, hence none.
 *
 * @type {(name: string) => any}
 */
export const requirePeer = createRequire(new URL('package.json', folder))

/**
 * Installs the peers unless they are there. Install scripts stay off: onnxruntime-node's would download GPU libraries, while
 * its CPU library is in the package itself.
 *
 * @returns {string | undefined} why they are missing, if they are
 */
export function installPeers() {
  const installed = new URL('node_modules/.package-lock.json', folder)
  const lockfile = new URL('package-lock.json', folder)
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lockfile).mtimeMs) return undefined

  console.error('installing the peers of the benchmark into bench/peers (once)...')
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
  // npm tells its scripts where it is; running that file needs no shell on any system.
  const npm = process.env.npm_execpath
  /** @type {import('node:child_process').SpawnSyncOptions} */
  const options = { cwd: fileURLToPath(folder), stdio: ['ignore', 'ignore', 'pipe'] }
  const done = npm ? spawnSync(process.execPath, [npm, ...args], options) : spawnSync('npm', args, options)
  if (done.status === 0) return undefined
  const said = done.error?.message ?? done.stderr.toString().match(/^npm error .*/m)?.[0]
  return `npm ci in bench/peers failed: ${said}`
}
