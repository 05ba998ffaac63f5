// @ts-check
// How well the planner chooses: npm run bench -- --planner. Random layers of moderate size (always the same ones), each by
// every algorithm that takes it; prints those for which another algorithm than that of 'auto' is clearly faster. Weights are
// prepared. 'auto' asks more of winograd than to be a little faster, as it is less accurate.
import * as convkit from 'convkit'
import { makeCall, timeByTurns, timeOnce } from './calls.mjs'
import { flops, operatorName, product, readLayers, selectLayers, shapes } from './layers.mjs'
import { quantile } from './statistics.mjs'

/** @typedef {import('./types.js').Case} Case */
/** @typedef {import('./types.js').Layer} Layer */
/** @typedef {{ algorithm: string, plan: string, run: () => unknown, first: number, ms: number }} Entrant */

const randomLayers = 200
const slowest = 6 // times the fastest algorithm: not measured again
const worthTelling = 1.25

/** A linear congruential generator; its low bits are poor, so they are divided away. */
class Dice {
  #state = 1
  next() {
    this.#state = (Math.imul(this.#state, 1103515245) + 12345) & 0x7fffffff
    return this.#state / 0x80000000
  }
  /** @template T @param {readonly T[]} values @returns {T} */
  pick(values) {
    return values[Math.floor(this.next() * values.length)]
  }
}

/** @param {Dice} dice @returns {Layer} */
function drawLayer(dice) {
  const rank = dice.pick([1, 1, 2, 2, 2, 3])
  const op = dice.next() < 0.35 ? 'convTranspose' : 'conv'
  const channels = [1, 2, 3, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 512]
  const inChannels = dice.pick(channels)
  const depthwise = dice.next() < 0.12
  const outChannels = depthwise ? inChannels : dice.pick(channels)
  const inFours = inChannels % 4 === 0 && outChannels % 4 === 0 && dice.next() < 0.1
  const size = dice.pick(
    [
      [32, 100, 256, 1000, 4000, 16000],
      [4, 7, 8, 14, 16, 28, 32, 56, 64, 112, 128],
      [4, 8, 12, 16, 24],
    ][rank - 1],
  )
  const tap = dice.pick(
    [
      [2, 3, 3, 4, 5, 7, 9, 11, 15, 16, 31, 64],
      [1, 2, 3, 3, 3, 4, 5, 7, 9, 11],
      [1, 2, 3, 3, 4],
    ][rank - 1],
  )
  const stride = dice.pick(op === 'conv' ? [1, 1, 1, 2, 2, 3, 4] : [1, 2, 2, 3, 4, 8])
  const dilation = stride === 1 && dice.next() < 0.25 ? dice.pick([2, 3, 4, 6]) : 1
  const padding = Math.floor(((tap - 1) * dilation) / 2)
  const groups = depthwise ? inChannels : inFours ? 4 : 1
  const batch = dice.pick([1, 1, 1, 4])
  const every = (/** @type {number} */ value) => Array.from({ length: rank }, () => value)
  return {
    name: `${inChannels}→${outChannels}${groups > 1 ? ` g${groups}` : ''} ${every(size).join('×')} k${tap}s${stride}d${dilation} n${batch}`,
    op,
    batch,
    inChannels,
    outChannels,
    input: every(size),
    kernel: every(tap),
    stride: every(stride),
    padding: every(padding),
    dilation: every(dilation),
    groups,
  }
}

/** Not too small to be timed, nor too large to be waited for. @param {Layer} layer */
function isModerate(layer) {
  const { output } = shapes(layer)
  const sizes = output.every((extent) => extent > 0) && product(output) < 8e6
  return sizes && flops(layer) > 1e5 && flops(layer) < 1.5e9
}

/** @param {Case} job @param {string} algorithm @returns {Entrant | undefined} nothing where the algorithm refuses */
function enter(job, algorithm) {
  try {
    const { run, plan } = makeCall(convkit, job, undefined, algorithm)
    return { algorithm, plan, run, first: timeOnce(run), ms: 0 }
  } catch (error) {
    if (algorithm === 'auto') throw error
    return undefined
  }
}

/** @param {import('./options.mjs').Options} options */
export function judgePlanner({ layers: file, words, passes, dtype, rounds }) {
  convkit.setThreads(1)
  const dice = new Dice()
  const random = () => {
    for (;;) {
      const layer = drawLayer(dice)
      if (isModerate(layer)) return layer
    }
  }
  const layers = selectLayers(
    file === undefined ? Array.from({ length: randomLayers }, random) : readLayers(file),
    words,
  )
  for (const pass of passes) {
    const regrets = /** @type {number[]} */ ([])
    for (const layer of layers) {
      const algorithms = ['auto', ...convkit.info().algorithms]
      const entered = algorithms
        .map((algorithm) => enter({ layer, pass, dtype }, algorithm))
        .filter((one) => one !== undefined)
      const least = Math.min(...entered.map(({ first }) => first))
      const entrants = entered.filter(
        ({ algorithm, plan, first }) => algorithm === 'auto' || (plan !== entered[0].plan && first < slowest * least),
      )
      const times = timeByTurns(
        entrants.map(({ run }) => run),
        rounds,
      )
      for (const [i, entrant] of entrants.entries()) entrant.ms = times[i]
      const [auto] = entrants
      const best = entrants.reduce((a, b) => (b.ms < a.ms ? b : a))
      regrets.push(auto.ms / best.ms)
      if (auto.ms < worthTelling * best.ms) continue
      const factor = `×${(auto.ms / best.ms).toFixed(2)}`
      console.log(`${factor.padEnd(7)}${pass.padEnd(11)}${operatorName(layer)} ${layer.name}`)
      for (const { plan, ms } of [auto, best]) console.log(`       ${ms.toPrecision(3).padStart(8)} ms  ${plan}`)
    }
    const share = (/** @type {number} */ fraction) => `×${quantile(regrets, fraction).toFixed(2)}`
    console.log(
      `${pass}: ${layers.length} layers, time of 'auto' over the least: median ${share(0.5)}, 90 % ${share(0.9)}, most ${share(1)}`,
    )
  }
}
