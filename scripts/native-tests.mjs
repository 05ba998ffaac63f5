// Builds the core with its native tests, away from the addon's build, and runs them with ctest.
// Usage: node scripts/native-tests.mjs [--sanitize] [--build-only]
import { jobs, run } from './run.mjs'

const sanitize = process.argv.includes('--sanitize')
const folder = sanitize ? 'build-sanitize' : 'build-native'
const options = [
  `-DCMAKE_BUILD_TYPE=${sanitize ? 'RelWithDebInfo' : 'Release'}`,
  `-DCONVKIT_SANITIZE=${sanitize ? 'ON' : 'OFF'}`,
  '-DCONVKIT_TESTS=ON',
  '-DCONVKIT_ADDON=OFF',
]
run('cmake', ['-S', '.', '-B', folder, ...options])
run('cmake', ['--build', folder, '--parallel', jobs])
if (!process.argv.includes('--build-only')) {
  run('ctest', ['--test-dir', folder, '--output-on-failure', '--no-tests=error', '--parallel', jobs])
}
