// @ts-check
// onnxruntime-node as a contestant: the layer as a model of one node, its weight an initializer, so that the session can
// rearrange it ahead of the calls just as prepare() does. Input and output are plain arrays that exist before the call.
// Threads come as the first argument.
import { requirePeer } from '../peers.mjs'
import { makeData, product, shapes } from '../layers.mjs'
import { encodeModel } from './onnx-model.mjs'
import { serveCalls } from './serve.mjs'

/** @typedef {import('../types.js').Case} Case */

const ort = requirePeer('onnxruntime-node')
const threads = Number(process.argv[2] ?? 1)

/** @param {Case} job */
async function prepare({ layer, pass, dtype }) {
  if (pass !== 'forward' || dtype !== 'float32') throw new Error(`onnxruntime-node has no ${dtype} ${pass}`)
  const shape = shapes(layer)
  const session = await ort.InferenceSession.create(encodeModel(layer, makeData(layer, 'weight', dtype)), {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  })
  const feeds = { input: new ort.Tensor('float32', makeData(layer, 'input', dtype), shape.input) }
  const output = new Float32Array(product(shape.output))
  const fetches = { output: new ort.Tensor('float32', output, shape.output) }
  return {
    run: () => session.run(feeds, fetches),
    result: () => output,
    dispose: () => session.release(),
  }
}

void serveCalls(prepare, () => ({ version: ort.env.versions.node }))
