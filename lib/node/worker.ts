/** The worker thread of typescript-async.ts: runs one task after the other on the TypeScript backend. */

import { parentPort } from 'node:worker_threads'
import { createTypescriptBackend } from '../backend/typescript/index.js'
import type { ErrorCode } from '../errors.js'
import { compute, type Reply, type Task } from './typescript-async.js'

const backend = createTypescriptBackend()

// The backend's own asynchronous call allocates the result.
parentPort?.on('message', (task: Task) => {
  compute(backend, task).then(
    (out) => {
      parentPort?.postMessage({ out } satisfies Reply, [out.buffer as ArrayBuffer])
    },
    (thrown: unknown) => {
      const { name, code, message } = thrown as Error & { code?: ErrorCode }
      parentPort?.postMessage({ error: { name, code, message } } satisfies Reply)
    },
  )
})
