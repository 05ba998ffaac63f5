// The package as its users get it: packed, installed into an empty folder with install scripts disabled, where the PATH
// holds node, npm and sh alone; then a smoke suite there (test/package).
//
//   node scripts/test-package.mjs             module systems, types, worker threads, broken binaries; command line
//     --full                                  also: bundlers, Node 20 to 26, the whole suite and the benchmark on the packed binary
//     --tarball <file>                        of this tarball, instead of packing with what prebuilds/ holds
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root, runBin } from './run.mjs'
import { benchmark } from './package/benchmark.mjs'
import { breakages } from './package/breakages.mjs'
import { bundles } from './package/bundles.mjs'
import { nodeOf } from './package/node.mjs'
import { bare, capture, install, pack, smoke } from './package/smoke.mjs'
import { suite } from './package/suite.mjs'

const { values } = parseArgs({ options: { full: { type: 'boolean' }, tarball: { type: 'string' } } })
const folder = mkdtempSync(join(tmpdir(), 'convkit-test-package-'))
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true })
})

const step = (name) => {
  console.log(`convkit: ${name}`)
}

step('pack, install')
const tarball = values.tarball ? resolve(values.tarball) : pack(folder)
const programs = bare(join(folder, 'bin'))
const app = join(folder, 'app')
const installed = install(tarball, app, programs)

step('import, require, worker threads')
for (const program of ['smoke.mjs', 'smoke.cjs']) smoke(process.execPath, program, { cwd: app, env: programs })

step('command line')
const facts = JSON.parse(
  capture('npm', ['exec', '--offline', '--', 'convkit', 'info', '--json'], { cwd: app, env: programs }),
)
if (!facts.passed || facts.backend !== 'native') throw new Error(`convkit info: ${JSON.stringify(facts)}`)

step('binaries that are no use')
breakages(installed, () => smoke(process.execPath, 'smoke.cjs', { cwd: app, env: programs, native: false }))
smoke(process.execPath, 'smoke.cjs', { cwd: app, env: programs })

step('TypeScript, every module resolution')
mkdirSync(join(app, 'node_modules/@types'))
for (const name of ['@types/node', 'undici-types']) {
  symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name), 'junction')
}
const common = ['--noEmit', '--strict', '--target', 'es2022', '--types', 'node', '--ignoreConfig', 'program.ts']
const resolutions = [
  ['nodenext', 'nodenext'],
  ['node16', 'node16'],
  ['esnext', 'bundler'],
  ['commonjs', 'node10', '--ignoreDeprecations', '6.0'],
]
for (const [module, resolution, ...more] of resolutions) {
  runBin('typescript', 'tsc', ['--module', module, '--moduleResolution', resolution, ...more, ...common], { cwd: app })
}

if (values.full) {
  step('bundlers')
  await bundles(app, join(folder, 'bundles'), programs)
  for (const major of [20, 22, 24, 26]) {
    const node = nodeOf('linux-x64', major)
    for (const program of ['smoke.mjs', 'smoke.cjs']) {
      const { node: version } = smoke(node, program, { cwd: app, env: programs })
      if (program === 'smoke.cjs') step(`Node ${version}`)
    }
  }
  step('the whole suite on the packed binary')
  suite(installed, join(folder, 'checkout'))
  step('the benchmark: packed binary, and in times of the local build')
  await benchmark(installed)
}
