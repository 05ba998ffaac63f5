// Builds the addon with address and undefined-behaviour sanitizers and runs tests of the package with it, under Node.
//
//   node scripts/sanitize-addon.mjs [test file ...]
//
// Node itself is not instrumented, so the sanitizers' library is loaded before it (Linux, GCC). The package is copied
// to a folder of its own: tests find the addon where a build of theirs would be. Kernels are those for any CPU, and not
// instrumented themselves: the native tests do that.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { jobs, root, run, runBin } from './run.mjs'

const build = join(root, 'build-addon-sanitize')
const copy = join(build, 'package')
const options = [
  'CMAKE_BUILD_TYPE=RelWithDebInfo',
  'CONVKIT_SANITIZE=address',
  'CONVKIT_PORTABLE=ON',
  'CONVKIT_PLAIN_KERNELS=portable',
]
run('cmake', ['-S', '.', '-B', build, ...options.map((option) => `-D${option}`)])
run('cmake', ['--build', build, '--parallel', jobs, '--target', 'convkit'])

rmSync(copy, { recursive: true, force: true })
mkdirSync(join(copy, 'build/Release'), { recursive: true })
cpSync(join(build, 'convkit.node'), join(copy, 'build/Release/convkit.node'))
for (const part of ['lib', 'test', 'bench', 'package.json', 'vitest.config.ts']) {
  cpSync(join(root, part), join(copy, part), { recursive: true })
}
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))

const library = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim()
const files = process.argv.slice(2)
const usual = ['attacks', 'combinations', 'buffers', 'out', 'properties', 'node/addon'].map(
  (name) => `test/${name}.test.ts`,
)
runBin('vitest', 'vitest', ['run', '--root', copy, '--testTimeout', '300000', ...(files.length > 0 ? files : usual)], {
  cwd: copy,
  env: {
    ...process.env,
    CONVKIT_REQUIRE_NATIVE: '1',
    LD_PRELOAD: library,
    // Node leaves what it has at exit; V8 reserves more address space than sanitizers think sane.
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:abort_on_error=1',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  },
})
