// @ts-check
// convkit as a contestant. Which backend it is follows from CONVKIT_BACKEND; threads come as the first argument, and as the
// second `functional`, for forward calls that get plain weights.
import * as convkit from 'convkit'
import { makeData, operatorName, shapes } from '../layers.mjs'
import { serveCalls } from './serve.mjs'

/** @typedef {import('../types.js').Case} Case */

convkit.setThreads(Number(process.argv[2] ?? 1))

/** @param {Case} job */
function prepare({ layer, pass, dtype }) {
  const operator = /** @type {any} */ (convkit)[operatorName(layer)]
  const { stride, padding, dilation, groups, outputPadding } = layer
  const options = { stride, padding, dilation, groups, ...(layer.op === 'convTranspose' && { outputPadding }) }
  const shape = shapes(layer)

  const operand = (/** @type {'input' | 'weight' | 'output'} */ name) =>
    convkit.tensor(makeData(layer, name, dtype), shape[name])
  const resultShape = { forward: shape.output, gradInput: shape.input, gradWeight: shape.weight }[pass]
  const out = convkit.zeros(resultShape, dtype).data
  const result = () => out

  if (pass === 'forward' && process.argv[3] === 'functional') {
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
