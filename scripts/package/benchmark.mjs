// The benchmark's layers on the packed binary beside the local build, whose compiler is another.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { compareBuilds } from '../../bench/against.mjs'
import { readLayers } from '../../bench/layers.mjs'
import { root } from '../run.mjs'

const ROUNDS = 9

/** Prints how long the packed binary takes, in times of the local build: less than one is faster. */
export async function benchmark(installed) {
  if (!existsSync(join(root, 'build/Release/convkit.node'))) {
    console.log('convkit: no local build to compare with: npm run build:native')
    return
  }
  const load = (folder) => import(pathToFileURL(join(folder, 'dist/esm/index.js')).href)
  const [local, packed] = [await load(root), await load(installed)]
  for (const { info } of [local, packed])
    if (info().backend !== 'native') throw new Error(`not native: ${info().reason}`)
  const jobs = readLayers().map((layer) => ({ layer, pass: 'forward', dtype: 'float32' }))
  compareBuilds({ of: packed, to: local }, jobs, { rounds: ROUNDS }, (line) => console.log(`convkit: ${line}`))
}
