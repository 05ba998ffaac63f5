/**
 * The pure-TypeScript backend: the fallback where no native code loads, the backend of `convkit/reference`, and the oracle
 * of the tests. It needs nothing but the language, so it runs in a browser, and it shares no idea with the native core
 * beyond the problem: no im2col, no GEMM, no tiles. Sums are in float64.
 *
 *     axes.ts       one axis: which positions are read, stride, dilation, padding modes
 *     grid.ts       three axes, layouts, and the walk that the passes share
 *     forward.ts, adjoint.ts, weight-gradient.ts, bias-gradient.ts
 *     epilogue.ts   bias and activations
 *     later.ts      asynchronous calls
 */

import { convkitError } from '../../errors.js'
import { allocate } from '../../operand.js'
import { resultLength, type ConvProblem, type FloatArray, type Pass } from '../../problem.js'
import type { Backend, Epilogue, PassOperands, PlanDetails, PreparedKernel } from '../backend.js'
import { adjoint, adjointScratch } from './adjoint.js'
import { biasGradient } from './bias-gradient.js'
import { forward, forwardScratch } from './forward.js'
import { createGrid } from './grid.js'
import { copyOf, copyOfEpilogue, later } from './later.js'
import { WHERE } from './operands.js'
import { weightGradient, weightGradientScratch } from './weight-gradient.js'

/** The option `algorithm` has no influence here. */
export function createTypescriptBackend(): Backend {
  return {
    name: 'typescript',
    plan,
    run: (pass, problem, _algorithm, operands, out) => run(pass, problem, operands, out),
    async runAsync(pass, problem, _algorithm, operands, signal) {
      const copies = copyOfOperands(operands)
      return later(signal, () => {
        const out = allocate(WHERE, problem.dtype, resultLength(pass, problem))
        run(pass, problem, copies, out)
        return out
      })
    },
    biasGradient,
    async biasGradientAsync(problem, gradOutput, signal) {
      const copy = copyOf(gradOutput)
      return later(signal, () => {
        const out =
          copy instanceof Float32Array ? new Float32Array(problem.channels) : new Float64Array(problem.channels)
        biasGradient(problem, copy, out)
        return out
      })
    },
    prepare: (pass, _algorithm, weights, epilogue) => prepare(pass, weights, epilogue),
  }
}

function run(pass: Pass, problem: ConvProblem, operands: PassOperands, out: FloatArray): void {
  // The operands that a pass reads are there: the caller has checked them.
  const [image, features, weights] = [operands.image, operands.features, operands.weights] as FloatArray[]
  if (pass === 'forward') forward(problem, image, weights, operands.epilogue, out)
  else if (pass === 'adjoint') adjoint(problem, features, weights, operands.epilogue, out)
  else weightGradient(problem, image, features, out)
}

function plan(pass: Pass, problem: ConvProblem): PlanDetails {
  const lengths = { forward: forwardScratch, adjoint: adjointScratch, weightGradient: weightGradientScratch }[pass](
    createGrid(problem),
  )
  const elements = Object.values(lengths).reduce((sum, length) => sum + length, 0)
  return {
    id: `typescript/${pass}`,
    algorithm: 'direct',
    reason: 'plain loops over the direct sum, the only algorithm of the TypeScript backend',
    refused: [],
    workspaceBytes: elements * Float64Array.BYTES_PER_ELEMENT,
  }
}

/** Weights stay as they are: which problem they will meet is not known yet. */
function prepare(pass: Pass, weights: FloatArray, epilogue: Epilogue): PreparedKernel {
  let held: PassOperands | undefined = {
    image: undefined,
    features: undefined,
    weights: copyOf(weights),
    epilogue: copyOfEpilogue(epilogue),
  }
  const operandsWith = (input: FloatArray): PassOperands => {
    if (held === undefined)
      throw convkitError('TypeError', 'ERR_CONVKIT_BUFFER', `${WHERE}: the prepared operator is disposed`)
    return pass === 'forward' ? { ...held, image: input } : { ...held, features: input }
  }
  return {
    run: (problem, input, out) => run(pass, problem, operandsWith(input), out),
    async runAsync(problem, input, signal) {
      const operands = operandsWith(copyOf(input))
      return later(signal, () => {
        const out = allocate(WHERE, problem.dtype, resultLength(pass, problem))
        run(pass, problem, operands, out)
        return out
      })
    },
    planId: (problem) => plan(pass, problem).id,
    dispose() {
      held = undefined
    },
  }
}

function copyOfOperands({ image, features, weights, epilogue }: PassOperands): PassOperands {
  return {
    image: image && copyOf(image),
    features: features && copyOf(features),
    weights: weights && copyOf(weights),
    epilogue: epilogue && copyOfEpilogue(epilogue),
  }
}
