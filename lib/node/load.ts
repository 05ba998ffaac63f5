/** Finds and loads the native code. Nothing happens at import, and nothing here throws. */

import { join } from 'node:path'
import { ALGORITHMS } from '../backend/algorithms.js'
import type { Addon } from './addon.js'
import { nodeRequire } from './locate.cjs'
import { packageRoot } from './paths.js'

export interface LoadedAddon {
  readonly addon: Addon
  /** The file that was loaded. */
  readonly binary: string
}

/** The npm package `bindings`: looks for a local build below `module_root`. */
type Bindings = (options: { bindings: string; module_root: string }) => Addon & { path: string }

/** Loads the native code, or tells in one line why there is none. */
export function loadAddon(): LoadedAddon | { readonly failure: string } {
  if (nodeRequire === undefined || packageRoot === undefined) {
    return { failure: 'the package has been bundled, and its native code was left behind' }
  }
  try {
    // Binaries inside the package, once it has some, are looked for here: before a local build.
    const bindings = nodeRequire('bindings') as Bindings
    const addon = bindings({ bindings: 'convkit', module_root: packageRoot })
    const complaint = mismatch(addon)
    return complaint === undefined ? { addon, binary: addon.path } : { failure: `${addon.path} ${complaint}` }
  } catch (error) {
    return { failure: reasonOf(error, packageRoot) }
  }
}

/** A build of other sources than these. */
function mismatch(addon: Addon): string | undefined {
  const names = typeof addon.algorithms === 'function' ? addon.algorithms() : []
  if (names.join() === ALGORITHMS.join()) return undefined
  return 'belongs to another version of convkit (npm run build makes it anew)'
}

function reasonOf(error: unknown, root: string): string {
  if (!(error instanceof Error)) return String(error)
  // The error of `bindings` lists every place it looked in; they all lie in the same folder.
  if ('tries' in error) return `no convkit.node in ${join(root, 'build')}`
  return error.message.replace(/\s*\n\s*/g, ' ')
}
