/** Activations by definition, and random ones. */

import { floats, type Dtype, type Random } from './data.js'

export type Activation = string | { type: string; slope?: unknown; alpha?: number; min?: number; max?: number }

/** Activations whose results are exact for small integers. */
const exactKinds = ['linear', 'relu', 'relu6', 'leaky-relu', 'prelu', 'clip'] as const
const kinds = [...exactKinds, 'sigmoid', 'tanh', 'silu', 'hard-sigmoid', 'hard-swish', 'elu'] as const

export const randomActivation = (random: Random, cout: number, dtype: Dtype, exact: boolean): Activation => {
  const kind = random.pick(exact ? exactKinds : kinds)
  const eighth = (): number => random.int(-8, 8) / 8
  if (kind === 'leaky-relu') return { type: kind, slope: eighth() }
  if (kind === 'elu') return { type: kind, alpha: eighth() }
  if (kind === 'prelu') return { type: kind, slope: floats(dtype, Array.from({ length: cout }, eighth)) }
  if (kind === 'clip') {
    const min = random.chance(0.2) ? -Infinity : random.int(-20, 10)
    return { type: kind, min, max: random.chance(0.2) ? Infinity : Math.max(min, random.int(-10, 30)) }
  }
  return kind
}

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high)

/** f(x) for output channel `channel`. NaN stays NaN in each of them. */
export const activate = (activation: Activation, x: number, channel: number): number => {
  const type = typeof activation === 'string' ? activation : activation.type
  const parameters = typeof activation === 'string' ? { type } : activation
  switch (type) {
    case 'relu':
      return Math.max(x, 0)
    case 'relu6':
      return clamp(x, 0, 6)
    case 'sigmoid':
      return 1 / (1 + Math.exp(-x))
    case 'tanh':
      return Math.tanh(x)
    case 'silu':
      return x / (1 + Math.exp(-x))
    case 'hard-sigmoid':
      return clamp(x / 6 + 0.5, 0, 1)
    case 'hard-swish':
      return x * clamp(x / 6 + 0.5, 0, 1)
    case 'leaky-relu':
      return x < 0 ? x * (parameters.slope as number) : x
    case 'prelu':
      return x < 0 ? x * (parameters.slope as number[])[channel] : x
    case 'elu':
      return x < 0 ? (parameters.alpha as number) * Math.expm1(x) : x
    case 'clip':
      return clamp(x, parameters.min as number, parameters.max as number)
    default:
      return x
  }
}
