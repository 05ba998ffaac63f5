// Hours of a server in one process: mixed calls, synchronous and not, some wrong; aborts in every stage of large calls of
// every algorithm; a queue that is full; prepared operators left to the garbage collector; worker threads ended at
// random moments. Fails when a result differs by one bit from the first of its kind, or when the resident memory, or
// what V8 counts of external memory, grows by more than 5 % after the warm-up.
//
//   npm run soak -- [--seconds 3600] [--seed N]
import { spawnSync } from 'node:child_process'
import { createHash, randomInt } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { root } from './run.mjs'

const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } })
const seconds = Number(values.seconds ?? 3600)
const seed = Number(values.seed ?? randomInt(2 ** 31))
if (!(seconds > 0) || !Number.isSafeInteger(seed)) throw new Error('--seconds and --seed take a number')

// Resident memory is that of live objects only if garbage can be collected on demand, and if the C library gives back
// what was freed: as it comes, it keeps some ten megabytes of V8's freed arrays, more or less by chance.
if (!globalThis.gc) {
  const args = ['--expose-gc', fileURLToPath(import.meta.url), '--seconds', String(seconds), '--seed', String(seed)]
  const env = {
    ...process.env,
    MALLOC_ARENA_MAX: '1',
    MALLOC_MMAP_THRESHOLD_: '32768',
    MALLOC_TRIM_THRESHOLD_: '65536',
  }
  process.exit(spawnSync(process.execPath, args, { stdio: 'inherit', env }).status ?? 1)
}

const entry = (name) => pathToFileURL(join(root, 'dist/esm', name)).href
const convkit = await import(entry('index.js'))
const promises = await import(entry('promises.js'))
const { defaultLimits } = await import(entry('node/backlog.js'))
const { binary } = convkit.info()
const addon = binary && createRequire(import.meta.url)(binary)

let state = seed >>> 0 || 1
/** xorshift: a whole number of 0 … n − 1. */
function below(n) {
  state ^= state << 13
  state ^= state >>> 17
  state = (state ^ (state << 5)) >>> 0
  return state % n
}
const pick = (list) => list[below(list.length)]

function randomTensor(shape, double) {
  const length = shape.reduce((a, b) => a * b, 1)
  const data = (double ? Float64Array : Float32Array).from({ length }, () => below(2001) / 1000 - 1)
  return convkit.tensor(data, shape)
}

/** A call of an operator that is legal, small to middling, and its three passes. */
function randomCall(number) {
  const rank = 1 + below(3)
  const transposed = below(2) === 1
  const name = `${transposed ? 'convTranspose' : 'conv'}${rank}d`
  const groups = pick([1, 1, 1, 2, 4])
  const [cin, cout] = [groups * (1 + below(8)), groups * (1 + below(8))]
  const kernel = Array.from({ length: rank }, () => 1 + below(rank === 3 ? 3 : 5))
  const spatial = kernel.map((k) => k + below(rank === 1 ? 600 : rank === 2 ? 40 : 12))
  const options = { stride: 1 + below(3), padding: kernel.map((k) => below(k)), groups }
  const double = below(3) === 0
  const input = randomTensor([1 + below(3), cin, ...spatial], double)
  const weight = randomTensor(transposed ? [cin, cout / groups, ...kernel] : [cout, cin / groups, ...kernel], double)
  try {
    const shape = convkit[name].outputShape(input.shape, weight.shape, options)
    return { number, name, input, weight, options, gradOutput: randomTensor(shape, double) }
  } catch {
    return randomCall(number) // cropped to nothing
  }
}

/** The arguments of each way to ask for something, as [what, function, arguments]. */
function ways({ name, input, weight, options, gradOutput }, library) {
  const operator = library[name]
  return [
    ['forward', operator, [input, weight, options]],
    ['gradInput', operator.gradInput, [input.shape, weight, gradOutput, options]],
    ['gradWeight', operator.gradWeight, [input, weight.shape, gradOutput, options]],
  ]
}

const seen = new Map()
function check(key, result) {
  const hash = createHash('sha1').update(new Uint8Array(result.data.buffer)).digest('base64')
  const first = seen.get(key)
  if (first === undefined) seen.set(key, hash)
  else if (first !== hash) throw new Error(`seed ${seed}: ${key} has other bits than at first`)
}

