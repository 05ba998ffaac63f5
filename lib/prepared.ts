import type { PreparedKernel } from './backend/backend.js'
import { allowedKeys, checkChannelVector, epilogueOf, parseOut, parseSignal, readCall } from './call.js'
import { convkitError, list, type AbortSignalLike } from './errors.js'
import { resolveGeometry, splitWeight, weightLayoutSlip, type Geometry, type OperatorKind } from './geometry.js'
import {
  allocate,
  checkData,
  checkDtypes,
  dtypeOf,
  elementCount,
  mayAlias,
  readShape,
  readTensor,
  type Operand,
} from './operand.js'
import { passOf, type Host } from './passes.js'
import { parseFloatArray, readOptions, readOut } from './options.js'
import type { DType, FloatArray } from './problem.js'
import { checkDistinct, deliver, runLater } from './request.js'
import { Tensor, TRUSTED } from './tensor.js'
import type { Prepared } from './types.js'

/** Runtimes without explicit resource management get the symbol that its polyfills use. */
const DISPOSE: symbol = (Symbol as { dispose?: symbol }).dispose ?? Symbol.for('Symbol.dispose')

/** No part of the contract: the benchmark asks which plan a prepared call takes, which may differ from that of `plan`. */
const PLAN = Symbol.for('convkit.plan')

/** Makes `conv2d.prepare` and the like. */
export function makePrepare(name: string, kind: OperatorKind, host: Host) {
  return (weight: unknown, options?: unknown): Prepared => {
    const where = `${name}.prepare`
    const call = readCall(where, kind, options, allowedKeys(kind, true))
    const w = readTensor(where, 'weight', weight)
    const dtype = checkDtypes(where, [w, call.bias, call.slope])
    const sides = splitWeight(where, w.shape, kind, call.weightLayout)
    if (sides.features % call.groups !== 0) {
      throw convkitError(
        'RangeError',
        'ERR_CONVKIT_SHAPE',
        `${where}: groups: expected a divisor of ${sides.features}, the channels of weight ${list(w.shape)}, received ${call.groups}${weightLayoutSlip(kind, undefined, sides, call)}`,
      )
    }
    const outputChannels = kind.transposed ? sides.image * call.groups : sides.features
    checkData(where, 'weight.data', w.data, elementCount(where, 'weight', w.shape), w.shape)
    checkChannelVector(where, call.bias, outputChannels)
    checkChannelVector(where, call.slope, outputChannels)
    const kernel = host.select(call.backend).prepare(passOf(kind, 'forward'), call.algorithm, w.data, epilogueOf(call))
    return makePrepared(`${name}.prepared`, kernel, dtype, (inputShape, caller, argument) =>
      resolveGeometry(caller, kind, inputShape, w.shape, call, dtype, { input: argument }),
    )
  }
}

type Resolve = (inputShape: readonly number[], where: string, argument: string) => Geometry

/** What follows from the shape of an input. */
interface Size extends Geometry {
  readonly inputShape: readonly number[]
  readonly inputElements: number
  readonly outputElements: number
}

/**
 * Wraps a backend's kernel into the callable that `prepare` returns. A small layer takes about a microsecond, so this
 * path is kept short: what follows from the input's shape is kept from call to call, and checks that pass make nothing.
 */
function makePrepared(where: string, kernel: PreparedKernel, dtype: DType, resolve: Resolve): Prepared {
  let disposed = false
  let last: Size | undefined

  /** Servers send inputs of one size: the sizes of the last call are kept. */
  const sizeOf = (shape: readonly number[]): Size => {
    if (last !== undefined && sameShape(last.inputShape, shape)) return last
    const geometry = resolve(shape, where, 'input')
    Object.freeze(geometry.outputShape)
    last = {
      ...geometry,
      inputShape: shape,
      inputElements: elementCount(where, 'input', shape),
      outputElements: elementCount(where, 'the result', geometry.outputShape),
    }
    return last
  }

  const checkInUse = (): void => {
    if (!disposed) return
    throw convkitError('TypeError', 'ERR_CONVKIT_BUFFER', `${where}: expected an operator in use, but it was disposed`)
  }

  /** Runs no code of the caller, some of which may have disposed of the operator meanwhile. */
  const check = (x: Operand, out: FloatArray | undefined, size: Size): void => {
    checkInUse()
    if (x.dtype !== dtype || (out !== undefined && dtypeOf(out) !== dtype)) {
      checkDtypes(where, [{ name: 'weight', dtype }, x, out && { name: 'out', dtype: dtypeOf(out) as DType }])
    }
    checkData(where, 'input.data', x.data, size.inputElements, x.shape)
    if (out === undefined) return
    checkData(where, 'out', out, size.outputElements, size.outputShape)
    checkDistinct(where, out, x)
  }

  const prepared = (input: unknown, options?: unknown): Tensor => {
    checkInUse()
    const given = readOut(where, options)
    const out = given === undefined ? undefined : parseFloatArray(where, 'out', given)
    const x = readTensor(where, 'input', input)
    const size = sizeOf(x.shape)
    check(x, out, size)
    const aliased = out !== undefined && mayAlias(out, x.data)
    const result = out === undefined || aliased ? allocate(where, dtype, size.outputElements) : out
    kernel.run(size.problem, x.data, result)
    return new Tensor(aliased ? deliver(result, out) : result, size.outputShape, TRUSTED, dtype)
  }

  const later = async (input: unknown, options?: unknown): Promise<Tensor> => {
    checkInUse()
    const raw = readOptions(where, options, ['out', 'signal'])
    const [out, signal] = [parseOut(where, raw), parseSignal(where, raw)]
    const x = readTensor(where, 'input', input)
    const size = sizeOf(x.shape)
    check(x, out, size)
    const runAsync = (abort: AbortSignalLike | undefined) => kernel.runAsync(size.problem, x.data, abort)
    return runLater({ where, dtype, shape: size.outputShape, out, signal, runAsync })
  }

  const dispose = (): void => {
    if (!disposed) kernel.dispose()
    disposed = true
  }
  return Object.assign(prepared, {
    async: later,
    outputShape: (inputShape: unknown) => {
      const asked = `${where}.outputShape`
      return resolve(readShape(asked, 'inputShape', inputShape), asked, 'inputShape').outputShape
    },
    dispose,
    [DISPOSE]: dispose,
    [PLAN]: (inputShape: readonly number[]) => kernel.planId(sizeOf(inputShape).problem),
  }) as unknown as Prepared
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false
  return true
}
