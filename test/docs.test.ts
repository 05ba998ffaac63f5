/**
 * Every ts and js block of README.md and docs/*.md runs. In a block 'convkit' is the library's source; several blocks
 * of a file are several programs. `<!-- no-run -->` on the line above a block says that it is a fragment.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test, vi } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const files = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
)

const entries: Record<string, string> = {
  convkit: 'lib/index.ts',
  'convkit/promises': 'lib/promises.ts',
  'convkit/reference': 'lib/reference.ts',
}

interface Block {
  readonly name: string
  readonly code: string
}

const blocksOf = (file: string): Block[] => {
  const blocks: Block[] = []
  const lines = readFileSync(join(root, file), 'utf8').split('\n')
  for (let i = 0; i < lines.length; i++) {
    if (!/^```(ts|js|typescript|javascript|mjs)\b/.test(lines[i])) continue
    const end = lines.indexOf('```', i + 1)
    const above = lines.slice(0, i).findLast((line) => line.trim() !== '')
    if (above?.trim() !== '<!-- no-run -->')
      blocks.push({ name: `${file}:${i + 1}`, code: lines.slice(i + 1, end).join('\n') })
    i = end
  }
  return blocks
}

const folder = mkdtempSync(join(tmpdir(), 'convkit-docs-'))
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})

describe('examples of the documentation', () => {
  const blocks = files.flatMap(blocksOf)

  test('there are some', () => {
    expect(blocks.length).toBeGreaterThan(0)
  })

  test.each(blocks.map((block, i) => [block.name, block.code, i] as const))('%s', async (_, code, i) => {
    const resolved = code.replace(
      /(from\s+|import\s+|import\(\s*|require\(\s*)(['"])(convkit[a-z/]*)\2/g,
      (all, before: string, __, name: string) => {
        const entry = entries[name]
        return entry === undefined ? all : `${before}'${join(root, entry)}'`
      },
    )
    const file = join(folder, `block${i}.ts`)
    // An empty export makes every block a module, so that two blocks may declare the same names and await at top level.
    writeFileSync(file, `${resolved}\nexport {}\n`)
    // What an example prints is for its reader.
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    try {
      await import(file)
    } finally {
      log.mockRestore()
    }
  })
})
