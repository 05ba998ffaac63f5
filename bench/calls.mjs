// @ts-check
// One layer as a call of convkit, whichever build or algorithm; and several such calls by turns in this process.
import { permute, inverse } from './contestants/permute.mjs'
import { makeData, operatorName, shapes } from './layers.mjs'
import { median } from './statistics.mjs'

/** @typedef {import('./types.js').Case} Case */
/** @typedef {'functional' | 'channels-last'} Variant  forward calls that get plain weights; operands and results in that layout */

const sampleMs = 1.5

/**
 * Which axis of the layer's array is axis i of convkit's: channels last, input and output are `[N, ...spatial, C]` and
 * weights `[...k, in, out]`, of a transposed convolution `[...k, out, in]`, since weightLayout follows layout.
 *
 * @param {'input' | 'weight' | 'output'} name
 * @param {number} rank
 * @param {Variant} [variant]
 */
function axisOrder(name, rank, variant) {
  const spatial = Array.from({ length: rank }, (_, axis) => axis + 2)
  if (variant !== 'channels-last') return [0, 1, ...spatial]
  return name === 'weight' ? [...spatial, 1, 0] : [0, ...spatial, 1]
}

/**
 * Weights are prepared, unless the variant says otherwise, and the result goes into `out`.
 *
 * @param {any} convkit  the module
 * @param {Case} job
 * @param {Variant} [variant]
 * @param {string} [algorithm]
 * @returns {{ run: () => unknown, result: () => Float32Array | Float64Array, plan: string, dispose: () => void }}
 */
export function makeCall(convkit, { layer, pass, dtype }, variant, algorithm) {
  const operator = convkit[operatorName(layer)]
  const { stride, padding, dilation, groups, outputPadding } = layer
  const options = {
    stride,
    padding,
    dilation,
    groups,
    ...(layer.op === 'convTranspose' && { outputPadding }),
    ...(variant === 'channels-last' && { layout: 'channels-last' }),
    ...(algorithm !== undefined && { algorithm }),
  }
  const given = shapes(layer)
  const order = (/** @type {keyof typeof given} */ name) => axisOrder(name, layer.input.length, variant)
  const shapeOf = (/** @type {keyof typeof given} */ name) => order(name).map((axis) => given[name][axis])
  const shape = { input: shapeOf('input'), weight: shapeOf('weight'), output: shapeOf('output') }

  const operand = (/** @type {keyof typeof given} */ name) =>
    convkit.tensor(permute(makeData(layer, name, dtype), given[name], order(name)), shape[name])
  const resultName = /** @type {const} */ ({ forward: 'output', gradInput: 'input', gradWeight: 'weight' })[pass]
  const out = convkit.zeros(shape[resultName], dtype).data
  const result = () => permute(out, shape[resultName], inverse(order(resultName)))

  if (pass === 'forward' && variant !== 'functional') {
    const input = operand('input')
    const prepared = operator.prepare(operand('weight'), options)
    const plan = prepared[Symbol.for('convkit.plan')](shape.input)
    return { run: () => prepared(input, { out }), result, plan, dispose: () => prepared.dispose() }
  }
  const { id: plan } = operator.plan(shape.input, shape.weight, { ...options, dtype, pass })
  const withOut = { ...options, out }
  const dispose = () => {}
  if (pass === 'forward') {
    const input = operand('input')
    const weight = operand('weight')
    return { run: () => operator(input, weight, withOut), result, plan, dispose }
  }
  const gradOutput = operand('output')
  if (pass === 'gradInput') {
    const weight = operand('weight')
    return { run: () => operator.gradInput(shape.input, weight, gradOutput, withOut), result, plan, dispose }
  }
  const input = operand('input')
  return { run: () => operator.gradWeight(input, shape.weight, gradOutput, withOut), result, plan, dispose }
}

/** Milliseconds of one call. @param {() => unknown} run */
export function timeOnce(run) {
  const begin = performance.now()
  run()
  return performance.now() - begin
}

/**
 * Milliseconds a call: medians of interleaved rounds, whose order turns round. Each sample takes some 1.5 ms.
 *
 * @param {readonly (() => unknown)[]} runs
 * @param {number} rounds
 */
export function timeByTurns(runs, rounds) {
  for (const run of runs) run() // the first call makes plans and touches memory
  const contests = runs.map((run) => ({
    run,
    calls: Math.max(1, Math.min(1000, Math.round(sampleMs / timeOnce(run)))),
    times: /** @type {number[]} */ ([]),
  }))
  for (let round = 0; round < rounds; round++) {
    for (const { run, calls, times } of round % 2 === 0 ? contests : contests.toReversed()) {
      const begin = performance.now()
      for (let call = 0; call < calls; call++) run()
      times.push((performance.now() - begin) / calls)
    }
  }
  return contests.map(({ times }) => median(times))
}
