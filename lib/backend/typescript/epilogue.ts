/** What happens to each output element after its sum, in float64, before it is rounded to the output's dtype. */

import type { Epilogue } from '../backend.js'

/** Maps a sum to an output element of the given channel: `f(sum + bias[channel])`. */
export type Finish = (sum: number, channel: number) => number

/** The epilogue as one function; without one the sum itself is the output. */
export function finishOf(epilogue: Epilogue | undefined): Finish {
  if (epilogue === undefined) return (sum) => sum
  const f = activationOf(epilogue)
  const bias = epilogue.bias
  return bias === undefined ? f : (sum, channel) => f(sum + bias[channel], channel)
}

/**
 * The formulas of {@link ActivationKind}. Each maps NaN to NaN: comparisons with NaN are false, and Math.min and
 * Math.max pass it on.
 */
function activationOf({ activation, a, b, slope }: Epilogue): Finish {
  switch (activation) {
    case 'linear':
      return (x) => x
    case 'clip':
      return (x) => Math.min(Math.max(x, a), b)
    case 'leaky-relu':
      return (x) => (x < 0 ? a * x : x)
    case 'prelu':
      return (x, channel) => (x < 0 && slope !== undefined ? slope[channel] * x : x)
    case 'elu':
      return (x) => (x < 0 ? a * Math.expm1(x) : x)
    case 'sigmoid':
      return (x) => 1 / (1 + Math.exp(-x))
    case 'tanh':
      return (x) => Math.tanh(x)
    case 'silu':
      // At −∞ the formula would be ∞ / ∞; its limit is 0.
      return (x) => (x === -Infinity ? 0 : x / (1 + Math.exp(-x)))
    case 'hard-sigmoid':
      return hardSigmoid
    case 'hard-swish':
      // Below −3 the second factor is 0, which must win against −∞.
      return (x) => (x <= -3 ? 0 : x * hardSigmoid(x))
  }
}

function hardSigmoid(x: number): number {
  return Math.min(Math.max(x / 6 + 0.5, 0), 1)
}
