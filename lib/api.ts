/** What `convkit` and `convkit/reference` export alike. */

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
export type { Activation, ScaledActivation } from './activation.js'
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
