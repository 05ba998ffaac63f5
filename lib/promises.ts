/**
 * `convkit/promises`: forward, `gradInput`, `gradWeight` and `gradBias` off the main thread. Same arguments as in
 * `convkit`, and `{ signal }` besides; none of these functions throws, every error rejects. Operands are copied
 * before a call returns, so that changing, transferring or detaching them afterwards changes nothing.
 *
 * @module convkit/promises
 */

import { makeAsyncGradBias } from './bias-gradient.js'
import { selectBackend } from './node/select.js'
import { makeAsyncOperator } from './operators.js'
import type {
  AsyncOperator,
  ConvGradientOptions,
  ConvOptions,
  ConvTransposeGradientOptions,
  ConvTransposeOptions,
} from './types.js'

/** `conv1d`, `conv2d`, `conv3d` of `convkit/promises`. */
export type AsyncConvOperator = AsyncOperator<ConvOptions, ConvGradientOptions>
/** `convTranspose1d`, `convTranspose2d`, `convTranspose3d` of `convkit/promises`. */
export type AsyncConvTransposeOperator = AsyncOperator<ConvTransposeOptions, ConvTransposeGradientOptions>

const host = { select: selectBackend }
const conv = (rank: number): AsyncConvOperator => makeAsyncOperator({ transposed: false, rank }, host)
const convTranspose = (rank: number): AsyncConvTransposeOperator => makeAsyncOperator({ transposed: true, rank }, host)

/** 1-D convolution: input `[N, C, L]`, weight `[Cout, Cin/groups, k]`, or both channels-last. See {@link AsyncOperator}. */
export const conv1d = conv(1)
/** 2-D convolution: input `[N, C, H, W]`, weight `[Cout, Cin/groups, kh, kw]`, or both channels-last. See {@link AsyncOperator}. */
export const conv2d = conv(2)
/** 3-D convolution: input `[N, C, D, H, W]`, weight `[Cout, Cin/groups, kd, kh, kw]`, or both channels-last. See {@link AsyncOperator}. */
export const conv3d = conv(3)
/** 1-D transposed convolution: input `[N, C, L]`, weight `[Cin, Cout/groups, k]`, or both channels-last. See {@link AsyncOperator}. */
export const convTranspose1d = convTranspose(1)
/** 2-D transposed convolution: input `[N, C, H, W]`, weight `[Cin, Cout/groups, kh, kw]`, or both channels-last. See {@link AsyncOperator}. */
export const convTranspose2d = convTranspose(2)
/** 3-D transposed convolution: input `[N, C, D, H, W]`, weight `[Cin, Cout/groups, kd, kh, kw]`, or both channels-last. See {@link AsyncOperator}. */
export const convTranspose3d = convTranspose(3)
/** The gradient with respect to the bias. As `gradBias` of `convkit`. */
export const gradBias = makeAsyncGradBias(host)
