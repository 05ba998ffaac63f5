// @ts-check
// What a call costs beside its arithmetic: npm run bench -- --overhead. Convolutions with a 1 × 1 kernel on an 8 × 8 map, of one
// channel (64 multiply-adds) and of eight (4096, some tens of nanoseconds), convkit's calls and onnxruntime's in turn.
import * as convkit from 'convkit'
import { encodeModel } from './contestants/onnx-model.mjs'
import { makeData, product, shapes } from './layers.mjs'
import { installPeers, requirePeer } from './peers.mjs'
import { median } from './statistics.mjs'

/** @typedef {import('./types.js').Layer} Layer */
/** @typedef {{ name: string, layer: Layer, run: () => unknown, most?: number, rounds: number[] }} Entrant */

const rounds = 15
const samples = 20
const sampleMs = 0.4

/** Microseconds that a call may take: a promise of convkit, on a machine that does nothing else. */
const most = { allocating: 2, withOut: 1 }

/** @param {number} channels @returns {Layer} */
const layerOf = (channels) => ({
  name: `1 × ${channels} × 8 × 8`,
  op: 'conv',
  batch: 1,
  inChannels: channels,
  outChannels: channels,
  input: [8, 8],
  kernel: [1, 1],
  stride: [1, 1],
  padding: [0, 0],
  dilation: [1, 1],
  groups: 1,
})

/** @param {Layer} layer @returns {Entrant[]} */
function ours(layer) {
  const shape = shapes(layer)
  const input = convkit.tensor(makeData(layer, 'input', 'float32'), shape.input)
  const weight = convkit.tensor(makeData(layer, 'weight', 'float32'), shape.weight)
  const out = new Float32Array(product(shape.output))
  const prepared = convkit.conv2d.prepare(weight)
  return [
    { name: 'convkit, prepared, out', run: () => prepared(input, { out }), most: most.withOut },
    { name: 'convkit, prepared', run: () => prepared(input), most: most.allocating },
    { name: 'convkit, conv2d()', run: () => convkit.conv2d(input, weight) },
  ].map((entrant) => ({ ...entrant, layer, rounds: [] }))
}

/** @param {Layer} layer @returns {Promise<Entrant>} */
async function theirs(layer) {
  const ort = requirePeer('onnxruntime-node')
  const shape = shapes(layer)
  const session = await ort.InferenceSession.create(encodeModel(layer, makeData(layer, 'weight', 'float32')), {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
  })
  const feeds = { input: new ort.Tensor('float32', makeData(layer, 'input', 'float32'), shape.input) }
  const output = new Float32Array(product(shape.output))
  const fetches = { output: new ort.Tensor('float32', output, shape.output) }
  return { name: 'onnxruntime', layer, run: () => session.run(feeds, fetches), rounds: [] }
}

/**
 * Microseconds a call: the least of some short samples, so that what else the machine does in between is left out.
 *
 * @param {Entrant} entrant
 */
async function measure({ run, rounds: done }) {
  const repeats = Math.ceil((sampleMs * 1000) / (done[0] ?? 20))
  let least = Infinity
  for (let i = 0; i < samples; i++) {
    const start = performance.now()
    for (let call = 0; call < repeats; call++) {
      const pending = run()
      if (pending instanceof Promise) await pending
    }
    least = Math.min(least, ((performance.now() - start) / repeats) * 1000)
  }
  return least
}

/** @returns {Promise<boolean>} whether convkit keeps its promises */
export async function overhead() {
  convkit.setThreads(1)
  /** @type {Entrant[]} */
  const entrants = []
  const without = installPeers()
  if (without !== undefined) console.log(`note: ${without}`)
  for (const layer of [layerOf(1), layerOf(8)]) {
    entrants.push(...ours(layer))
    if (without === undefined) entrants.push(await theirs(layer))
  }
  for (let round = -1; round < rounds; round++) {
    for (const entrant of entrants) {
      const microseconds = await measure(entrant)
      if (round >= 0) entrant.rounds.push(microseconds)
    }
  }
  console.log(`microseconds a call (node ${process.versions.node}, convkit ${convkit.info().isa}):`)
  let kept = true
  for (const { name, layer, rounds: done, most: limit } of entrants) {
    const microseconds = median(done)
    const broken = limit !== undefined && microseconds > limit
    if (broken) kept = false
    const promise = limit === undefined ? '' : `at most ${limit}${broken ? ': BROKEN' : ''}`
    console.log(
      `${layer.name.padEnd(15)}${name.padEnd(24)}${microseconds.toFixed(2).padStart(7)}  ${promise}`.trimEnd(),
    )
  }
  return kept
}
