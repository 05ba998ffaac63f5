/** The worker thread of typescript-async.ts: runs one task after the other on the TypeScript backend. */

import { parentPort } from 'node:worker_threads'
import { createTypescriptBackend } from '../backend/typescript/index.js'
import type { ErrorCode } from '../errors.js'
import type { FloatArray } from '../problem.js'
import type { Reply, Task } from './typescript-async.js'

const backend = createTypescriptBackend()

async function compute(task: Task): Promise<FloatArray> {
  // The backend's own asynchronous call allocates the result.
  if (task.kind === 'biasGradient') return backend.biasGradientAsync(task.problem, task.gradOutput, undefined)
  return backend.runAsync(task.pass, task.problem, task.algorithm, task.operands, undefined)
}

parentPort?.on('message', (task: Task) => {
  compute(task).then(
    (out) => {
      parentPort?.postMessage({ out } satisfies Reply, [out.buffer as ArrayBuffer])
    },
    (thrown: unknown) => {
      const { name, code, message } = thrown as Error & { code?: ErrorCode }
      parentPort?.postMessage({ error: { name, code, message } } satisfies Reply)
    },
  )
})
