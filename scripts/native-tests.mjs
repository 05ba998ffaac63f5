// Builds the core with its native tests, away from the addon's build, and runs them with ctest: `core`, the tests, and
// `fuzz`, random problems on every algorithm and instruction set.
//
//   node scripts/native-tests.mjs                  as it is shipped
//                                 --sanitize       address and undefined-behaviour sanitizers
//                                 --threads        the thread sanitizer
//                                 --valgrind       under valgrind (which knows no AVX-512: the rest runs)
//                                 --fuzz [args]    coverage-guided fuzzing until it fails, or for -max_total_time=SECONDS
//                                 --short          the fuzzer alone, for a minute or so
//                                 --build-only
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { jobs, root, run } from './run.mjs'

const has = (flag) => process.argv.includes(flag)
const option = (name, value) => `-D${name}=${value}`

// Instrumented kernels are some ten times slower.
const brief = option('CONVKIT_TEST_ARGUMENTS', '--brief;--random;60')

const ways = {
  plain: { folder: 'build-native', options: [option('CMAKE_BUILD_TYPE', 'Release')] },
  sanitize: {
    folder: 'build-sanitize',
    options: [option('CMAKE_BUILD_TYPE', 'RelWithDebInfo'), option('CONVKIT_SANITIZE', 'address'), brief],
  },
  threads: {
    folder: 'build-threads',
    options: [option('CMAKE_BUILD_TYPE', 'RelWithDebInfo'), option('CONVKIT_SANITIZE', 'thread'), brief],
  },
  // Emulated code is some fifty times slower.
  valgrind: { folder: 'build-native', options: [option('CMAKE_BUILD_TYPE', 'Release')] },
  fuzz: {
    folder: 'build-fuzz',
    options: [
      option('CMAKE_BUILD_TYPE', 'RelWithDebInfo'),
      option('CMAKE_CXX_COMPILER', 'clang++'),
      option('CONVKIT_SANITIZE', 'address'),
      option('CONVKIT_FUZZ', 'ON'),
    ],
  },
}
const name = Object.keys(ways).find((way) => has(`--${way}`)) ?? 'plain'
const { folder, options } = ways[name]

run('cmake', ['-S', '.', '-B', folder, ...options, option('CONVKIT_TESTS', 'ON'), option('CONVKIT_ADDON', 'OFF')])
const only = has('--short') ? ['--target', 'fuzz_core'] : []
run('cmake', ['--build', folder, '--parallel', jobs, ...only])
if (!has('--build-only')) runTests(join(root, folder))

function runTests(build) {
  const [fuzzer, tests] = ['fuzz_core', 'test_core'].map((program) => join(build, program))
  if (name === 'fuzz') {
    const corpus = join(build, 'corpus')
    mkdirSync(corpus, { recursive: true })
    const given = process.argv.slice(2).filter((argument) => argument.startsWith('-') && !argument.startsWith('--'))
    if (has('--short')) given.unshift('-max_total_time=45')
    run(fuzzer, ['-max_len=160', `-artifact_prefix=${build}/`, '-use_value_profile=1', ...given, corpus])
  } else if (name === 'valgrind') {
    const check = ['--error-exitcode=1', '--leak-check=full', '--errors-for-leak-kinds=definite', '--quiet']
    run('valgrind', [...check, fuzzer, '--runs', has('--short') ? '1000' : '20000'])
    if (!has('--short')) run('valgrind', [...check, tests, '--brief', '--random', '6'])
  } else if (has('--short')) {
    run(fuzzer, ['--runs', '4000'])
  } else {
    run('ctest', ['--test-dir', folder, '--output-on-failure', '--no-tests=error', '--parallel', jobs])
  }
}
