// lib/ -> dist/esm and dist/cjs, each with its types. The whole of dist/ is made anew: nothing of a deleted source stays.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMain, root, runBin } from './run.mjs'

export function buildTypeScript() {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  runBin('typescript', 'tsc', ['--project', 'tsconfig.esm.json'])
  runBin('typescript', 'tsc', ['--project', 'tsconfig.cjs.json'])
  // The package is "type": "module"; this file makes Node and TypeScript read dist/cjs/**/*.js as CommonJS.
  writeFileSync(join(root, 'dist/cjs/package.json'), '{ "type": "commonjs" }\n')
}

if (isMain(import.meta.url)) buildTypeScript()
