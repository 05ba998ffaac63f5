// Run in a folder where convkit is installed and nothing else is: one call on every entry point, in the main thread and
// in a worker. Prints what it found as JSON; fails where a result is wrong.
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { conv2d, convTranspose2d, info, tensor } from 'convkit'
import * as promises from 'convkit/promises'
import * as reference from 'convkit/reference'

const ones = () => tensor(new Float32Array(9).fill(1), [1, 1, 3, 3])
const results = [
  conv2d(ones(), ones()).data[0],
  (await promises.conv2d(ones(), ones())).data[0],
  reference.conv2d(ones(), ones()).data[0],
  conv2d.prepare(ones())(ones()).data[0],
  convTranspose2d(ones(), ones()).data[12],
]
if (isMainThread && import.meta.url.endsWith('/smoke.mjs')) {
  const worker = new Worker(new URL(import.meta.url))
  const found = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  report([...results, ...found])
} else if (isMainThread) {
  report(results)
} else {
  parentPort.postMessage(results)
}

function report(results) {
  console.log(JSON.stringify({ ...info(), node: process.version, results }))
  process.exitCode = results.every((result) => result === 9) ? 0 : 1
}