const counts = { synchronous: 0, asynchronous: 0, aborted: 0, large: 0, refused: 0, full: 0, prepared: 0, workers: 0 }

/** Layers of some 20 to 200 ms, with much to pack, to transform, to copy and to add up: for aborts at any moment. */
const largeLayers = [
  ['conv2d', [1, 128, 96, 96], [128, 128, 3, 3], { padding: 1 }, ['direct', 'im2col', 'winograd', 'fft']],
  ['conv2d', [1, 1024, 7, 7], [1024, 1024, 3, 3], { padding: 1 }, ['direct', 'im2col', 'winograd', 'fft']],
  ['convTranspose2d', [1, 256, 32, 32], [256, 128, 4, 4], { stride: 2, padding: 1 }, ['direct', 'im2col', 'winograd']],
  ['conv1d', [1, 32, 40000], [32, 32, 64], {}, ['direct', 'im2col', 'fft']],
  ['conv2d', [1, 64, 256, 256], [64, 1, 5, 5], { groups: 64, padding: 2 }, ['depthwise', 'direct', 'fft']],
  ['conv2d', [1, 256, 256, 64], [5, 5, 1, 64], { groups: 64, padding: 2, layout: 'channels-last' }, ['depthwise']],
].map(([name, inputShape, weightShape, options, algorithms]) => {
  const [input, weight] = [randomTensor(inputShape), randomTensor(weightShape)]
  const gradOutput = convkit.zeros(convkit[name].outputShape(inputShape, weightShape, options))
  return { name, input, weight, options, gradOutput, algorithms }
})

const deeds = [
  function synchronous(call) {
    for (const [what, operator, args] of ways(call, convkit)) check(`${call.number} ${what}`, operator(...args))
    counts.synchronous += 3
  },
  async function asynchronous(call) {
    const results = await Promise.all(ways(call, promises).map(([, operator, args]) => operator(...args)))
    for (const [i, what] of ['forward', 'gradInput', 'gradWeight'].entries())
      check(`${call.number} ${what}`, results[i])
    counts.asynchronous += 3
  },
  async function aborted(call) {
    const controller = new AbortController()
    const started = ways(call, promises).map(([, operator, args]) =>
      operator(...args.slice(0, -1), { ...args.at(-1), signal: controller.signal }),
    )
    if (below(2) === 0) await new Promise(setImmediate)
    controller.abort()
    for (const outcome of await Promise.allSettled(started)) counts.aborted += outcome.status === 'rejected' ? 1 : 0
  },
  async function abortedWithin() {
    const layer = pick(largeLayers)
    const controller = new AbortController()
    const options = { ...layer.options, algorithm: pick(layer.algorithms), signal: controller.signal }
    const [, operator, args] = pick(ways({ ...layer, options }, promises))
    const started = operator(...args)
    setTimeout(() => controller.abort(), below(80))
    const [outcome] = await Promise.allSettled([started])
    if (outcome.status === 'rejected' && outcome.reason.code === 'ERR_CONVKIT_OPTION') return // refused by the planner
    if (outcome.status === 'rejected' && outcome.reason.name !== 'AbortError') throw outcome.reason
    counts[outcome.status === 'rejected' ? 'aborted' : 'large']++
  },
  function refused({ name, input, weight, options }) {
    const wrong = [
      () => convkit[name](input, weight, { ...options, stride: 0 }),
      () => convkit[name](input, weight, { ...options, bias: new Float32Array(1000) }),
      () => convkit[name](input, input, options),
      () => convkit[name](input, weight, { ...options, out: new Float32Array(1) }),
    ]
    try {
      pick(wrong)()
    } catch (error) {
      if (!String(error.code).startsWith('ERR_CONVKIT')) throw error
      counts.refused++
      return
    }
    counts.synchronous++ // an input may be legal as a weight
  },
  async function prepared(call) {
    const { name, input, weight, options, number } = call
    const layer = convkit[name].prepare(weight, options) // never disposed of
    check(`${number} prepared`, layer(input))
    check(`${number} prepared`, await layer.async(input))
    counts.prepared += 2
  },
]

