// `npm run demo`: installs what the example needs, from its own lockfile and without scripts, and runs it.
import { join } from 'node:path'
import { root, runNpm } from './run.mjs'

const cwd = join(root, 'examples/upscale')
runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd })
runNpm(['start', '--silent', '--', ...process.argv.slice(2)], { cwd })
