/**
 * Finds and loads the native code. Nothing happens at import, and nothing here throws.
 *
 *     in a checkout        build/Release/convkit.node, found by the npm package `bindings`      the one just built
 *     else                 prebuilds/<platform>-<arch>[-musl]/convkit.node                      comes with the package
 *
 * Whichever is there is the one: a local build that does not load is not replaced by another binary in silence.
 */

import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { ALGORITHMS } from '../backend/algorithms.js'
import { VERSION } from '../version.js'
import type { Addon } from './addon.js'
import { packageRoot } from './paths.js'
import { platformName, PREBUILT } from './platform.js'

export interface LoadedAddon {
  readonly addon: Addon
  /** The file that was loaded. */
  readonly binary: string
}

/** In one line, what went wrong and what to do about it. */
export interface LoadFailure {
  readonly failure: string
}

/** The npm package `bindings`: looks for a local build below `module_root`. */
type Bindings = (options: { bindings: string; module_root: string; path: true }) => string

const AGAIN = 'install convkit again'
const BUILD = 'npm run build makes it anew'
const ALLOW = 'start Node without --no-addons or, under its permission model, with --allow-addons'

export function loadAddon(): LoadedAddon | LoadFailure {
  if (packageRoot === undefined || !isOurs(packageRoot)) {
    return {
      failure:
        'the bundle does not contain native code; mark convkit as external in the bundler and install it beside the bundle',
    }
  }
  const local = localBuild(packageRoot)
  if (local !== undefined) return load(local, BUILD)

  const checkout = existsSync(join(packageRoot, 'CMakeLists.txt'))
  const name = platformName()
  if (!checkout && !(PREBUILT as readonly string[]).includes(name)) {
    return {
      failure: `there is no binary for ${name}, only for ${PREBUILT.join(', ')}; build convkit from its sources`,
    }
  }
  const folder = join(packageRoot, 'prebuilds', name)
  const binary = join(folder, 'convkit.node')
  if (existsSync(binary)) {
    const damage = damageOf(binary, join(folder, 'convkit.json'))
    return damage === undefined ? load(binary, AGAIN) : { failure: `${binary} ${damage}; ${AGAIN}` }
  }
  if (checkout) return { failure: `no convkit.node in ${join(packageRoot, 'build')}; npm run build makes one` }
  return { failure: `no convkit.node in ${folder}; ${AGAIN}` }
}

/** Whether the folder is that of this package: seen from a bundle, it is any folder. */
function isOurs(folder: string): boolean {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown } | null
    return manifest?.name === 'convkit'
  } catch {
    return false
  }
}

/** `bindings` is there where a build can be: it is a development dependency. */
function localBuild(root: string): string | undefined {
  if (!existsSync(join(root, 'build'))) return undefined
  try {
    const bindings = createRequire(join(root, 'package.json'))('bindings') as Bindings
    return bindings({ bindings: 'convkit', module_root: root, path: true })
  } catch {
    return undefined
  }
}

/**
 * What can be seen without loading it. A file that has been cut off would not fail to load: it is mapped into memory, and
 * the process dies where the file ends.
 */
function damageOf(binary: string, facts: string): string | undefined {
  try {
    const { bytes } = JSON.parse(readFileSync(facts, 'utf8')) as { bytes?: unknown }
    const { size } = statSync(binary)
    return size === bytes ? undefined : `has ${size} bytes and should have ${String(bytes)}`
  } catch {
    return `cannot be trusted without a readable ${facts}`
  }
}

function load(binary: string, remedy: string): LoadedAddon | LoadFailure {
  try {
    const addon = createRequire(binary)(binary) as Partial<Addon> | null
    const complaint = mismatch(addon)
    if (complaint === undefined) return { addon: addon as Addon, binary }
    return { failure: `${binary} ${complaint}; ${remedy}` }
  } catch (error) {
    const message = error instanceof Error ? error.message.replace(/\s*\n\s*/g, ' ').replace(/\.$/, '') : String(error)
    const forbidden = (error as { code?: unknown } | null)?.code === 'ERR_DLOPEN_DISABLED'
    return {
      failure: `${message.includes(binary) ? message : `${binary}: ${message}`}; ${forbidden ? ALLOW : remedy}`,
    }
  }
}

/** A binary of another release, or a build of other sources than these. */
function mismatch(addon: Partial<Addon> | null): string | undefined {
  const version = typeof addon?.version === 'function' ? addon.version() : 'unknown'
  if (version !== VERSION) return `is of version ${version}, and convkit of version ${VERSION}`
  const names = typeof addon?.algorithms === 'function' ? addon.algorithms() : []
  return names.join() === ALGORITHMS.join() ? undefined : 'was built from other sources'
}
