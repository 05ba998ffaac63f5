/**
 * The six operators. conv and convTranspose are one function: both have a direct convolution behind them, and differ
 * only in which pass over it a call is.
 *
 *     asked for     conv             convTranspose
 *     forward       forward          adjoint
 *     gradInput     adjoint          forward
 *     gradWeight    weightGradient   weightGradient, image and features exchanged
 */

import type { Backend, PassOperands } from './backend/backend.js'
import {
  allowedKeys,
  checkChannelVector,
  epilogueOf,
  parseCall,
  readCall,
  type BackendOption,
  type CallOptions,
} from './call.js'
import { convkitError, list } from './errors.js'
import { countFlops, resolveGeometry, type Geometry, type OperatorKind } from './geometry.js'
import { checkData, checkDtypes, dtypeOf, elementCount, readShape, readTensor, type Operand } from './operand.js'
import { parseWord, readOptions } from './options.js'
import { makePrepare } from './prepared.js'
import type { DType, Pass } from './problem.js'
import { checkOut, runLater, runNow, type Request } from './request.js'
import type { AsyncOperator, Operator, Plan } from './types.js'

/** What an entry point of the package brings along: how a backend is chosen. */
export interface Host {
  /** @throws Error `ERR_CONVKIT_BACKEND` */
  select(option: BackendOption | undefined): Backend
}

type Asked = 'forward' | 'gradInput' | 'gradWeight'

const PASSES: Readonly<Record<Asked, readonly [conv: Pass, transposed: Pass]>> = {
  forward: ['forward', 'adjoint'],
  gradInput: ['adjoint', 'forward'],
  gradWeight: ['weightGradient', 'weightGradient'],
}

export function passOf(kind: OperatorKind, asked: Asked): Pass {
  return PASSES[asked][kind.transposed ? 1 : 0]
}

export function operatorName({ transposed, rank }: OperatorKind): string {
  return `${transposed ? 'convTranspose' : 'conv'}${rank}d`
}

/** Throws unless every operand holds what its shape says. From here on nothing of the caller's runs. */
function checkOperands(where: string, operands: readonly Operand[]): void {
  for (const { name, data, shape } of operands) {
    checkData(where, `${name}.data`, data, elementCount(where, name, shape), shape)
  }
}

/** What forward and gradients have in common once operands and sizes are known. */
function makeRequest(
  where: string,
  host: Host,
  call: CallOptions,
  kind: OperatorKind,
  asked: Asked,
  geometry: Geometry,
  operands: readonly Operand[],
  passOperands: PassOperands,
  shape: readonly number[],
): Request {
  const { problem } = geometry
  checkOperands(where, operands)
  checkChannelVector(where, call.bias, geometry.outputChannels)
  checkChannelVector(where, call.slope, geometry.outputChannels)
  checkOut(where, call.out, shape, [...operands, call.bias, call.slope])
  const backend = host.select(call.backend)
  const pass = passOf(kind, asked)
  return {
    where,
    dtype: problem.dtype,
    shape,
    out: call.out,
    signal: call.signal,
    run: (out) => {
      backend.run(pass, problem, call.algorithm, passOperands, out)
    },
    runAsync: (signal) => backend.runAsync(pass, problem, call.algorithm, passOperands, signal),
  }
}

/** dtype of the call; `out` counts as an operand. */
function dtypeOfCall(where: string, operands: readonly Operand[], { bias, slope, out }: CallOptions): DType {
  const named = out && { name: 'out', dtype: dtypeOf(out) as DType }
  return checkDtypes(where, [...operands, bias, slope, named])
}

function forwardRequest(
  where: string,
  host: Host,
  kind: OperatorKind,
  asynchronous: boolean,
  input: unknown,
  weight: unknown,
  options: unknown,
): Request {
  const call = readCall(
    where,
    kind,
    options,
    allowedKeys(kind, true, 'out', ...(asynchronous ? (['signal'] as const) : [])),
  )
  const x = readTensor(where, 'input', input)
  const w = readTensor(where, 'weight', weight)
  const dtype = dtypeOfCall(where, [x, w], call)
  const geometry = resolveGeometry(where, kind, x.shape, w.shape, call, dtype)
  const passOperands = { [kind.transposed ? 'features' : 'image']: x.data, weights: w.data, epilogue: epilogueOf(call) }
  return makeRequest(where, host, call, kind, 'forward', geometry, [x, w], passOperands, geometry.outputShape)
}

function checkGradOutput(where: string, gradOutput: Operand, { outputShape }: Geometry): void {
  if (
    gradOutput.shape.length !== outputShape.length ||
    gradOutput.shape.some((extent, axis) => extent !== outputShape[axis])
  ) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_SHAPE',
      `${where}: gradOutput: expected shape ${list(outputShape)}, the shape of the output, received ${list(gradOutput.shape)}`,
    )
  }
}

