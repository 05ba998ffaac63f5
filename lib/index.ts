/**
 * `convkit`: convolution and transposed convolution in 1-D, 2-D and 3-D, forward and every gradient, on native code
 * where there is some and on the TypeScript reference elsewhere.
 *
 * @module convkit
 */

import { makeOperators } from './entry.js'
import { selectBackend } from './node/select.js'

export * from './api.js'
export { info, setThreads } from './node/select.js'

const { conv, convTranspose, gradBias: gradBiasOperator } = makeOperators({ select: selectBackend })

/** 1-D convolution: input `[N, C, L]`, weight `[Cout, Cin/groups, k]`, or both channels-last. See {@link Operator}. */
export const conv1d = conv[0]
/** 2-D convolution: input `[N, C, H, W]`, weight `[Cout, Cin/groups, kh, kw]`, or both channels-last. See {@link Operator}. */
export const conv2d = conv[1]
/** 3-D convolution: input `[N, C, D, H, W]`, weight `[Cout, Cin/groups, kd, kh, kw]`, or both channels-last. See {@link Operator}. */
export const conv3d = conv[2]
/** 1-D transposed convolution: input `[N, C, L]`, weight `[Cin, Cout/groups, k]`, or both channels-last. See {@link Operator}. */
export const convTranspose1d = convTranspose[0]
/** 2-D transposed convolution: input `[N, C, H, W]`, weight `[Cin, Cout/groups, kh, kw]`, or both channels-last. See {@link Operator}. */
export const convTranspose2d = convTranspose[1]
/** 3-D transposed convolution: input `[N, C, D, H, W]`, weight `[Cin, Cout/groups, kd, kh, kw]`, or both channels-last. See {@link Operator}. */
export const convTranspose3d = convTranspose[2]
/** The gradient with respect to the bias. See {@link GradBias}. */
export const gradBias = gradBiasOperator
