/**
 * `convkit/reference`: the operators in plain TypeScript, with gradients, `prepare`, `plan`, `gradBias`, tensors and
 * helpers. No native code and nothing of Node's: it runs in a browser, is what `convkit` falls back to, and is the
 * oracle of its tests.
 *
 * @module convkit/reference
 */

import { ALGORITHMS } from './backend/algorithms.js'
import { createTypescriptBackend } from './backend/typescript/index.js'
import { makeOperators } from './entry.js'
import { convkitError } from './errors.js'
import { parseInteger } from './options.js'
import type { Info } from './types.js'
import { VERSION } from './version.js'

export * from './api.js'

const backend = createTypescriptBackend()

const {
  conv,
  convTranspose,
  gradBias: gradBiasOperator,
} = makeOperators({
  select(option) {
    if (option !== 'native') return backend
    throw convkitError(
      'Error',
      'ERR_CONVKIT_BACKEND',
      "backend: expected 'auto' or 'typescript' in convkit/reference, which has no native code, received 'native'",
    )
  },
})

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

/** What runs here: the TypeScript backend, on the calling thread. Never throws. */
export function info(): Info {
  return {
    version: VERSION,
    backend: 'typescript',
    isa: 'typescript',
    isas: [],
    threads: 1,
    algorithms: [...ALGORITHMS],
  }
}

/**
 * Checked as in `convkit`, without effect: the TypeScript backend has one thread.
 * @param n - 1 to 1024
 */
export function setThreads(n: number): void {
  if (parseInteger('setThreads', 'n', n, 1) > 1024) {
    throw convkitError(
      'RangeError',
      'ERR_CONVKIT_OPTION',
      `setThreads: n: expected an integer from 1 to 1024, received ${n}`,
    )
  }
}
