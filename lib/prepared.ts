import type { PreparedKernel } from './backend/backend.js'
import { allowedKeys, checkChannelVector, epilogueOf, parseOut, parseSignal, readCall } from './call.js'
import { convkitError, list } from './errors.js'
import { resolveGeometry, splitWeight, type Geometry, type OperatorKind } from './geometry.js'
import { checkData, checkDtypes, dtypeOf, elementCount, readShape, readTensor } from './operand.js'
import { passOf, type Host } from './passes.js'
import { readOptions, type OptionKey } from './options.js'
import type { DType } from './problem.js'
import { checkOut, runLater, runNow, type Request } from './request.js'
import type { Prepared } from './types.js'

/** Runtimes without explicit resource management get the symbol that its polyfills use. */
const DISPOSE: symbol = (Symbol as { dispose?: symbol }).dispose ?? Symbol.for('Symbol.dispose')

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
        `${where}: groups: expected a divisor of ${sides.features}, the channels of weight ${list(w.shape)}, received ${call.groups}`,
      )
    }
    const outputChannels = kind.transposed ? sides.image * call.groups : sides.features
    checkData(where, 'weight.data', w.data, elementCount(where, 'weight', w.shape), w.shape)
    checkChannelVector(where, call.bias, outputChannels)
    checkChannelVector(where, call.slope, outputChannels)
    const kernel = host.select(call.backend).prepare(passOf(kind, 'forward'), call.algorithm, w.data, epilogueOf(call))
    return makePrepared(`${name}.prepared`, kernel, (inputShape, caller, argument) =>
      resolveGeometry(caller, kind, inputShape, w.shape, call, dtype, { input: argument }),
    )
  }
}

type Resolve = (inputShape: readonly number[], where: string, argument: string) => Geometry

/** Wraps a backend's kernel into the callable that `prepare` returns. */
function makePrepared(where: string, kernel: PreparedKernel, resolve: Resolve): Prepared {
  let disposed = false
  let last: { shape: readonly number[]; geometry: Geometry } | undefined

  /** Servers send inputs of one size: the sizes of the last call are kept. */
  const geometryOf = (shape: readonly number[]): Geometry => {
    if (last?.shape.length === shape.length && last.shape.every((extent, axis) => extent === shape[axis]))
      return last.geometry
    const geometry = resolve(shape, where, 'input')
    last = { shape, geometry }
    return geometry
  }

  const request = (input: unknown, options: unknown, allowed: readonly OptionKey[]): Request => {
    if (disposed)
      throw convkitError(
        'TypeError',
        'ERR_CONVKIT_BUFFER',
        `${where}: expected an operator in use, but it was disposed`,
      )
    const raw = readOptions(where, options, allowed)
    const [out, signal] = [parseOut(where, raw), parseSignal(where, raw)]
    const x = readTensor(where, 'input', input)
    const { problem, outputShape } = geometryOf(x.shape)
    const named = out && { name: 'out', dtype: dtypeOf(out) as DType }
    checkDtypes(where, [{ name: 'weight', dtype: problem.dtype }, x, named])
    checkData(where, 'input.data', x.data, elementCount(where, 'input', x.shape), x.shape)
    checkOut(where, out, outputShape, [x])
    return {
      where,
      dtype: problem.dtype,
      shape: outputShape,
      out,
      signal,
      run: (result) => {
        kernel.run(problem, x.data, result)
      },
      runAsync: (abort) => kernel.runAsync(problem, x.data, abort),
    }
  }

  const dispose = (): void => {
    if (!disposed) kernel.dispose()
    disposed = true
  }
  const prepared = (input: unknown, options?: unknown) => runNow(request(input, options, ['out']))
  return Object.assign(prepared, {
    async: async (input: unknown, options?: unknown) => runLater(request(input, options, ['out', 'signal'])),
    outputShape: (inputShape: unknown) => {
      const asked = `${where}.outputShape`
      return resolve(readShape(asked, 'inputShape', inputShape), asked, 'inputShape').outputShape
    },
    dispose,
    [DISPOSE]: dispose,
  }) as unknown as Prepared
}
