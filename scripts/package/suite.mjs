// The suite on the binaries of an installed package: in a copy of the checkout that has no build of its own.
import { chmodSync, cpSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, runBin } from '../run.mjs'

/**
 * @param {string} installed  the folder of the package
 * @param {string} checkout  where the copy goes
 * @param {{ node?: string[], tests?: string[] }} [how]  the command that runs the tests instead of this Node (the test
 *   runner itself stays with this one), and which tests instead of all
 */
export function suite(installed, checkout, { node, tests = [] } = {}) {
  const skipped = /^(node_modules|build.*|prebuilds|\.git)$/
  cpSync(root, checkout, {
    recursive: true,
    filter: (source) => !source.startsWith(root + '/') || !skipped.test(source.slice(root.length + 1).split('/')[0]),
  })
  cpSync(join(installed, 'prebuilds'), join(checkout, 'prebuilds'), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'), 'junction')
  const env = { ...process.env, CONVKIT_REQUIRE_NATIVE: '1' }
  if (node) {
    // The runner starts a process for every test file, of what it takes for its own executable.
    const [shell, preload] = [join(checkout, 'foreign-node'), join(checkout, 'foreign-node.mjs')]
    writeFileSync(shell, `#!/bin/sh\nexec ${node.map((word) => `'${word}'`).join(' ')} "$@"\n`)
    chmodSync(shell, 0o755)
    writeFileSync(preload, `process.execPath = ${JSON.stringify(shell)}\n`)
    env.NODE_OPTIONS = `--import ${preload}`
  }
  runBin('vitest', 'vitest', ['run', '--reporter=dot', ...tests], { cwd: checkout, env })
}
