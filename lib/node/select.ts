/**
 * Which backend a call runs on.
 *
 *     option `backend`  >  CONVKIT_BACKEND  >  native code where it loads, else TypeScript, with one warning
 *
 * The environment is read, and native code loaded, when they are first needed: importing the package does neither.
 */

import { availableParallelism } from 'node:os'
import { ALGORITHMS } from '../backend/algorithms.js'
import type { Backend } from '../backend/backend.js'
import { createTypescriptBackend } from '../backend/typescript/index.js'
import type { BackendOption } from '../call.js'
import { convkitError } from '../errors.js'
import { parseInteger } from '../options.js'
import type { Info } from '../types.js'
import { VERSION } from '../version.js'
import type { Addon } from './addon.js'
import { loadAddon } from './load.js'
import { createNativeBackend } from './native-backend.js'
import { MAX_THREADS, readSettings, type Settings } from './settings.js'
import { withWorker } from './typescript-async.js'

interface Native {
  readonly addon: Addon
  readonly backend: Backend
  readonly binary: string
}

let settings: Settings | undefined
let native: Native | { readonly failure: string } | undefined
let typescript: Backend | undefined
let threadsAsked: number | undefined
let warned = false

/**
 * The backend of one call.
 * @throws Error `ERR_CONVKIT_BACKEND` when it cannot be had, or an environment variable is wrong
 */
export function selectBackend(option: BackendOption | undefined): Backend {
  const complaint = complaintOf()
  if (complaint !== undefined) throw backendError(complaint)
  const wanted = option === undefined || option === 'auto' ? getSettings().backend : option
  if (wanted === 'typescript') return getTypescript()
  const loaded = getNative()
  if (!('failure' in loaded)) return loaded.backend
  if (wanted === 'native') {
    throw backendError(`backend 'native' cannot be had: ${loaded.failure}; backend 'typescript' can`)
  }
  warnOnce(loaded.failure)
  return getTypescript()
}

/**
 * What runs here: version, backend, instruction sets, threads, algorithms, the binary that was loaded or why none is in
 * use. Never throws.
 */
export function info(): Info {
  const complaint = complaintOf()
  const { backend: wanted, isa, threads } = getSettings()
  const common = { version: VERSION, algorithms: [...ALGORITHMS] }
  const loaded = wanted === 'typescript' && isa === undefined ? { failure: 'CONVKIT_BACKEND=typescript' } : getNative()
  if ('failure' in loaded || wanted === 'typescript') {
    return {
      ...common,
      backend: 'typescript',
      isa: 'typescript',
      isas: 'failure' in loaded ? [] : loaded.addon.isas(),
      threads: threadsAsked ?? threads ?? defaultThreads(),
      reason: complaint ?? ('failure' in loaded ? loaded.failure : 'CONVKIT_BACKEND=typescript'),
    }
  }
  const isas = loaded.addon.isas()
  return {
    ...common,
    backend: 'native',
    isa: (isa !== undefined && isas.includes(isa) ? isa : isas[0]) ?? '',
    isas,
    threads: loaded.addon.threads(),
    binary: loaded.binary,
    ...(complaint === undefined ? {} : { reason: complaint }),
  }
}

/**
 * GFLOP/s of fused multiply-adds in float32 that all threads together reach now, on the instruction set in use, in a
 * measurement of some hundredths of a second; undefined on the TypeScript backend.
 */
export function measurePeak(): number | undefined {
  const { backend, isa } = info()
  const loaded = getNative()
  return backend === 'native' && !('failure' in loaded) ? loaded.addon.peak(isa) : undefined
}

/**
 * Sets the number of threads of the process. The TypeScript backend has one thread whatever this says.
 * @param n - 1 to 1024; the default is `os.availableParallelism()`, or `CONVKIT_THREADS`
 * @throws TypeError or RangeError `ERR_CONVKIT_OPTION`
 */
export function setThreads(n: number): void {
  const count = parseInteger('setThreads', 'n', n, 1)
  if (count > MAX_THREADS) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_OPTION',
      `setThreads: n: expected an integer from 1 to ${MAX_THREADS}, received ${count}`,
    )
  }
  threadsAsked = count
  if (native !== undefined && !('failure' in native)) native.addon.setThreads(count)
}

function getSettings(): Settings {
  settings ??= readSettings(process.env)
  return settings
}

function getTypescript(): Backend {
  typescript ??= withWorker(createTypescriptBackend())
  return typescript
}

function getNative(): Native | { readonly failure: string } {
  if (native !== undefined) return native
  const loaded = loadAddon()
  if ('failure' in loaded) return (native = loaded)
  const { addon, binary } = loaded
  const { isa, threads } = getSettings()
  if (isa !== undefined && addon.isas().includes(isa)) addon.setIsa(isa)
  addon.defaultThreads(threads ?? defaultThreads())
  if (threadsAsked !== undefined) addon.setThreads(threadsAsked)
  return (native = { addon, backend: createNativeBackend(addon), binary })
}

function defaultThreads(): number {
  return Math.min(availableParallelism(), MAX_THREADS)
}

/** What is wrong with the environment. CONVKIT_ISA forces native code, so without any it cannot be met. */
function complaintOf(): string | undefined {
  const { complaint, isa } = getSettings()
  if (complaint !== undefined || isa === undefined) return complaint
  const loaded = getNative()
  if ('failure' in loaded) return `CONVKIT_ISA=${isa} cannot run without native code: ${loaded.failure}`
  const isas = loaded.addon.isas()
  if (isas.includes(isa)) return undefined
  return `CONVKIT_ISA=${isa} does not exist or cannot run on this CPU; it takes ${isas.join(', ')}`
}

function backendError(message: string): Error {
  return convkitError('Error', 'ERR_CONVKIT_BACKEND', `convkit: ${message}`)
}

function warnOnce(failure: string): void {
  if (warned) return
  warned = true
  process.emitWarning(
    `No native code: ${failure}. Everything works in TypeScript, many times slower; ` +
      'CONVKIT_BACKEND=typescript silences this warning.',
    { type: 'ConvkitWarning', code: 'CONVKIT_NO_NATIVE' },
  )
}
