// Runs the suite once for every instruction set that this machine can run, then on the TypeScript backend alone.
//
//   node scripts/test-isa.mjs [name ...]     names as in info().isas, or typescript; default: all
//                             --others       what `npm test` leaves: all but the best instruction set, without the tests
//                                            of processes, threads and loading (test/node)
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root, runBin } from './run.mjs'

const { values, positionals } = parseArgs({ options: { others: { type: 'boolean' } }, allowPositionals: true })
const { info } = await import(pathToFileURL(join(root, 'dist/esm/index.js')).href)
const { isas, reason } = info()
if (isas.length === 0) console.log(`convkit: no native code, so only the TypeScript backend is tested (${reason})`)

const all = [...(values.others ? isas.slice(1) : isas), 'typescript']
const without = values.others ? ['--exclude', 'test/node/**'] : []
for (const name of positionals.length ? positionals : all) {
  const choice = name === 'typescript' ? { CONVKIT_BACKEND: name } : { CONVKIT_ISA: name, CONVKIT_REQUIRE_NATIVE: '1' }
  console.log(`\n== ${name}: the suite with ${JSON.stringify(choice)}`)
  runBin('vitest', 'vitest', ['run', '--reporter=dot', ...without], { env: { ...process.env, ...choice } })
}
