import type { AbortSignalLike } from '../errors.js'
import type { ConvProblem, FloatArray, Layout, Pass } from '../problem.js'

/** Activations in the form the backends take: see ck_activation in native/core/convkit.h. */
export const ACTIVATION_KINDS = [
  'linear',
  'clip',
  'leaky-relu',
  'prelu',
  'elu',
  'sigmoid',
  'tanh',
  'silu',
  'hard-sigmoid',
  'hard-swish',
] as const
export type ActivationKind = (typeof ACTIVATION_KINDS)[number]

/** What happens to each output element after its sum: `f(sum + bias[channel])`. */
export interface Epilogue {
  /** One per output channel. */
  readonly bias?: FloatArray | undefined
  readonly activation: ActivationKind
  /** clip: min; leaky-relu: slope; elu: alpha. */
  readonly a: number
  /** clip: max. */
  readonly b: number
  /** prelu: one per output channel. */
  readonly slope?: FloatArray | undefined
}

/** What the planner says about one (problem, pass). */
export interface PlanDetails {
  readonly id: string
  readonly algorithm: string
  readonly reason: string
  readonly refused: readonly { readonly algorithm: string; readonly reason: string }[]
  readonly workspaceBytes: number
}

/** Weights (and epilogue) held in the form a backend reads, for one or many input sizes. */
export interface PreparedKernel {
  /** Input is the image for `forward`, the features for `adjoint`; out has exactly the result's length. */
  run(problem: ConvProblem, input: FloatArray, out: FloatArray): void
  /** As `run`, off the calling thread; the input is copied before the call returns. */
  runAsync(problem: ConvProblem, input: FloatArray, signal: AbortSignalLike | undefined): Promise<FloatArray>
  /** The id of the plan that a run of this size takes. */
  planId(problem: ConvProblem): string
  /** Called once; calls under way finish. */
  dispose(): void
}

/**
 * The operands of one pass: the two that it reads, in the order image, features, weights. Callers leave none out:
 * what an object does not have is looked for on `Object.prototype`, which may be polluted.
 */
export interface PassOperands {
  readonly image?: FloatArray | undefined
  readonly features?: FloatArray | undefined
  readonly weights?: FloatArray | undefined
  readonly epilogue?: Epilogue | undefined
}

/** The sum over batch and positions that {@link Backend.biasGradient} takes. */
export interface BiasProblem {
  readonly batch: number
  readonly channels: number
  readonly positions: number
  readonly layout: Layout
}

/**
 * One implementation of the three passes. Everything a backend gets has been validated: lengths fit
 * the problem, dtypes agree, out overlaps nothing, batch may be 0.
 */
export interface Backend {
  readonly name: 'native' | 'typescript'
  /** Writes all of `out`. `algorithm` is 'auto' or one of ALGORITHMS. */
  run(pass: Pass, problem: ConvProblem, algorithm: string, operands: PassOperands, out: FloatArray): void
  /** As `run`, off the calling thread; operands are copied before the call returns. */
  runAsync(
    pass: Pass,
    problem: ConvProblem,
    algorithm: string,
    operands: PassOperands,
    signal: AbortSignalLike | undefined,
  ): Promise<FloatArray>
  biasGradient(problem: BiasProblem, gradOutput: FloatArray, out: FloatArray): void
  biasGradientAsync(
    problem: BiasProblem,
    gradOutput: FloatArray,
    signal: AbortSignalLike | undefined,
  ): Promise<FloatArray>
  plan(pass: Pass, problem: ConvProblem, algorithm: string): PlanDetails
  /** Copies weights and epilogue. The pass is `forward` or `adjoint`. */
  prepare(pass: Pass, algorithm: string, weights: FloatArray, epilogue: Epilogue): PreparedKernel
}
