import { parseExecution, parseLayout } from './call.js'
import { spatialRank, splitShape } from './geometry.js'
import { checkData, checkDtypes, dtypeOf, elementCount, readTensor, type TensorLike } from './operand.js'
import type { Host } from './passes.js'
import { readOptions, type OptionKey } from './options.js'
import type { DType } from './problem.js'
import { checkOut, runLater, runNow, type Request } from './request.js'
import type { Tensor } from './tensor.js'
import type { AsyncOptions, GradBiasOptions } from './types.js'

const KEYS: readonly OptionKey[] = ['layout', 'backend', 'out']

function biasRequest(host: Host, gradOutput: unknown, options: unknown, allowed: readonly OptionKey[]): Request {
  const where = 'gradBias'
  const raw = readOptions(where, options, allowed)
  const layout = parseLayout(where, raw)
  const { out, backend: wanted, signal } = parseExecution(where, raw)
  const dy = readTensor(where, 'gradOutput', gradOutput)
  const dtype = checkDtypes(where, [dy, out && { name: 'out', dtype: dtypeOf(out) as DType }])
  const rank = spatialRank(where, 'gradOutput', dy.shape, ', batch included')
  const { batch, channels, spatial } = splitShape(where, 'gradOutput', dy.shape, rank, layout)
  checkData(where, 'gradOutput.data', dy.data, elementCount(where, 'gradOutput', dy.shape), dy.shape)
  checkOut(where, out, [channels], [dy])
  const problem = { batch, channels, positions: spatial.reduce((a, b) => a * b, 1), layout }
  const backend = host.select(wanted)
  return {
    where,
    dtype,
    shape: [channels],
    out,
    operands: [dy.data],
    signal,
    run: (result) => {
      backend.biasGradient(problem, dy.data, result)
    },
    runAsync: (abort) => backend.biasGradientAsync(problem, dy.data, abort),
  }
}

/**
 * The gradient with respect to the bias, of every operator alike: `gradOutput` summed over batch and positions.
 * @param gradOutput - batched, rank 3 to 5, in `layout`
 * @returns shape `[channels]`
 */
export type GradBias = (gradOutput: TensorLike, options?: GradBiasOptions) => Tensor

/** {@link GradBias} off the calling thread. */
export type AsyncGradBias = (gradOutput: TensorLike, options?: GradBiasOptions & AsyncOptions) => Promise<Tensor>

export function makeGradBias(host: Host): GradBias {
  return function gradBias(gradOutput, options) {
    return runNow(biasRequest(host, gradOutput, options, KEYS))
  }
}

export function makeAsyncGradBias(host: Host): AsyncGradBias {
  return async function gradBias(gradOutput, options) {
    return runLater(biasRequest(host, gradOutput, options, [...KEYS, 'signal']))
  }
}
