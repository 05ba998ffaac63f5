/** Runs scripts in processes of their own, against the built package (npm run build). */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

if (!existsSync(join(root, 'dist/cjs/index.js'))) throw new Error('these tests need dist/: npm run build')

export interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What the script passed to `report`. */
  readonly reported: any // eslint-disable-line @typescript-eslint/no-explicit-any
  readonly stderr: string
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>
  /** The package to load, if not this one. */
  readonly from?: string
  readonly module?: 'esm' | 'cjs'
  /** Options of Node. */
  readonly flags?: readonly string[]
}

/** This process's environment, without what the suite was started with. */
const cleanEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CONVKIT_')))

/**
 * Runs a script in which `convkit` and `promises` are the two entry points and `report(value)` hands a value back.
 */
export const runChild = async (script: string, options: ChildOptions = {}): Promise<Outcome> => {
  const { env = {}, from = root, module = 'esm', flags = [] } = options
  const file = (entry: string): string => JSON.stringify(join(from, `dist/${module}/${entry}.js`))
  const load = (entry: string): string =>
    module === 'esm' ? `await import(${file(entry)})` : `require(${file(entry)})`
  const source = `
    const convkit = ${load('index')}
    const promises = ${load('promises')}
    const report = (value) => process.stdout.write(JSON.stringify(value))
    ${script}`
  const child = spawn(
    process.execPath,
    [...flags, ...(module === 'esm' ? ['--input-type=module'] : []), '-e', source],
    {
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code, signal, reported: stdout === '' ? undefined : JSON.parse(stdout), stderr })
    })
  })
}

/** A layer that keeps one thread busy for some hundreds of milliseconds natively; defined in a script. */
export const longLayer = `
    const input = { data: new Float32Array(256 * 96 * 96).fill(1), shape: [1, 256, 96, 96] }
    const weight = { data: new Float32Array(256 * 256 * 25).fill(1), shape: [256, 256, 5, 5] }`

/** `outcome(call)`: 'done', or the class and code of its error; defined in a script. */
export const outcome = `
    const outcome = async (call) => {
      try {
        await call()
        return 'done'
      } catch (error) {
        return error.constructor.name + ' ' + error.code
      }
    }`
