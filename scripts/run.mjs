// What the scripts share: where the project is, and running a command.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const jobs = String(availableParallelism())

/**
 * Runs a command in the project's root; when it fails, this process ends with its status. With `quiet` the output is
 * shown only then.
 */
export function run(command, args, { quiet = false, ...options } = {}) {
  const stdio = quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit'
  const { error, status, signal, stdout, stderr } = spawnSync(command, args, { cwd: root, stdio, ...options })
  if (error) fail(`cannot run ${command}: ${error.message}`)
  if (status === 0) return
  if (quiet) console.error(`${stdout}${stderr}`)
  fail(`${[command, ...args].join(' ').slice(0, 120)} ended with ${signal ?? `status ${status}`}`, status ?? 1)
}

/** Runs a program of an installed package through Node itself: no shell, the same on every system. */
export function runBin(packageName, program, args, options = {}) {
  const manifest = join(root, 'node_modules', packageName, 'package.json')
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8'))
  run(process.execPath, [join(dirname(manifest), typeof bin === 'string' ? bin : bin[program]), ...args], options)
}

/** Runs npm: the one that started this script where there was one. */
export function runNpm(args, options = {}) {
  const npm = process.env.npm_execpath
  if (npm) run(process.execPath, [npm, ...args], options)
  else run('npm', args, { shell: process.platform === 'win32', ...options })
}

export const installed = (packageName) => existsSync(join(root, 'node_modules', packageName))

/** Whether the PATH holds a program of that name. */
export function onPath(program) {
  const names = process.platform === 'win32' ? [`${program}.exe`, `${program}.cmd`] : [program]
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return folders.some((folder) => names.some((name) => existsSync(join(folder, name))))
}

export function fail(message, status = 1) {
  console.error(`convkit: ${message}`)
  process.exit(status)
}

/** Whether the module of that URL is the program being run, and not imported by another. */
export const isMain = (url) => realpathSync(process.argv[1]) === fileURLToPath(url)
