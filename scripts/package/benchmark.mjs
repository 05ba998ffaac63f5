// The benchmark's layers on the packed binary beside the local build, whose compiler is another: both in this process, by
// turns, so that what else the machine does meets both.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
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
  const sides = [await load(root), await load(installed)]
  for (const { info } of sides) if (info().backend !== 'native') throw new Error(`not native: ${info().reason}`)
  const ratios = []
  for (const layer of readLayers().filter(({ input }) => input.length === 2)) {
    const runs = sides.map((convkit) => prepare(convkit, layer))
    const best = [Infinity, Infinity]
    for (let round = 0; round < ROUNDS; round++) {
      for (const side of [0, 1]) best[side] = Math.min(best[side], timeOf(runs[side]))
    }
    const ratio = best[1] / best[0]
    ratios.push(ratio)
    console.log(`convkit: ${layer.name.padEnd(24)} ${best[1].toFixed(3).padStart(9)} ms  ${ratio.toFixed(2)}`)
  }
  ratios.sort((a, b) => a - b)
  const at = (share) => ratios[Math.floor(share * (ratios.length - 1))].toFixed(2)
  console.log(`convkit: packed / local: median ${at(0.5)}, from ${at(0)} to ${at(1)}, of ${ratios.length} layers`)
}

function prepare(convkit, layer) {
  const { op, batch, inChannels, outChannels, input, kernel, groups, stride, padding, dilation, outputPadding } = layer
  const transposed = op === 'convTranspose'
  const operator = transposed ? convkit.convTranspose2d : convkit.conv2d
  const options = { stride, padding, dilation, groups, ...(transposed ? { outputPadding } : {}) }
  const x = filled(convkit, [batch, inChannels, ...input])
  const w = filled(
    convkit,
    transposed ? [inChannels, outChannels / groups, ...kernel] : [outChannels, inChannels / groups, ...kernel],
  )
  const out = new Float32Array(operator.outputShape(x.shape, w.shape, options).reduce((a, b) => a * b, 1))
  const prepared = operator.prepare(w, options)
  return () => prepared(x, { out })
}

function filled({ tensor }, shape) {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1))
  for (let i = 0; i < data.length; i++) data[i] = ((i * 37) % 101) / 101 - 0.5
  return tensor(data, shape)
}

/** Milliseconds a run, of as many as fit into ten. */
function timeOf(run) {
  const begin = performance.now()
  let runs = 0
  do {
    run()
    runs++
  } while (performance.now() - begin < 10)
  return (performance.now() - begin) / runs
}
