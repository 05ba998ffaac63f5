/**
 * Which pass over the direct convolution a call is. conv and convTranspose have the same convolution behind them; the swap
 * of their roles is this table and nothing else.
 *
 *     asked for     conv             convTranspose
 *     forward       forward          adjoint
 *     gradInput     adjoint          forward
 *     gradWeight    weightGradient   weightGradient, image and features exchanged
 */

import type { Backend } from './backend/backend.js'
import type { BackendOption } from './call.js'
import type { OperatorKind } from './geometry.js'
import type { Pass } from './problem.js'

/** What an entry point of the package brings along: how a backend is chosen. */
export interface Host {
  /** @throws Error `ERR_CONVKIT_BACKEND` */
  select(option: BackendOption | undefined): Backend
}

export type Asked = 'forward' | 'gradInput' | 'gradWeight'

const PASSES: Readonly<Record<Asked, readonly [conv: Pass, transposed: Pass]>> = {
  forward: ['forward', 'adjoint'],
  gradInput: ['adjoint', 'forward'],
  gradWeight: ['weightGradient', 'weightGradient'],
}

export function passOf(kind: OperatorKind, asked: Asked): Pass {
  return PASSES[asked][kind.transposed ? 1 : 0]
}

export function operatorName({ transposed, rank }: OperatorKind): string {
  return `${transposed ? 'convTranspose' : 'conv'}${rank}d`
}
