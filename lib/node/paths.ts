/**
 * Where things lie, seen from this file:
 *
 *     <root>/dist/esm/node, <root>/dist/cjs/node    the package; worker.js beside this file
 *     <root>/lib/node                               the sources, run by the tests; worker.js in dist/esm, if built
 */

import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { directory } from './locate.cjs'

const fromSources = directory !== undefined && basename(dirname(directory)) === 'lib'

/** The folder of package.json; undefined in a bundle that does not know where it lies. */
export const packageRoot: string | undefined = directory && join(directory, fromSources ? '../..' : '../../..')

/** The script of the worker thread, if it exists. */
export function findWorker(): string | undefined {
  if (directory === undefined || packageRoot === undefined) return undefined
  const file = fromSources ? join(packageRoot, 'dist/esm/node/worker.js') : join(directory, 'worker.js')
  return existsSync(file) ? file : undefined
}
