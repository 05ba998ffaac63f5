/**
 * The call record: everything about a call that is a number, in one Float64Array, because native code reads one typed
 * array much faster than thirty properties. The same table stands in native/addon/record.h.
 *
 *     index    field                     index    field
 *     0 - 3    types: image, weight,     23 - 25  padBegin
 *              accumulator, feature      26       paddingMode
 *     4        batch                     27       flipKernel
 *     5        groups                    28       layout
 *     6        imageChannels             29       weightLayout
 *     7        featureChannels           -------- ck_problem ends here
 *     8 - 10   image                     30       pass
 *     11 - 13  kernel                    31       algorithm (its index; -1: the planner's choice)
 *     14 - 16  features                  -------- the plan's key ends here
 *     17 - 19  stride                    32       activation
 *     20 - 22  dilation                  33, 34   its parameters a and b
 */

import { ALGORITHMS } from '../backend/algorithms.js'
import { ACTIVATION_KINDS, type BiasProblem, type Epilogue } from '../backend/backend.js'
import type { ConvProblem, Layout, Pass } from '../problem.js'

const FIELDS = 35
const AFTER_PROBLEM = 30
const BIAS_FIELDS = 4

const PADDING_MODES: readonly string[] = ['zeros', 'reflect', 'replicate', 'circular']
const PASSES: readonly Pass[] = ['forward', 'adjoint', 'weightGradient']

const layoutCode = (layout: Layout): number => (layout === 'channels-first' ? 0 : 1)

export function makeRecord(): Float64Array {
  return new Float64Array(FIELDS)
}

/** Writes three sizes; a problem of lower rank has leading axes with the neutral value. */
function writeAxes(record: Float64Array, at: number, sizes: readonly number[], neutral: number): void {
  const missing = 3 - sizes.length
  for (let axis = 0; axis < 3; axis++) record[at + axis] = axis < missing ? neutral : sizes[axis - missing]
}

/** Fills fields 0 to 29. */
export function writeProblem(record: Float64Array, problem: ConvProblem): void {
  record.fill(problem.dtype === 'float32' ? 0 : 1, 0, 4)
  record[4] = problem.batch
  record[5] = problem.groups
  record[6] = problem.imageChannels
  record[7] = problem.featureChannels
  writeAxes(record, 8, problem.image, 1)
  writeAxes(record, 11, problem.kernel, 1)
  writeAxes(record, 14, problem.features, 1)
  writeAxes(record, 17, problem.stride, 1)
  writeAxes(record, 20, problem.dilation, 1)
  writeAxes(record, 23, problem.padBegin, 0)
  record[26] = PADDING_MODES.indexOf(problem.paddingMode)
  record[27] = problem.flipKernel ? 1 : 0
  record[28] = layoutCode(problem.layout)
  record[29] = layoutCode(problem.weightLayout)
}

/** Fills fields 30 to 34. */
export function writeCall(record: Float64Array, pass: Pass, algorithm: string, epilogue: Epilogue | undefined): void {
  record[AFTER_PROBLEM] = PASSES.indexOf(pass)
  record[AFTER_PROBLEM + 1] = algorithm === 'auto' ? -1 : ALGORITHMS.indexOf(algorithm)
  record[AFTER_PROBLEM + 2] = epilogue === undefined ? 0 : ACTIVATION_KINDS.indexOf(epilogue.activation)
  record[AFTER_PROBLEM + 3] = epilogue?.a ?? 0
  record[AFTER_PROBLEM + 4] = epilogue?.b ?? 0
}

/** The record of a bias gradient. */
export function biasRecord(problem: BiasProblem): Float64Array {
  const record = new Float64Array(BIAS_FIELDS)
  record[0] = layoutCode(problem.layout)
  record[1] = problem.batch
  record[2] = problem.channels
  record[3] = problem.positions
  return record
}
