// native/ -> prebuilds/<target>/convkit.node for every target, with one cross compiler from npm (native/toolchain).
//
//   node scripts/prebuild.mjs                  all, which is what `npm pack` asks for
//     --only <target>[,<target>]               linux-x64, linux-arm64, ... (scripts/prebuild/targets.mjs)
//     --if-asked                               does nothing before `npm run build`: npm takes a script of that name for its hook
//     --check                                  builds nothing: looks at what is there, all targets
//     --twice                                  builds a second time from a copy of the sources elsewhere, and compares
//                                              the bytes
//
// The folder is not part of the repository: its bytes follow from the sources and the pinned compiler.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fail, root } from './run.mjs'
import { compareVersions, inspect } from './prebuild/inspect.mjs'
import { limits, targets } from './prebuild/targets.mjs'
import { compile, installCompiler } from './prebuild/zig.mjs'

const binaryOf = (target) => join(root, 'prebuilds', target, 'convkit.node')

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    check: { type: 'boolean' },
    twice: { type: 'boolean' },
    'if-asked': { type: 'boolean' },
  },
})
if (values['if-asked'] && !askedFor()) process.exit(0)
const names = values.only?.split(',') ?? Object.keys(targets)
for (const name of names) {
  if (!(name in targets)) fail(`prebuild: there is no target ${name}, only ${Object.keys(targets).join(', ')}`)
}

if (!values.check) {
  installCompiler()
  const copy = values.twice ? copySources() : undefined
  for (const name of names) {
    const built = build(name)
    if (copy && !readFileSync(built).equals(readFileSync(build(name, copy)))) {
      fail(`${name}: the same sources gave other bytes`)
    }
    mkdirSync(join(root, 'prebuilds', name), { recursive: true })
    copyFileSync(built, binaryOf(name))
    const facts = { bytes: statSync(built).size } // lib/node/load.ts looks before it loads
    writeFileSync(join(root, 'prebuilds', name, 'convkit.json'), `${JSON.stringify(facts)}\n`)
  }
}
let total = 0
for (const name of names) total += look(name)
if (total > limits.all) fail(`the binaries have ${total} bytes, more than ${limits.all}`)

/** npm tells a script nothing of whether it runs as a hook; the command line of npm itself does. */
function askedFor() {
  if (process.platform !== 'linux') return false
  for (
    let pid = process.ppid;
    pid > 1;
    pid = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
  ) {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    const script = /\bnpm\b.* run(?:-script)? (\S+)/.exec(command)?.[1]
    if (script) return script === 'prebuild'
  }
  return true
}

function build(name, sources) {
  console.log(`convkit: ${name}${sources ? ', again' : ''}`)
  return join(compile(name, { folder: 'build-prebuild', sources }), 'convkit.node')
}

/** Removed when this program ends. */
function copySources() {
  const copy = mkdtempSync(join(tmpdir(), 'convkit-again-'))
  process.on('exit', () => {
    rmSync(copy, { recursive: true, force: true })
  })
  for (const name of ['CMakeLists.txt', 'package.json', 'native/core', 'native/addon', 'native/toolchain/zig.cmake']) {
    cpSync(join(root, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** Fails where a binary is missing, or asks for what a system may lack; returns its size. */
function look(name) {
  const file = binaryOf(name)
  if (!existsSync(file)) fail(`no ${file}: npm run prebuild`)
  const { libraries: allowed, glibc: floor } = targets[name]
  const { cpu, libraries, glibc } = inspect(file)
  const size = statSync(file).size
  const isAllowed = (library) => (allowed instanceof RegExp ? allowed.test(library) : allowed.includes(library))
  const foreign = libraries.filter((library) => !isAllowed(library))
  if (!name.includes(`-${cpu}`)) fail(`${name}: is for ${cpu}`)
  if (foreign.length > 0) fail(`${name}: needs ${foreign.join(', ')}, which not every system has`)
  if (floor && glibc && compareVersions(glibc, floor) > 0) fail(`${name}: needs glibc ${glibc}, more than ${floor}`)
  if (size > limits.each) fail(`${name}: ${size} bytes, more than ${limits.each}`)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  if (!readFileSync(file).includes(version)) fail(`${name}: was built from another version than ${version}`)
  const needs = [...libraries, ...(glibc ? [`glibc >= ${glibc}`] : [])].join(' ')
  console.log(`${name.padEnd(17)} ${(size / 2 ** 20).toFixed(2)} MB  ${needs}`)
  return size
}
