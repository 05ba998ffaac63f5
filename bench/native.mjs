// @ts-check
// The programs in native/, compiled into build/ on first use and whenever their sources are newer.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = new URL('build/', import.meta.url)
const suffix = process.platform === 'win32' ? '.exe' : ''

/** @param {string} name */
export const programFile = (name) => fileURLToPath(new URL(name + suffix, folder))

const sourceFile = (/** @type {string} */ file) => fileURLToPath(new URL(`native/${file}`, import.meta.url))
const age = (/** @type {string} */ file) => statSync(file).mtimeMs

/**
 * @param {string} name  of native/<name>.cpp
 * @param {string[]} [libraries]  for the linker
 * @returns {string | undefined} why it could not be built, if so
 */
export function buildProgram(name, libraries = []) {
  const program = programFile(name)
  const source = sourceFile(`${name}.cpp`)
  const headers = ['request.h', '../../native/addon/fma_peak.h'].map((header) => age(sourceFile(header)))
  if (existsSync(program) && age(program) >= Math.max(age(source), ...headers)) return undefined
  mkdirSync(folder, { recursive: true })
  const args = [
    '-std=c++17',
    '-O3',
    '-ffp-contract=fast',
    '-pthread',
    source,
    '-o',
    program,
    ...libraries.map((library) => `-l${library}`),
  ]
  const compilers = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  for (const compiler of compilers) {
    const done = spawnSync(compiler, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
    if (done.status === 0) return undefined
    if (done.error === undefined) {
      const complaint = done.stderr.split('\n').find((line) => line.includes('error')) ?? done.stderr.trim()
      return `${compiler} could not compile bench/native/${name}.cpp: ${complaint}`
    }
  }
  return `no C++ compiler (${compilers.join(', ')}) for bench/native/${name}.cpp`
}
