// docs/reference/ from the TSDoc in lib/ (typedoc.json). Whatever is public and lacks a comment, or links to nothing, is an error.
//
//   node scripts/docs.mjs            writes it
//   node scripts/docs.mjs --check    fails where it is not what the sources say
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fail, root, runBin } from './run.mjs'

const committed = join(root, 'docs/reference')
const check = process.argv.includes('--check')
const out = check ? mkdtempSync(join(tmpdir(), 'convkit-docs-')) : committed

/** Path and text of every file in a folder, as one value that can be compared. */
const contents = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => `${file.slice(folder.length)}\n${readFileSync(file, 'utf8')}`)
    .join('\n')

runBin('typedoc', 'typedoc', ['--out', out], { quiet: true })
if (check) {
  const same = contents(out) === contents(committed)
  rmSync(out, { recursive: true })
  if (!same) fail('docs/reference is not what the sources say: npm run docs')
}
