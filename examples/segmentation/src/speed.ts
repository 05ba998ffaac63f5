/**
 * `npm run speed`: a frame in convkit and in TensorFlow.js, in turn in one process, so that whatever else the machine
 * does meets them all; one thread each. Photograph and result are tensors; reading files and scaling are not part of it.
 */
import { dirname, sep } from 'node:path'
import { createRequire } from 'node:module'
import * as tf from '@tensorflow/tfjs'
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { info, setThreads, type Tensor } from 'convkit'
import { readGraphModel } from './graph.js'
import { readPicture } from './image.js'
import { resizeBilinear } from './interpolation.js'
import { loadNetwork, modelFile, photographs } from './model.js'
import { loadInTensorFlow } from './tensorflow.js'

setThreads(1) // as TensorFlow.js' backends in Node
setThreadsCount(1)
setWasmPaths(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')) + sep)

const photo = resizeBilinear(await readPicture(photographs[0]), [256, 256])
const model = await readGraphModel(modelFile)
const contenders = new Map<string, () => Promise<unknown>>()
for (const backend of info().backend === 'native' ? (['native', 'typescript'] as const) : (['typescript'] as const)) {
  const network = await loadNetwork(backend)
  contenders.set(`convkit, ${backend}`, async () => network.run(photo))
}
for (const backend of ['wasm', 'cpu']) {
  await tf.setBackend(backend)
  const graph = await loadInTensorFlow(model)
  contenders.set(`tfjs, ${backend}`, () => predict(backend, graph, photo))
}

const rounds = 15
const times = new Map([...contenders.keys()].map((name) => [name, [] as number[]]))
for (let round = -2; round < rounds; round++) {
  for (const [name, run] of contenders) {
    const start = process.cpuUsage() // waiting for a busy machine does not count
    await run()
    const { user, system } = process.cpuUsage(start)
    if (round >= 0) times.get(name)!.push((user + system) / 1000) // the first two are for the compiler
  }
  process.stderr.write(`\r${Math.max(round + 1, 0)} of ${rounds} rounds`)
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]
const ours = median([...times.values()][0])
console.log(
  `\n\n${'processor time for 256 × 256 pixels'.padEnd(36)}${'median'.padStart(10)}${'least'.padStart(12)}${'ratio'.padStart(8)}`,
)
for (const [name, values] of times) {
  const [middle, least] = [median(values), Math.min(...values)]
  const ratio = (middle / ours).toFixed(1)
  console.log(
    `${name.padEnd(36)}${middle.toFixed(1).padStart(7)} ms${least.toFixed(1).padStart(9)} ms${ratio.padStart(8)}`,
  )
}

async function predict(backend: string, graph: tf.GraphModel, { data, shape }: Tensor): Promise<unknown> {
  await tf.setBackend(backend)
  const input = tf.tensor(data, [...shape])
  const result = graph.predict(input) as tf.Tensor
  const mask = result.dataSync()
  tf.dispose([input, result])
  return mask
}