// No await outside of functions: V8 fails where a thread is ended just as it begins to evaluate such a module.
const workerSource = `
  async function work() {
    const { conv2d } = await import(${JSON.stringify(entry('promises.js'))})
    const input = { data: new Float32Array(16 * 64 * 64).fill(1), shape: [1, 16, 64, 64] }
    const weight = { data: new Float32Array(16 * 16 * 9).fill(1), shape: [16, 16, 3, 3] }
    for (;;) await Promise.all([1, 2, 3].map(() => conv2d(input, weight)))
  }
  void work()`
async function workers() {
  const start = async () => {
    const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(workerSource)}`))
    await new Promise((resolve) => setTimeout(resolve, below(300)))
    await thread.terminate()
    counts.workers++
  }
  await Promise.all(Array.from({ length: 1 + below(3) }, start))
}

/** A flood against small bounds: each call completes with the usual bits, or is refused for want of room. */
async function flood() {
  if (convkit.info().backend !== 'native') return
  const { calls: most, bytes } = defaultLimits()
  addon.setBacklog(1 + below(20), bytes)
  const call = pick(calls)
  const started = Array.from({ length: 40 }, () => ways(call, promises)[0]).map(([, run, args]) => run(...args))
  addon.setBacklog(most, bytes)
  for (const { status, reason, value } of await Promise.allSettled(started)) {
    if (status === 'fulfilled') check(`${call.number} forward`, value)
    else if (reason.code !== 'ERR_CONVKIT_MEMORY') throw reason
    counts[status === 'fulfilled' ? 'asynchronous' : 'full']++
  }
}

/** Memory after collection: the least of a few looks, since the allocator and V8 give back late. */
async function memory() {
  const least = { resident: Infinity, external: addon ? Infinity : 0 }
  for (let i = 0; i < 5; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 50))
    least.resident = Math.min(least.resident, process.memoryUsage.rss())
    if (addon) least.external = Math.min(least.external, addon.externalMemory())
  }
  return least
}

console.log(`soak: ${seconds} s, seed ${seed}, ${JSON.stringify(convkit.info())}`)
const calls = Array.from({ length: 60 }, (_, number) => randomCall(number))
const begin = performance.now()
const elapsed = () => (performance.now() - begin) / 1000
const total = () => Object.values(counts).reduce((a, b) => a + b, 0)
const warm = { resident: 0, external: 0, looks: 0 }
const late = { resident: Infinity, external: Infinity, looks: 0 }
const look = async (at, choose) => {
  const now = await memory()
  for (const kind of ['resident', 'external']) at[kind] = choose(at[kind], now[kind])
  at.looks++
}
let nextWorkers = 0
let nextLine = 0
while (elapsed() < seconds) {
  await Promise.all(Array.from({ length: 4 }, async () => pick(deeds)(pick(calls))))
  if (elapsed() > nextWorkers) {
    await workers()
    await flood()
    nextWorkers = elapsed() + 2
  }
  if (warm.looks < 3 && elapsed() > seconds * (0.2 + 0.1 * warm.looks)) await look(warm, Math.max)
  if (late.looks < 2 && elapsed() > seconds * (0.8 + 0.1 * late.looks)) await look(late, Math.min)
  if (elapsed() > nextLine) {
    console.log(
      `${elapsed().toFixed(0).padStart(6)} s ${total()} calls, ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`,
    )
    nextLine = elapsed() + seconds / 20
  }
}
// What V8 and the allocator hold goes up and down: growth is what of the least of three looks at the end exceeds the most
// of three in the first half.
await look(late, Math.min)
console.log(`${JSON.stringify(counts)}`)
for (const kind of ['resident', 'external']) {
  const [before, after] = [warm[kind], late[kind]].map((bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`)
  console.log(`${kind} memory: ${before} after the warm-up, ${after} at the end`)
  if (late[kind] > warm[kind] * 1.05) throw new Error(`${kind} memory grew from ${before} to ${after}`)
}
console.log(`passed: ${total()} calls in ${elapsed().toFixed(0)} s`)
