// `npm run demo -- [picture.png]`: installs what the example needs, from its own lockfile and without scripts, and runs it.
// TensorFlow.js, which only the example's test compares with, is left out.
import { join } from 'node:path'
import { root, run, runNpm } from './run.mjs'

const cwd = join(root, 'examples/upscale')
const quiet = ['--ignore-scripts', '--omit=dev', '--omit=peer', '--no-audit', '--no-fund', '--loglevel=error']
runNpm(['ci', ...quiet], { cwd })
// Not through npm, which would forget the folder that a picture's path is relative to.
run(process.execPath, ['--import', 'tsx', 'src/main.ts', ...process.argv.slice(2)], { cwd })
