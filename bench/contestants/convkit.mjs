// @ts-check
// convkit as a contestant. Which backend it is follows from CONVKIT_BACKEND; threads come as the first argument, and as the
// second a variant of calls.mjs.
import * as convkit from 'convkit'
import { makeCall } from '../calls.mjs'
import { serveCalls } from './serve.mjs'

const [threads = '1', variant] = process.argv.slice(2)
convkit.setThreads(Number(threads))

void serveCalls(
  (job) => makeCall(convkit, job, /** @type {import('../calls.mjs').Variant | undefined} */ (variant)),
  () => convkit.info(),
)
