// @ts-check
// How exact the algorithms are: npm run bench -- --accuracy. Operands are standard normal; some hundred elements of each result
// are computed once more, in float64 (whose error does not count here) and as a plain chain of float32 additions:
//
//     error of an algorithm = RMS(its element − float64) / RMS(float32 chain − float64)
//
// Below 1 it is the more exact one: fused multiply-adds round once where the chain rounds twice.
import { operatorName, product, readLayers, selectLayers, shapes } from './layers.mjs'
import { digits } from './report.mjs'
import { operandsOf, termsOf } from './terms.mjs'

/** @typedef {import('./types.js').Layer} Layer */
/** @typedef {import('./types.js').Pass} Pass */
/** @typedef {{ algorithm: string, chosen: boolean, error: number, limit: number }} Accuracy  chosen: 'auto' takes it */

/**
 * The greatest error that an algorithm may have. Transforms add and subtract before they multiply, which costs digits; they
 * are allowed only where 'auto' stays within this.
 */
export const limitOf = (/** @type {string} */ algorithm) => (['winograd', 'fft'].includes(algorithm) ? 8 : 2)

const samples = 400
/** Long sums are sampled less often. */
const mostTerms = 4e6

/** Numbers between 0 and 1, the same every time. @param {number} seed */
function generator(seed) {
  let state = seed * 0x9e3779b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32 + 2 ** -33
  }
}

/**
 * Box and Muller's pairs of normal numbers.
 *
 * @param {number} size
 * @param {number} seed
 */
export function normalData(size, seed) {
  const random = generator(seed)
  const data = new Float32Array(size)
  for (let i = 0; i < size; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(random()))
    const angle = 2 * Math.PI * random()
    data[i] = radius * Math.cos(angle)
    if (i + 1 < size) data[i + 1] = radius * Math.sin(angle)
  }
  return data
}

/** @param {number[]} errors */
const rms = (errors) => Math.sqrt(errors.reduce((total, error) => total + error * error, 0) / errors.length)

/**
 * @param {any} convkit  the module
 * @param {Layer} layer
 * @param {Pass} pass
 * @returns {{ terms: number, accuracies: Accuracy[] }}  of every algorithm that takes the layer
 */
export function measureAccuracy(convkit, layer, pass) {
  const shape = shapes(layer)
  const [firstName, secondName, resultName] = operandsOf[pass]
  const first = normalData(product(shape[firstName]), 1)
  const second = normalData(product(shape[secondName]), 2)

  // Elements at random, each with its exact value and the error of the chain.
  const random = generator(3)
  const elements = product(shape[resultName])
  /** @type {{ index: number, exact: number, chain: number }[]} */
  const sampled = []
  let terms = 0
  for (let i = 0; i < samples && (i < 50 || terms < mostTerms); i++) {
    const index = Math.floor(random() * elements)
    const pairs = termsOf(layer, pass, index)
    let exact = 0
    let chain = 0
    for (let k = 0; k < pairs.first.length; k++) {
      const [a, b] = [first[pairs.first[k]], second[pairs.second[k]]]
      exact += a * b
      chain = Math.fround(chain + Math.fround(a * b))
    }
    terms += pairs.first.length
    sampled.push({ index, exact, chain })
  }
  const yardstick = rms(sampled.map(({ exact, chain }) => chain - exact))

  const operator = convkit[operatorName(layer)]
  const { stride, padding, dilation, groups, outputPadding } = layer
  const options = { stride, padding, dilation, groups, ...(layer.op === 'convTranspose' && { outputPadding }) }
  const planOf = (/** @type {string} */ algorithm) =>
    operator.plan(shape.input, shape.weight, { ...options, pass, algorithm }).algorithm
  const chosen = planOf('auto')
  const a = convkit.tensor(first, shape[firstName])
  const b = convkit.tensor(second, shape[secondName])
  /** @type {Accuracy[]} */
  const accuracies = []
  for (const algorithm of convkit.info().algorithms) {
    try {
      planOf(algorithm)
    } catch (error) {
      if (/** @type {{ code?: string }} */ (error).code !== 'ERR_CONVKIT_OPTION') throw error
      continue // does not take the layer
    }
    const named = { ...options, algorithm }
    const { data } =
      pass === 'forward'
        ? operator(a, b, named)
        : pass === 'gradInput'
          ? operator.gradInput(shape.input, b, a, named)
          : operator.gradWeight(a, shape.weight, b, named)
    const error = rms(sampled.map(({ index, exact }) => data[index] - exact))
    accuracies.push({
      algorithm,
      chosen: algorithm === chosen,
      error: yardstick === 0 ? (error === 0 ? 0 : Infinity) : error / yardstick,
      limit: limitOf(algorithm),
    })
  }
  return { terms: Math.round(terms / sampled.length), accuracies }
}

/** A transform that is only taken by name may be less exact. @param {Accuracy} accuracy */
export const isBroken = ({ algorithm, chosen, error, limit }) =>
  !(error <= limit) && (chosen || limitOf(algorithm) === 2)

/**
 * @param {import('./options.mjs').Options} options
 * @returns {Promise<boolean>} whether all keep within their bounds
 */
export async function accuracy({ words, passes }) {
  const convkit = await import('convkit')
  const layers = selectLayers(readLayers(), words)
  console.log(
    `RMS error against float64, of that of a float32 chain of the same terms (convkit ${convkit.info().isa}).`,
  )
  console.log(`* is what 'auto' takes; at most ${limitOf('direct')}, winograd and fft ${limitOf('winograd')}.\n`)
  console.log(`${'layer'.padEnd(17)}${'pass'.padEnd(11)}${'terms'.padStart(9)}`)
  let broken = 0
  for (const pass of passes) {
    for (const layer of layers) {
      const { terms, accuracies } = measureAccuracy(convkit, layer, pass)
      const cells = accuracies.map((entry) => {
        if (isBroken(entry)) broken++
        const mark = isBroken(entry) ? ' BROKEN' : ''
        return `  ${entry.algorithm}${entry.chosen ? '*' : ''} ${digits(entry.error)}${mark}`.padEnd(18)
      })
      console.log(`${layer.name.padEnd(17)}${pass.padEnd(11)}${String(terms).padStart(9)}${cells.join('').trimEnd()}`)
    }
  }
  console.log(`\n${broken === 0 ? 'all within their bounds' : `${broken} beyond their bound`}`)
  return broken === 0
}
