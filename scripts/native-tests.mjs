// Builds the core with its native tests, away from the addon's build, and runs them: `core`, the tests, and `fuzz`,
// random problems on every algorithm and instruction set.
//
//   node scripts/native-tests.mjs                  as it is shipped
//                                 --sanitize       address and undefined-behaviour sanitizers
//                                 --threads        the thread sanitizer, on the kernels for any CPU
//                                 --valgrind       under valgrind (which knows no AVX-512: the rest runs)
//                                 --latency        how long running calls do not look whether they are cancelled;
//                                                  minutes, on a machine with nothing else to do
//                                 --fuzz [args]    coverage-guided fuzzing under address and undefined-behaviour
//                                                  sanitizers until it fails, or for -max_total_time=SECONDS
//                                 --short          what continuous integration runs, a minute or so each: with --fuzz
//                                                  the native tests too, under the same sanitizers
//                                 --build-only
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { jobs, root, run } from './run.mjs'

const has = (flag) => process.argv.includes(flag)
const option = (name, value) => `-D${name}=${value}`

// Instrumented kernels are some ten times slower.
const brief = option('CONVKIT_TEST_ARGUMENTS', '--brief;--random;60')
const release = option('CMAKE_BUILD_TYPE', 'Release')
const debug = option('CMAKE_BUILD_TYPE', 'RelWithDebInfo')

const ways = {
  plain: { folder: 'build-native', options: [release] },
  sanitize: { folder: 'build-sanitize', options: [debug, option('CONVKIT_SANITIZE', 'address'), brief] },
  // Units of work and slots are the same on all instruction sets; instrumented, the large kernels take minutes to compile.
  threads: {
    folder: 'build-threads',
    options: [debug, option('CONVKIT_SANITIZE', 'thread'), option('CONVKIT_PORTABLE', 'ON')],
  },
  // Emulated code is some fifty times slower.
  valgrind: { folder: 'build-native', options: [release] },
  latency: { folder: 'build-native', options: [release] },
  fuzz: {
    folder: 'build-fuzz',
    options: [
      debug,
      option('CMAKE_CXX_COMPILER', 'clang++'),
      option('CONVKIT_SANITIZE', 'address'),
      option('CONVKIT_FUZZ', 'ON'),
      option('CONVKIT_PLAIN_KERNELS', 'portable;avx2;avx512'),
    ],
  },
}
const name = Object.keys(ways).find((way) => has(`--${way}`)) ?? 'plain'
const { folder, options } = ways[name]

run('cmake', ['-S', '.', '-B', folder, ...options, option('CONVKIT_TESTS', 'ON'), option('CONVKIT_ADDON', 'OFF')])
const usual = ['fuzz_core', 'test_pool', ...(has('--short') && name === 'valgrind' ? [] : ['test_core'])]
const targets = name === 'latency' ? ['latency_core'] : usual
run('cmake', ['--build', folder, '--parallel', jobs, '--target', ...targets])
if (!has('--build-only')) runTests(join(root, folder))

function runTests(build) {
  const [fuzzer, tests, pool] = ['fuzz_core', 'test_core', 'test_pool'].map((program) => join(build, program))
  const short = has('--short')
  if (name === 'fuzz') {
    // Bits and rounding are no matter of sanitizers.
    for (const word of short ? ['random_problems', 'shared_units', 'allocation', 'invalid'] : [])
      run(tests, [word, '--brief', '--random', '20'])
    if (short) run(pool, ['--brief'])
    const corpus = join(build, 'corpus')
    mkdirSync(corpus, { recursive: true })
    const given = process.argv.slice(2).filter((argument) => argument.startsWith('-') && !argument.startsWith('--'))
    if (short) given.unshift('-runs=2000', '-seed=1')
    run(fuzzer, ['-max_len=160', `-artifact_prefix=${build}/`, '-use_value_profile=1', ...given, corpus])
  } else if (name === 'latency') {
    run(join(build, 'latency_core'), [])
  } else if (name === 'valgrind') {
    const check = ['--error-exitcode=1', '--leak-check=full', '--errors-for-leak-kinds=definite', '--quiet']
    run('valgrind', [...check, fuzzer, '--runs', short ? '400' : '20000'])
    run('valgrind', [...check, pool, '--brief'])
    if (!short) run('valgrind', [...check, tests, '--brief', '--random', '6'])
  } else if (name === 'threads') {
    // Starting threads is what takes time there: the tests in which units share something, and not those of rounding.
    for (const word of ['shared_units', ...(short ? [] : ['cancellation', 'allocation', 'workspace'])])
      run(tests, [word, '--brief'])
    run(pool, short ? ['--brief'] : [])
    run(fuzzer, ['--runs', short ? '300' : '20000'])
  } else if (short) {
    run(pool, [])
    run(fuzzer, ['--runs', '4000'])
  } else {
    run('ctest', ['--test-dir', folder, '--output-on-failure', '--no-tests=error', '--parallel', jobs])
  }
}
