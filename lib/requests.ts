/**
 * From arguments to a request: options, then operands, then sizes, then lengths. One function per thing that can be
 * asked for; each reads top to bottom.
 */

import type { Epilogue, PassOperands } from './backend/backend.js'
import { checkChannelVector, epilogueOf, readCall, type CallOptions } from './call.js'
import { convkitError, list } from './errors.js'
import { resolveGeometry, type Geometry, type OperatorKind } from './geometry.js'
import { checkData, checkDtypes, dtypeOf, elementCount, readShape, readTensor, type Operand } from './operand.js'
import type { OptionKey } from './options.js'
import { passOf, type Asked, type Host } from './passes.js'
import type { DType, FloatArray } from './problem.js'
import { checkOut, type Request } from './request.js'

/** Who is called. */
export interface Caller {
  readonly where: string
  readonly kind: OperatorKind
  readonly host: Host
  /** The option keys that it takes. */
  readonly allowed: readonly OptionKey[]
}

/** dtype of the call; `out` counts as an operand. */
function dtypeOfCall(where: string, operands: readonly Operand[], { bias, slope, out }: CallOptions): DType {
  const named = out && { name: 'out', dtype: dtypeOf(out) as DType }
  return checkDtypes(where, [...operands, bias, slope, named])
}

/** Input and output of an operator are image and features of its direct convolution, or the other way round. */
function passOperandsOf(
  { transposed }: OperatorKind,
  input: FloatArray | undefined,
  output: FloatArray | undefined,
  weights?: FloatArray,
  epilogue?: Epilogue,
): PassOperands {
  const [image, features] = transposed ? [output, input] : [input, output]
  return { image, features, weights, epilogue }
}

export function forwardRequest(caller: Caller, input: unknown, weight: unknown, options: unknown): Request {
  const { where, kind, allowed } = caller
  const call = readCall(where, kind, options, allowed)
  const x = readTensor(where, 'input', input)
  const w = readTensor(where, 'weight', weight)
  const dtype = dtypeOfCall(where, [x, w], call)
  const geometry = resolveGeometry(where, kind, x.shape, w.shape, call, dtype)
  const passOperands = passOperandsOf(kind, x.data, undefined, w.data, epilogueOf(call))
  return makeRequest(caller, call, 'forward', geometry, [x, w], passOperands, geometry.outputShape)
}

export function gradInputRequest(
  caller: Caller,
  inputShape: unknown,
  weight: unknown,
  gradOutput: unknown,
  options: unknown,
): Request {
  const { where, kind, allowed } = caller
  const call = readCall(where, kind, options, allowed)
  const shape = readShape(where, 'inputShape', inputShape)
  const w = readTensor(where, 'weight', weight)
  const dy = readTensor(where, 'gradOutput', gradOutput)
  const dtype = dtypeOfCall(where, [w, dy], call)
  const geometry = resolveGeometry(where, kind, shape, w.shape, call, dtype, { input: 'inputShape' })
  checkGradOutput(where, dy, geometry)
  const passOperands = passOperandsOf(kind, undefined, dy.data, w.data)
  return makeRequest(caller, call, 'gradInput', geometry, [w, dy], passOperands, shape)
}

export function gradWeightRequest(
  caller: Caller,
  input: unknown,
  weightShape: unknown,
  gradOutput: unknown,
  options: unknown,
): Request {
  const { where, kind, allowed } = caller
  const call = readCall(where, kind, options, allowed)
  const x = readTensor(where, 'input', input)
  const shape = readShape(where, 'weightShape', weightShape)
  const dy = readTensor(where, 'gradOutput', gradOutput)
  const dtype = dtypeOfCall(where, [x, dy], call)
  const geometry = resolveGeometry(where, kind, x.shape, shape, call, dtype, { weight: 'weightShape' })
  checkGradOutput(where, dy, geometry)
  const passOperands = passOperandsOf(kind, x.data, dy.data)
  return makeRequest(caller, call, 'gradWeight', geometry, [x, dy], passOperands, shape)
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

/** What all three have in common once operands and sizes are known. From here on nothing of the caller's runs. */
function makeRequest(
  { where, kind, host }: Caller,
  call: CallOptions,
  asked: Asked,
  geometry: Geometry,
  operands: readonly Operand[],
  passOperands: PassOperands,
  shape: readonly number[],
): Request {
  const { problem } = geometry
  for (const { name, data, shape: stated } of operands) {
    checkData(where, `${name}.data`, data, elementCount(where, name, stated), stated)
  }
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
    operands:
      call.out === undefined ? [] : [...operands, call.bias, call.slope].flatMap((operand) => operand?.data ?? []),
    signal: call.signal,
    run: (out) => {
      backend.run(pass, problem, call.algorithm, passOperands, out)
    },
    runAsync: (signal) => backend.runAsync(pass, problem, call.algorithm, passOperands, signal),
  }
}
