// convkit/reference runs in a browser. It is compiled here as a browser's program would be (no Node types, so that an
// import of a Node module or a use of a Node global is an error), and the files it pulls in are looked at.
import { execFileSync } from 'node:child_process'
import { join, relative } from 'node:path'
import { fail, root } from './run.mjs'

const tsc = join(root, 'node_modules/typescript/bin/tsc')
const args = [tsc, '--project', 'tsconfig.reference.json', '--listFiles']
let listed
try {
  listed = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
} catch (error) {
  console.error(error.stdout?.replaceAll(/^\/.*\n/gm, ''))
  fail('lib/reference.ts does not compile without Node')
}
const files = listed.split(/\r?\n/).filter(Boolean)
const foreign = files
  .map((file) => relative(root, file))
  .filter((file) => /^lib[/\\]node[/\\]|@types[/\\]node/.test(file))
if (foreign.length) fail(`lib/reference.ts reaches ${foreign.join(', ')}`)
