// @ts-check
// What all contestants written in JavaScript share: load a case, write its result for the comparison, time calls of it.
import { writeFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { serve } from '../line-protocol.mjs'

/** @typedef {import('../types.js').Case} Case */

/** A sample is at least this long, so that reading the clock does not count. */
const sampleMs = 0.25

/**
 * @typedef {object} Call
 * @property {() => unknown} run  one call; it may return a promise
 * @property {() => Float32Array | Float64Array} result  the values that the last call computed
 * @property {() => unknown} dispose
 * @property {string} [plan]
 */

/** @typedef {{ unable: string }} Unable  a case that the contestant does not know */

/**
 * @param {(job: Case) => Call | Unable | Promise<Call | Unable>} prepare
 * @param {() => unknown} about  what `about` answers: versions and the like
 */
export function serveCalls(prepare, about) {
  /** @type {Call | undefined} */
  let call
  let estimate = 0

  return serve({
    about,

    async load(/** @type {Case & { resultFile?: string }} */ request) {
      await call?.dispose()
      call = undefined
      const prepared = await prepare(request)
      if ('unable' in prepared) return prepared
      call = prepared
      await call.run()
      const view = call.result()
      if (request.resultFile !== undefined) writeFileSync(request.resultFile, view)
      const start = performance.now()
      await call.run()
      estimate = performance.now() - start
      return { elements: view.length, plan: call.plan }
    },

    async run(/** @type {{ budgetMs: number }} */ { budgetMs }) {
      if (call === undefined) throw new Error('nothing is loaded')
      const repeats = Math.max(1, Math.ceil(sampleMs / Math.max(estimate, 1e-4)))
      // Others have had the caches meanwhile. A call so long that few fit into the budget fills them by itself.
      if (estimate * 4 < budgetMs) await call.run()
      const times = []
      const end = performance.now() + budgetMs
      do {
        const start = performance.now()
        for (let i = 0; i < repeats; i++) {
          const pending = call.run()
          if (pending instanceof Promise) await pending
        }
        times.push((performance.now() - start) / repeats)
      } while (performance.now() < end)
      estimate = Math.min(estimate, ...times)
      return { times }
    },
  })
}
