/** What `convkit` and `convkit/reference` have in common: everything but the way a backend is chosen. */

import { makeGradBias, type GradBias } from './bias-gradient.js'
import { makeOperator } from './operators.js'
import type { Host } from './passes.js'
import type {
  ConvGradientOptions,
  ConvOptions,
  ConvTransposeGradientOptions,
  ConvTransposeOptions,
  Operator,
} from './types.js'

export { asDirectConvolution, type DirectConvolution } from './helpers/direct.js'
export { col2im, im2col, type ColumnOptions } from './helpers/columns.js'
export { convolutionMatrix, type MatrixOptions, type SparseMatrix } from './helpers/matrix.js'
export {
  bilinearWeight,
  upsampleAsTranspose,
  type BilinearOptions,
  type TransposeLayer,
  type UpsampleOptions,
} from './helpers/upsample.js'
export { Tensor, tensor, zeros, type NestedArray } from './tensor.js'
export type { Activation } from './activation.js'
export type { AsyncGradBias, GradBias } from './bias-gradient.js'
export type { BackendOption } from './call.js'
export type { AbortSignalLike, ErrorCode } from './errors.js'
export type { TensorLike } from './operand.js'
export type { PaddingWord } from './options.js'
export type { DType, FloatArray, Layout, PaddingMode } from './problem.js'
export type * from './types.js'

/** `conv1d`, `conv2d`, `conv3d`. */
export type ConvOperator = Operator<ConvOptions, ConvGradientOptions>
/** `convTranspose1d`, `convTranspose2d`, `convTranspose3d`. */
export type ConvTransposeOperator = Operator<ConvTransposeOptions, ConvTransposeGradientOptions>

/** The operators of one entry point. */
export interface Operators {
  readonly conv: readonly [ConvOperator, ConvOperator, ConvOperator]
  readonly convTranspose: readonly [ConvTransposeOperator, ConvTransposeOperator, ConvTransposeOperator]
  readonly gradBias: GradBias
}

export function makeOperators(host: Host): Operators {
  const conv = (rank: number): ConvOperator => makeOperator({ transposed: false, rank }, host)
  const convTranspose = (rank: number): ConvTransposeOperator => makeOperator({ transposed: true, rank }, host)
  return {
    conv: [conv(1), conv(2), conv(3)],
    convTranspose: [convTranspose(1), convTranspose(2), convTranspose(3)],
    gradBias: makeGradBias(host),
  }
}