function gradInputRequest(
  where: string,
  host: Host,
  kind: OperatorKind,
  asynchronous: boolean,
  inputShape: unknown,
  weight: unknown,
  gradOutput: unknown,
  options: unknown,
): Request {
  const call = readCall(
    where,
    kind,
    options,
    allowedKeys(kind, false, 'out', ...(asynchronous ? (['signal'] as const) : [])),
  )
  const shape = readShape(where, 'inputShape', inputShape)
  const w = readTensor(where, 'weight', weight)
  const dy = readTensor(where, 'gradOutput', gradOutput)
  const dtype = dtypeOfCall(where, [w, dy], call)
  const geometry = resolveGeometry(where, kind, shape, w.shape, call, dtype, { input: 'inputShape' })
  checkGradOutput(where, dy, geometry)
  const passOperands = { [kind.transposed ? 'image' : 'features']: dy.data, weights: w.data }
  return makeRequest(where, host, call, kind, 'gradInput', geometry, [w, dy], passOperands, shape)
}

function gradWeightRequest(
  where: string,
  host: Host,
  kind: OperatorKind,
  asynchronous: boolean,
  input: unknown,
  weightShape: unknown,
  gradOutput: unknown,
  options: unknown,
): Request {
  const call = readCall(
    where,
    kind,
    options,
    allowedKeys(kind, false, 'out', ...(asynchronous ? (['signal'] as const) : [])),
  )
  const x = readTensor(where, 'input', input)
  const shape = readShape(where, 'weightShape', weightShape)
  const dy = readTensor(where, 'gradOutput', gradOutput)
  const dtype = dtypeOfCall(where, [x, dy], call)
  const geometry = resolveGeometry(where, kind, x.shape, shape, call, dtype, { weight: 'weightShape' })
  checkGradOutput(where, dy, geometry)
  const passOperands = kind.transposed ? { image: dy.data, features: x.data } : { image: x.data, features: dy.data }
  return makeRequest(where, host, call, kind, 'gradWeight', geometry, [x, dy], passOperands, shape)
}

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
  where: string,
  host: Host,
  kind: OperatorKind,
  inputShape: unknown,
  weightShape: unknown,
  options: unknown,
): Plan {
  const raw = readOptions(where, options, allowedKeys(kind, true, 'out', 'dtype', 'pass'))
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
  const operator = (input: unknown, weight: unknown, options?: unknown) =>
    runNow(forwardRequest(name, host, kind, false, input, weight, options))
  return withMembers(name, operator, {
    gradInput: (inputShape: unknown, weight: unknown, gradOutput: unknown, options?: unknown) =>
      runNow(gradInputRequest(`${name}.gradInput`, host, kind, false, inputShape, weight, gradOutput, options)),
    gradWeight: (input: unknown, weightShape: unknown, gradOutput: unknown, options?: unknown) =>
      runNow(gradWeightRequest(`${name}.gradWeight`, host, kind, false, input, weightShape, gradOutput, options)),
    outputShape: (inputShape: unknown, weightShape: unknown, options?: unknown) => {
      const where = `${name}.outputShape`
      const call = readCall(where, kind, options, allowedKeys(kind, true, 'out'))
      return describeCall(where, kind, call, inputShape, weightShape, undefined).outputShape
    },
    plan: (inputShape: unknown, weightShape: unknown, options?: unknown) =>
      plan(`${name}.plan`, host, kind, inputShape, weightShape, options),
    prepare: makePrepare(name, kind, host),
  }) as Operator<F, G>
}

/** Makes the members of `convkit/promises`. Each is an async function: what is thrown inside rejects. */
export function makeAsyncOperator<F, G>(kind: OperatorKind, host: Host): AsyncOperator<F, G> {
  const name = operatorName(kind)
  const operator = async (input: unknown, weight: unknown, options?: unknown) =>
    runLater(forwardRequest(name, host, kind, true, input, weight, options))
  return withMembers(name, operator, {
    gradInput: async (inputShape: unknown, weight: unknown, gradOutput: unknown, options?: unknown) =>
      runLater(gradInputRequest(`${name}.gradInput`, host, kind, true, inputShape, weight, gradOutput, options)),
    gradWeight: async (input: unknown, weightShape: unknown, gradOutput: unknown, options?: unknown) =>
      runLater(gradWeightRequest(`${name}.gradWeight`, host, kind, true, input, weightShape, gradOutput, options)),
  }) as AsyncOperator<F, G>
}

/** Gives a function its public name and members. */
function withMembers(name: string, operator: object, members: object): unknown {
  return Object.assign(Object.defineProperty(operator, 'name', { value: name }), members)
}
