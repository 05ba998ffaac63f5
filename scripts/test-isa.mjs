// Runs the whole suite once for every instruction set that this machine can run, then on the TypeScript backend alone.
// Usage: node scripts/test-isa.mjs [name ...]     names as in info().isas, or typescript; default: all
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { root, runBin } from './run.mjs'

const { info } = await import(pathToFileURL(join(root, 'dist/esm/index.js')).href)
const { isas, reason } = info()
if (isas.length === 0) console.log(`convkit: no native code, so only the TypeScript backend is tested (${reason})`)

const asked = process.argv.slice(2)
for (const name of asked.length ? asked : [...isas, 'typescript']) {
  const choice = name === 'typescript' ? { CONVKIT_BACKEND: name } : { CONVKIT_ISA: name, CONVKIT_REQUIRE_NATIVE: '1' }
  console.log(`\n== ${name}: the whole suite with ${JSON.stringify(choice)}`)
  runBin('vitest', 'vitest', ['run', '--reporter=dot'], { env: { ...process.env, ...choice } })
}
