// @ts-check
// convkit as a contestant. Which backend it is follows from CONVKIT_BACKEND; threads come as the first argument, and as the
// second `functional`, for forward calls that get plain weights, or `channels-last`, for operands and results in that layout.
import * as convkit from 'convkit'
import { makeData, operatorName, shapes } from '../layers.mjs'
import { inverse, permute } from './permute.mjs'
import { serveCalls } from './serve.mjs'

/** @typedef {import('../types.js').Case} Case */

const [threads = '1', variant] = process.argv.slice(2)
convkit.setThreads(Number(threads))

/**
 * Which axis of the layer's array is axis i of convkit's: channels last, input and output are `[N, ...spatial, C]` and
 * weights `[...k, in, out]`, of a transposed convolution `[...k, out, in]`, since weightLayout follows layout.
 *
 * @param {'input' | 'weight' | 'output'} name
 * @param {number} rank
 */
function axisOrder(name, rank) {
  const spatial = Array.from({ length: rank }, (_, axis) => axis + 2)
  if (variant !== 'channels-last') return [0, 1, ...spatial]
  return name === 'weight' ? [...spatial, 1, 0] : [0, ...spatial, 1]
}

/** @param {Case} job */
function prepare({ layer, pass, dtype }) {
  const operator = /** @type {any} */ (convkit)[operatorName(layer)]
  const { stride, padding, dilation, groups, outputPadding } = layer
  const options = {
    stride,
    padding,
    dilation,
    groups,
    ...(layer.op === 'convTranspose' && { outputPadding }),
    ...(variant === 'channels-last' && { layout: 'channels-last' }),
  }
  const given = shapes(layer)
  const order = (/** @type {keyof typeof given} */ name) => axisOrder(name, layer.input.length)
  const shapeOf = (/** @type {keyof typeof given} */ name) => order(name).map((axis) => given[name][axis])
  const shape = { input: shapeOf('input'), weight: shapeOf('weight'), output: shapeOf('output') }

  const operand = (/** @type {keyof typeof given} */ name) =>
    convkit.tensor(permute(makeData(layer, name, dtype), given[name], order(name)), shape[name])
  const resultName = /** @type {const} */ ({ forward: 'output', gradInput: 'input', gradWeight: 'weight' })[pass]
  const out = convkit.zeros(shape[resultName], dtype).data
  const result = () => permute(out, shape[resultName], inverse(order(resultName)))

  if (pass === 'forward' && variant === 'functional') {
    const { id: plan } = operator.plan(shape.input, shape.weight, { ...options, dtype, pass })
    const input = operand('input')
    const weight = operand('weight')
    const withOut = { ...options, out }
    return { run: () => operator(input, weight, withOut), result, plan, dispose: () => {} }
  }
  if (pass === 'forward') {
    const input = operand('input')
    const prepared = operator.prepare(operand('weight'), options)
    const plan = prepared[Symbol.for('convkit.plan')](shape.input)
    return { run: () => prepared(input, { out }), result, plan, dispose: () => prepared.dispose() }
  }
  const { id: plan } = operator.plan(shape.input, shape.weight, { ...options, dtype, pass })
  const gradOutput = operand('output')
  const withOut = { ...options, out }
  const dispose = () => {}
  if (pass === 'gradInput') {
    const weight = operand('weight')
    return { run: () => operator.gradInput(shape.input, weight, gradOutput, withOut), result, plan, dispose }
  }
  const input = operand('input')
  return { run: () => operator.gradWeight(input, shape.weight, gradOutput, withOut), result, plan, dispose }
}

void serveCalls(prepare, () => convkit.info())
