// Looks at the package as its users get it: packs it, lets publint and attw judge manifest and types, then unpacks it,
// loads every entry point by import and by require, and compiles a program that uses both.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, run, runBin, runNpm } from './run.mjs'

const folder = mkdtempSync(join(tmpdir(), 'convkit-package-'))
process.on('exit', () => {
  rmSync(folder, { recursive: true, force: true })
})
const quiet = true

runNpm(['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { quiet })
const tarball = join(folder, readdirSync(folder)[0])

runBin('publint', 'publint', ['run', tarball, '--strict'], { quiet })
runBin('@arethetypeswrong/cli', 'attw', [tarball, '--profile', 'node16', '--no-definitely-typed'], { quiet })

run('tar', ['-xzf', tarball, '-C', folder])
const modules = join(folder, 'node_modules')
mkdirSync(join(modules, '@types'), { recursive: true })
symlinkSync(join(folder, 'package'), join(modules, 'convkit'), 'junction')
for (const name of ['@types/node', 'undici-types']) {
  symlinkSync(join(root, 'node_modules', name), join(modules, name), 'junction')
}

const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const entries = Object.keys(exports)
  .filter((name) => !name.endsWith('.json'))
  .map((name) => `'convkit${name.slice(1)}'`)
const use = (name, i) => `if (Object.keys(entry${i}).length === 0) throw new Error("nothing in ${name}")\n`
const uses = entries.map(use).join('')
const imports = entries.map((name, i) => `import * as entry${i} from ${name}\n`).join('')
const programs = {
  'program.mts': imports + uses,
  'program.cts': imports.replaceAll(/import \* as (\w+) from ('.*')/g, 'import $1 = require($2)') + uses,
}
for (const [name, text] of Object.entries(programs)) writeFileSync(join(folder, name), text)
const options = ['--module', 'nodenext', '--target', 'es2022', '--strict', '--types', 'node', '--ignoreConfig']
runBin('typescript', 'tsc', [...options, ...Object.keys(programs)], { cwd: folder })
for (const name of ['program.mjs', 'program.cjs']) run(process.execPath, [name], { cwd: folder })
