// Checks the layout of every C++ file with the clang-format that npm installed (the same version on every machine).
// Usage: node scripts/clang-format.mjs [--write]
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, runBin } from './run.mjs'

// The package ships programs for these; elsewhere its check is left to the machines that have one.
const systems = ['linux-x64', 'darwin-x64', 'darwin-arm64', 'win32-x64', 'win32-arm64']
const system = `${process.platform}-${process.arch}`

if (!systems.includes(system)) {
  console.log(`convkit: no clang-format for ${system}, so the layout of the C++ files is not checked`)
} else {
  const files = ['native', 'bench/native'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => /\.(h|cpp)$/.test(name) && !/\bnode_modules\b/.test(name))
      .map((name) => join(folder, name)),
  )
  const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror']
  if (files.length) runBin('clang-format', 'clang-format', [...mode, ...files])
}
