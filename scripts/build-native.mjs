// native/ -> build/Release/convkit.node (or build/Debug/convkit.node), through cmake-js.
// Usage: node scripts/build-native.mjs [--debug]
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fail, isMain, jobs, onPath, root, runBin } from './run.mjs'

/** The first thing that native code needs and this machine lacks, in words; undefined when all is there. */
export function missingTool() {
  if (!onPath('cmake')) return 'CMake'
  if (process.platform === 'win32') return undefined // cmake-js looks for Visual Studio where it may be
  if (!onPath('g++') && !onPath('clang++')) return 'C++ compiler'
  if (!onPath('make') && !onPath('ninja')) return 'make or ninja'
  return undefined
}

export function buildNative(config) {
  // cmake-js takes a cache as it finds it, even that of another configuration, generator or folder (a copied tree).
  // Without the file CMake looks again; objects that are still right stay.
  rmSync(join(root, 'build/CMakeCache.txt'), { force: true })
  // One binary at a time, so that there is no doubt which one is loaded.
  rmSync(join(root, 'build', config === 'Debug' ? 'Release' : 'Debug'), { recursive: true, force: true })
  const options = ['--config', config, '--log-level', 'error']
  runBin('cmake-js', 'cmake-js', ['configure', ...options])
  runBin('cmake-js', 'cmake-js', ['build', ...options, '--parallel', jobs])
}

if (isMain(import.meta.url)) {
  const missing = missingTool()
  if (missing) fail(`found no ${missing}, which native code needs`)
  buildNative(process.argv.includes('--debug') ? 'Debug' : 'Release')
}
