/**
 * The operators with loose types. Most tests draw the operator and its options at random, or pass wrong values on
 * purpose; the precise types are tested where they matter, in contract.test.ts.
 */

import * as convkit from '../../lib/index.js'
import type { FloatArray } from './data.js'

/** Every option that some function of an operator takes, but `backend` and `signal`. */
export const optionNames = [
  'stride',
  'dilation',
  'padding',
  'paddingMode',
  'outputPadding',
  'outputShape',
  'groups',
  'bias',
  'activation',
  'flipKernel',
  'layout',
  'weightLayout',
  'out',
  'algorithm',
  'dtype',
  'pass',
] as const

export interface TensorResult {
  readonly data: FloatArray
  readonly shape: readonly number[]
}

export interface PreparedResult {
  (input: unknown, options?: unknown): TensorResult
  async(input: unknown, options?: unknown): Promise<TensorResult>
  outputShape(inputShape: unknown): number[]
  dispose(): void
}

export interface PlanResult {
  readonly id: string
  readonly algorithm: string
  readonly reason: string
  readonly refused: unknown
  readonly workspaceBytes: number
  readonly flops: number
  readonly outputShape: readonly number[]
}

export interface Operator {
  (input: unknown, weight: unknown, options?: unknown): TensorResult
  gradInput(inputShape: unknown, weight: unknown, gradOutput: unknown, options?: unknown): TensorResult
  gradWeight(input: unknown, weightShape: unknown, gradOutput: unknown, options?: unknown): TensorResult
  outputShape(inputShape: unknown, weightShape: unknown, options?: unknown): number[]
  plan(inputShape: unknown, weightShape: unknown, options?: unknown): PlanResult
  prepare(weight: unknown, options?: unknown): PreparedResult
}

export const operatorNames = [
  'conv1d',
  'conv2d',
  'conv3d',
  'convTranspose1d',
  'convTranspose2d',
  'convTranspose3d',
] as const
export type OperatorName = (typeof operatorNames)[number]
export type Family = 'conv' | 'convTranspose'

export const operator = (name: OperatorName): Operator => convkit[name] as unknown as Operator
export const operatorOf = (family: Family, rank: number): Operator => operator(`${family}${rank}d` as OperatorName)

/** The other exports, as loosely typed. */
export const loose = convkit as unknown as {
  gradBias(gradOutput: unknown, options?: unknown): TensorResult
  im2col(input: unknown, kernelShape: unknown, options?: unknown): TensorResult
  col2im(columns: unknown, spatialShape: unknown, kernelShape: unknown, options?: unknown): TensorResult
  convolutionMatrix(
    weight: unknown,
    inputShape: unknown,
    options?: unknown,
  ): { rows: number; cols: number; rowPtr: Uint32Array; colIdx: Uint32Array; values: FloatArray }
  asDirectConvolution(
    input: unknown,
    weight: unknown,
    options?: unknown,
  ): { input: TensorResult; weight: TensorResult; options: Record<string, unknown> }
  upsampleAsTranspose(
    weight: unknown,
    factor: unknown,
    options?: unknown,
  ): { weight: TensorResult; options: Record<string, unknown> }
  bilinearWeight(
    channels: unknown,
    factor: unknown,
    options?: unknown,
  ): { weight: TensorResult; options: Record<string, unknown> }
  tensor(data: unknown, shape: unknown): TensorResult
  zeros(shape: unknown, dtype?: unknown): TensorResult
  setThreads(n: unknown): void
}
