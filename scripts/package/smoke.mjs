// Installing the tarball into an empty folder, and running programs there: with a PATH that is almost empty, or under an
// emulator.
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, runNpm } from '../run.mjs'

/** The tarball, with what prebuilds/ holds. */
export function pack(folder) {
  runNpm(['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { quiet: true })
  return join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz')),
  )
}

/** A folder with the package and the programs of test/package, and nothing else; returns the folder of the package. */
export function install(tarball, app, env) {
  mkdirSync(app)
  capture('npm', ['init', '-y'], { cwd: app, env })
  const flags = ['--ignore-scripts', '--offline', '--no-audit', '--no-fund']
  capture('npm', ['install', ...flags, tarball], { cwd: app, env })
  if (readdirSync(join(app, 'node_modules')).filter((name) => !name.startsWith('.')).length !== 1) {
    throw new Error('convkit brought other packages along')
  }
  for (const file of readdirSync(join(root, 'test/package'))) {
    if (/^(smoke|program)\./.test(file)) cpSync(join(root, 'test/package', file), join(app, file))
  }
  return join(app, 'node_modules/convkit')
}

/** An environment whose PATH holds node, npm, sh and env alone. */
export function bare(bin) {
  mkdirSync(bin, { recursive: true })
  for (const program of ['node', 'npm', 'sh', 'env']) {
    const { stdout } = spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' })
    symlinkSync(stdout.trim(), join(bin, program))
  }
  const home = join(bin, 'home')
  mkdirSync(home)
  return { PATH: bin, HOME: home, npm_config_cache: join(home, 'cache'), npm_config_update_notifier: 'false' }
}

/** What a program prints; throws when it fails. */
export function capture(program, args, options) {
  const { status, signal, stdout, stderr } = execute([program, ...args], options)
  if (status !== 0) {
    throw new Error(`${program} ${args.join(' ')}: ${signal ?? `status ${status}`}\n${stdout}${stderr}`)
  }
  return stdout
}

/** Into files, because Node under wine cannot write to the pipes of a Linux program. */
function execute([program, ...args], options) {
  const folder = mkdtempSync(join(tmpdir(), 'convkit-output-'))
  const files = ['stdout', 'stderr'].map((name) => join(folder, name))
  const outputs = files.map((file) => openSync(file, 'w'))
  try {
    const { error, status, signal } = spawnSync(program, args, { ...options, stdio: ['ignore', ...outputs] })
    if (error) throw error
    const [stdout, stderr] = files.map((file) => readFileSync(file, 'utf8'))
    return { status, signal, stdout, stderr }
  } finally {
    outputs.forEach((output) => closeSync(output))
    rmSync(folder, { recursive: true })
  }
}

/**
 * Runs a smoke program with that Node (a path, or the words of a command) and looks at its results. With `native`
 * (default) it must have run native code in silence, without it the fallback with one warning that gives the reason;
 * `either` of them with `native: 'either'`.
 */
export function smoke(node, program, { native = true, ...options }) {
  const { status, signal, stdout, stderr } = execute([node, program].flat(), options)
  const complain = (what) => {
    throw new Error(`${program} in ${options.cwd}: ${what}\n${stdout}${stderr}`)
  }
  if (status !== 0) complain(`ended with ${signal ?? `status ${status}`}`)
  const facts = JSON.parse(stdout)
  if (!facts.results.every((result) => result === 9)) complain('wrong results')
  const isNative = facts.backend === 'native'
  if (native === true && (!isNative || stderr !== '')) complain('expected native code and silence')
  if (native === false && isNative) complain('expected the fallback')
  if (!isNative && !(facts.reason && stderr.includes(facts.reason))) complain('expected a warning with the reason')
  return facts
}
