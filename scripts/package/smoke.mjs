// Running a smoke program where the PATH is almost empty.
import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

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
  const { error, status, signal, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', ...options })
  if (error || status !== 0) {
    throw new Error(
      `${program} ${args.join(' ')}: ${error?.message ?? signal ?? `status ${status}`}\n${stdout}${stderr}`,
    )
  }
  return stdout
}

/**
 * Runs a smoke program and looks at its results. With `native` (default) it must have run native code in silence, without
 * it the fallback with one warning that gives the reason; `either` of them with `native: 'either'`.
 */
export function smoke(node, program, { native = true, ...options }) {
  const { status, signal, stdout, stderr } = spawnSync(node, [program], { encoding: 'utf8', ...options })
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
