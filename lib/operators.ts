/**
 * The six operators, and their members. conv and convTranspose are one function: which pass over the direct convolution a
 * call is stands in passes.ts, how arguments become a request in requests.ts.
 */

import { allowedKeys, checkChannelVector, parseCall, readCall, type CallOptions } from './call.js'
import { countFlops, resolveGeometry, type Geometry, type OperatorKind } from './geometry.js'
import { checkDtypes, dtypeOf, readShape } from './operand.js'
import { parseWord, readOptions, type OptionKey } from './options.js'
import { operatorName, passOf, type Host } from './passes.js'
import { makePrepare } from './prepared.js'
import type { DType } from './problem.js'
import { checkOut, runLater, runNow } from './request.js'
import { forwardRequest, gradInputRequest, gradWeightRequest, type Caller } from './requests.js'
import type { AsyncOperator, Operator, Plan } from './types.js'

/** Every forward option is taken and checked, those without influence on the shape too. */
function describeCall(
  where: string,
  kind: OperatorKind,
  call: CallOptions,
  inputShape: unknown,
  weightShape: unknown,
  dtype: DType | undefined,
): Geometry {
  const shape = readShape(where, 'inputShape', inputShape)
  const weight = readShape(where, 'weightShape', weightShape)
  const asked = dtype && { name: 'dtype', dtype }
  const { bias, slope, out } = call
  const named = out && { name: 'out', dtype: dtypeOf(out) as DType }
  const common = checkDtypes(where, [asked, bias, slope, named])
  const geometry = resolveGeometry(where, kind, shape, weight, call, common, {
    input: 'inputShape',
    weight: 'weightShape',
  })
  checkChannelVector(where, bias, geometry.outputChannels)
  checkChannelVector(where, slope, geometry.outputChannels)
  checkOut(where, out, geometry.outputShape, [bias, slope])
  return geometry
}

function plan(
  { where, host, kind, allowed }: Caller,
  inputShape: unknown,
  weightShape: unknown,
  options: unknown,
): Plan {
  const raw = readOptions(where, options, allowed)
  const call = parseCall(where, kind, raw)
  const dtype = parseWord(where, 'dtype', raw.get('dtype') ?? 'float32', ['float32', 'float64'])
  const asked = parseWord(where, 'pass', raw.get('pass') ?? 'forward', ['forward', 'gradInput', 'gradWeight'])
  const { problem, outputShape } = describeCall(where, kind, call, inputShape, weightShape, dtype)
  const details = host.select(call.backend).plan(passOf(kind, asked), problem, call.algorithm)
  return { ...details, flops: countFlops(problem), outputShape }
}

/** Makes `conv2d` and the like, with its members. */
export function makeOperator<F, G>(kind: OperatorKind, host: Host): Operator<F, G> {
  const name = operatorName(kind)
  const as = (where: string, allowed: readonly OptionKey[]): Caller => ({ where, kind, host, allowed })
  const [forwardKeys, gradientKeys] = [allowedKeys(kind, true, 'out'), allowedKeys(kind, false, 'out')]
  const forward = as(name, forwardKeys)
  const gradInput = as(`${name}.gradInput`, gradientKeys)
  const gradWeight = as(`${name}.gradWeight`, gradientKeys)
  const outputShape = as(`${name}.outputShape`, forwardKeys)
  const planning = as(`${name}.plan`, [...forwardKeys, 'dtype', 'pass'])
  const operator = (input: unknown, weight: unknown, options?: unknown) =>
    runNow(forwardRequest(forward, input, weight, options))
  return withMembers(name, operator, {
    gradInput: (inputShape: unknown, weight: unknown, gradOutput: unknown, options?: unknown) =>
      runNow(gradInputRequest(gradInput, inputShape, weight, gradOutput, options)),
    gradWeight: (input: unknown, weightShape: unknown, gradOutput: unknown, options?: unknown) =>
      runNow(gradWeightRequest(gradWeight, input, weightShape, gradOutput, options)),
    outputShape: (inputShape: unknown, weightShape: unknown, options?: unknown) => {
      const call = readCall(outputShape.where, kind, options, outputShape.allowed)
      return describeCall(outputShape.where, kind, call, inputShape, weightShape, undefined).outputShape
    },
    plan: (inputShape: unknown, weightShape: unknown, options?: unknown) =>
      plan(planning, inputShape, weightShape, options),
    prepare: makePrepare(name, kind, host),
  }) as Operator<F, G>
}

/** Makes the members of `convkit/promises`. Each is an async function: what is thrown inside rejects. */
export function makeAsyncOperator<F, G>(kind: OperatorKind, host: Host): AsyncOperator<F, G> {
  const name = operatorName(kind)
  const as = (where: string, takesForward: boolean): Caller => {
    return { where, kind, host, allowed: allowedKeys(kind, takesForward, 'out', 'signal') }
  }
  const forward = as(name, true)
  const gradInput = as(`${name}.gradInput`, false)
  const gradWeight = as(`${name}.gradWeight`, false)
  const operator = async (input: unknown, weight: unknown, options?: unknown) =>
    runLater(forwardRequest(forward, input, weight, options))
  return withMembers(name, operator, {
    gradInput: async (inputShape: unknown, weight: unknown, gradOutput: unknown, options?: unknown) =>
      runLater(gradInputRequest(gradInput, inputShape, weight, gradOutput, options)),
    gradWeight: async (input: unknown, weightShape: unknown, gradOutput: unknown, options?: unknown) =>
      runLater(gradWeightRequest(gradWeight, input, weightShape, gradOutput, options)),
  }) as AsyncOperator<F, G>
}

/** Gives a function its public name and members. */
function withMembers(name: string, operator: object, members: object): unknown {
  return Object.assign(Object.defineProperty(operator, 'name', { value: name }), members)
}
