// The binaries for other systems than this one: the package installed from its tarball, under emulators of Debian.
//
//   node scripts/test-foreign.mjs [name ...]   default: all
//       linux-arm64, old-x64, win32-x64        Node under qemu or wine (scripts/foreign/hosts.mjs): smoke suite, `convkit
//                                              info` with its self-test
//       linux-x64-musl                         no Node is to be had: native/test/addon_host.cpp, under musl's own loader
//     --full                                   also the native tests of the core, and on Linux a part of the suite
//     --short                                  what continuous integration runs, the first two: arm64 with the addon that
//                                              .ci/aarch64 built. Of musl, if named: an addon of portable kernels alone
//
// Takes what prebuilds/ holds; `npm run prebuild -- --only <target>` makes it.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { hosts, start } from './foreign/hosts.mjs'
import { capture, install, pack, smoke } from './package/smoke.mjs'
import { suite } from './package/suite.mjs'
import { compile, installCompiler } from './prebuild/zig.mjs'
import { fail, root, run } from './run.mjs'

const MUSL = 'linux-x64-musl'
const { values, positionals } = parseArgs({
  options: { full: { type: 'boolean' }, short: { type: 'boolean' } },
  allowPositionals: true,
})
const known = [...Object.keys(hosts), MUSL]
const names = positionals.length ? positionals : known.slice(0, values.short ? 2 : known.length)
for (const name of names) if (!known.includes(name)) fail(`there is no ${name}, only ${known.join(', ')}`)

const folder = mkdtempSync(join(tmpdir(), 'convkit-test-foreign-'))
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true })
})
const tarball = pack(folder)
for (const name of names) {
  const begin = performance.now()
  if (name === MUSL) onMusl()
  else underNode(name, hosts[name])
  console.log(`convkit: ${name}: passed after ${((performance.now() - begin) / 1000).toFixed(0)} s`)
}

function underNode(name, host) {
  const { node, env } = start(host)
  const app = join(folder, name)
  const installed = install(tarball, app, process.env)
  if (values.short && name === 'linux-arm64') useBuild(installed, host.target)
  if (!existsSync(join(installed, 'prebuilds', host.target))) {
    fail(`no binary for ${name}: npm run prebuild -- --only ${host.target}`)
  }
  const cli = 'node_modules/convkit/dist/esm/node/cli/main.js'
  const facts = JSON.parse(capture(node[0], [...node.slice(1), cli, 'info', '--json'], { cwd: app, env }))
  const { passed, backend, platform, isas, checks, node: version } = facts
  console.log(`convkit: ${name}: Node ${version}, ${platform}, ${isas.join(', ')}: ${checks.length} checks`)
  const expected = host.isas ?? isas
  if (!passed || backend !== 'native' || platform !== host.target || isas.join() !== expected.join()) {
    fail(`convkit info: ${JSON.stringify(facts)}`)
  }
  for (const program of ['smoke.mjs', 'smoke.cjs']) smoke(node, program, { cwd: app, env })
  if (!values.full) return
  nativeTests(host.target, host.emulator, env)
  const tests = ['literature', 'helpers', 'plan-prepare'] // emulated, a test takes seconds
  if (name !== 'win32-x64') {
    suite(installed, join(folder, `${name}-suite`), { node, tests: tests.map((test) => `test/${test}.test.ts`) })
  }
}

/** The stage `aarch64` has compiled for arm64 with another compiler. */
function useBuild(installed, target) {
  const binary = join(root, 'build-aarch64/convkit.node')
  if (!existsSync(binary)) fail(`no ${binary}: .ci/aarch64`)
  const to = join(installed, 'prebuilds', target)
  mkdirSync(to, { recursive: true })
  cpSync(binary, join(to, 'convkit.node'))
  writeFileSync(join(to, 'convkit.json'), JSON.stringify({ bytes: statSync(binary).size }))
}

function onMusl() {
  const loader = '/lib/ld-musl-x86_64.so.1'
  if (!existsSync(loader)) fail(`found no ${loader}: apt-get install musl`)
  // All kernels take minutes to compile: what matters to a C library are threads, memory, and what the linker left open.
  const build = nativeBuild(MUSL, ['addon_host', 'convkit'], values.short ? ['-DCONVKIT_PORTABLE=ON'] : [])
  const binary = values.short ? join(build, 'convkit.node') : join(root, 'prebuilds', MUSL, 'convkit.node')
  run(loader, [join(build, 'addon_host'), binary])
  if (values.full) nativeTests(MUSL, [loader], process.env)
}

function nativeTests(target, emulator, env) {
  const build = nativeBuild(target, ['test_core'])
  const program = join(build, target.startsWith('win32') ? 'test_core.exe' : 'test_core')
  run(emulator[0], [...emulator.slice(1), program, '--random', '20'], { env })
}

/** By the compiler of the published binaries, in its folder: the core is compiled already. */
function nativeBuild(target, programs, options = []) {
  installCompiler()
  const place = values.short ? 'build-foreign' : 'build-prebuild'
  return compile(target, { folder: place, options: ['-DCONVKIT_TESTS=ON', ...options], programs })
}
