/** The operators of `convkit` and `convkit/reference`, which differ in the way that a backend is chosen. */

import type { ConvOperator, ConvTransposeOperator } from './api.js'
import { makeGradBias, type GradBias } from './bias-gradient.js'
import { makeOperator } from './operators.js'
import type { Host } from './passes.js'

/** One operator for each spatial rank. */
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
