import type { Backend, PassOperands, PreparedKernel } from '../backend/backend.js'
import { abortError, convkitError, type AbortSignalLike } from '../errors.js'
import { allocate, dtypeOf } from '../operand.js'
import { resultLength, type ConvProblem, type DType, type FloatArray, type Pass } from '../problem.js'
import { withAbort } from '../abort.js'
import type { Addon } from './addon.js'
import { defaultLimits, queueFull } from './backlog.js'
import { biasRecord, makeRecord, writeCall, writeProblem } from './record.js'

const limits = defaultLimits()

/** The three passes on native code. */
export function createNativeBackend(addon: Addon): Backend {
  addon.setBacklog(limits.calls, limits.bytes)
  // Native code reads the record before a call returns, so one serves all calls.
  const record = makeRecord()
  const describe = (pass: Pass, problem: ConvProblem, algorithm: string, operands?: PassOperands): Float64Array => {
    writeProblem(record, problem)
    writeCall(record, pass, algorithm, operands?.epilogue)
    return record
  }

  return {
    name: 'native',

    run(pass, problem, algorithm, operands, out) {
      const [first, second] = operandsOf(pass, operands)
      const { bias, slope } = operands.epilogue ?? NO_EPILOGUE
      translating(() => {
        addon.run(describe(pass, problem, algorithm, operands), first, second, out, bias, slope)
      })
    },

    runAsync(pass, problem, algorithm, operands, signal) {
      return startJob(addon, signal, () => {
        const out = allocateResult(pass, problem)
        const [first, second] = operandsOf(pass, operands)
        const { bias, slope } = operands.epilogue ?? NO_EPILOGUE
        const call = describe(pass, problem, algorithm, operands)
        return { out, start: (id) => addon.runAsync(id, call, first, second, out, bias, slope) }
      })
    },

    biasGradient(problem, gradOutput, out) {
      translating(() => {
        addon.biasGradient(biasRecord(problem), gradOutput, out)
      })
    },

    biasGradientAsync(problem, gradOutput, signal) {
      return startJob(addon, signal, () => {
        const out = allocate('gradBias', dtypeOf(gradOutput) as DType, problem.channels)
        return { out, start: (id) => addon.biasGradientAsync(id, biasRecord(problem), gradOutput, out) }
      })
    },

    plan(pass, problem, algorithm) {
      const details = translating(() => addon.plan(describe(pass, problem, algorithm)))
      return { ...details, refused: parseRefused(details.refused) }
    },

    prepare(pass, algorithm, weights, epilogue): PreparedKernel {
      const own = makeRecord()
      writeCall(own, pass, algorithm, epilogue)
      const handle = translating(() => addon.prepare(own, weights, epilogue.bias, epilogue.slope))
      const runner = translating(() => addon.runner(handle))
      let told: ConvProblem | undefined
      const tellSize = (problem: ConvProblem): void => {
        told = undefined
        writeProblem(own, problem)
        addon.setSize(handle, own)
        told = problem
      }
      return {
        run(problem, input, out) {
          try {
            // Problems are immutable, and inputs of one size have the same one.
            if (problem !== told) tellSize(problem)
            runner(input, out)
          } catch (error) {
            throw translate(error)
          }
        },
        runAsync(problem, input, signal) {
          return startJob(addon, signal, () => {
            const out = allocateResult(pass, problem)
            if (problem !== told) translating(() => tellSize(problem))
            return { out, start: (id) => addon.runPreparedAsync(id, handle, input, out) }
          })
        },
        planId(problem) {
          return translating(() => addon.plan(describe(pass, problem, algorithm, { epilogue }), true)).id
        },
        dispose() {
          addon.dispose(handle)
        },
      }
    },
  }
}

/** Not `{}`: that has whatever a polluted `Object.prototype` has. */
const NO_EPILOGUE = { bias: undefined, slope: undefined }

/** The two operands that a pass reads, in the order of native/addon/record.h. */
function operandsOf(pass: Pass, { image, features, weights }: PassOperands): [FloatArray, FloatArray] {
  const [first, second] =
    pass === 'forward' ? [image, weights] : pass === 'adjoint' ? [features, weights] : [image, features]
  if (first === undefined || second === undefined) throw new TypeError(`the pass ${pass} lacks an operand`)
  return [first, second]
}

function allocateResult(pass: Pass, problem: ConvProblem): FloatArray {
  return allocate('convkit', problem.dtype, resultLength(pass, problem))
}

function parseRefused(text: string): { algorithm: string; reason: string }[] {
  if (text === '') return []
  return text.split('; ').map((entry) => {
    const colon = entry.indexOf(': ')
    return { algorithm: entry.slice(0, colon), reason: entry.slice(colon + 2) }
  })
}

/** Runs a native call; what it throws becomes an error of convkit. */
function translating<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw translate(error)
  }
}

function translate(error: unknown): unknown {
  const { code, message } = error as { code?: string; message: string }
  switch (code) {
    case 'CK_OUT_OF_MEMORY':
      return convkitError('RangeError', 'ERR_CONVKIT_MEMORY', `convkit: not enough memory for this call (${message})`)
    case 'CK_QUEUE_FULL':
      return queueFull(message, limits)
    case 'CK_UNSUPPORTED':
      return convkitError('TypeError', 'ERR_CONVKIT_OPTION', `convkit: algorithm: ${message}`)
    case 'CK_INVALID':
      // Everything else has been validated; a buffer shared with another thread may change under our hands.
      return convkitError('TypeError', 'ERR_CONVKIT_BUFFER', `convkit: ${message}`)
    default:
      return error
  }
}

interface Job {
  readonly out: FloatArray
  readonly start: (id: number) => Promise<void>
}

let lastId = 0

/**
 * Starts a call on native code's threads. Operands have been copied when this returns. An abort rejects at once; native
 * code stops soon afterwards, and until then holds the memory of the call.
 */
async function startJob(addon: Addon, signal: AbortSignalLike | undefined, make: () => Job): Promise<FloatArray> {
  if (signal?.aborted) throw abortError(signal)
  const { out, start } = make()
  const id = ++lastId
  const done = translating(() => start(id)).then(
    () => out,
    (error: unknown) => {
      throw translate(error)
    },
  )
  return withAbort(signal, done, () => {
    addon.cancel(id)
  })
}
