/// <reference lib="esnext.disposable" preserve="true" />
/** The public types of the operators. docs/api.md tells the same in prose. */

import type { Activation } from './activation.js'
import type { BackendOption } from './call.js'
import type { AbortSignalLike } from './errors.js'
import type { TensorLike } from './operand.js'
import type { PaddingWord } from './options.js'
import type { DType, FloatArray, Layout, PaddingMode } from './problem.js'
import type { Tensor } from './tensor.js'

/** One number for all spatial axes, or one per axis. */
export type PerAxis = number | readonly number[]

/** Where a call runs and where its result goes. */
export interface ExecutionOptions {
  /** `'auto'` (default) takes native code where there is some; wins over `CONVKIT_BACKEND`. */
  readonly backend?: BackendOption | undefined
  /** `'auto'` (default) or a name in `info().algorithms`. */
  readonly algorithm?: string | undefined
  /** Takes the result: the operands' dtype, exactly the result's length, overlapping no operand. Becomes the result's `data`. */
  readonly out?: FloatArray | undefined
}

/** Geometry shared by conv and convTranspose. */
export interface SpatialOptions {
  /** Step between windows, ≥ 1; default 1. */
  readonly stride?: PerAxis | undefined
  /** Step between taps, ≥ 1; default 1. */
  readonly dilation?: PerAxis | undefined
  /** Divides both channel counts; default 1. `groups` = channels is a depthwise convolution. */
  readonly groups?: number | undefined
  /** Reverses every spatial axis of `weight` before use (Theano's convention); default false. */
  readonly flipKernel?: boolean | undefined
  /** Order of axes of input and output; default `'channels-first'`. */
  readonly layout?: Layout | undefined
  /** Order of axes of the weight; default: the same word as `layout`. */
  readonly weightLayout?: Layout | undefined
}

/** Zeros (or `paddingMode`) added around the input, or on convTranspose cropped from the output; default 0. */
export type PaddingOption<Word extends string> =
  number | readonly number[] | readonly (readonly [number, number])[] | Word

/** Options of conv's gradients. */
export interface ConvGradientOptions extends SpatialOptions, ExecutionOptions {
  /** Added around the input: a number ≥ 0, one per axis, `[begin, end]` per axis, or a word; default 0. */
  readonly padding?: PaddingOption<PaddingWord> | undefined
  /** What the padding holds; default `'zeros'`. */
  readonly paddingMode?: PaddingMode | undefined
}

/** Options of convTranspose's gradients. */
export interface ConvTransposeGradientOptions extends SpatialOptions, ExecutionOptions {
  /** Crops the output by what the direct convolution would pad. */
  readonly padding?: PaddingOption<Exclude<PaddingWord, 'causal'>> | undefined
  /** Added to the end of the output, < max(stride, dilation); default 0. */
  readonly outputPadding?: PerAxis | undefined
  /** The spatial sizes of the output; excludes `outputPadding`. */
  readonly outputShape?: PerAxis | undefined
}

/** What a forward call takes besides. */
export interface EpilogueOptions {
  /** One number per output channel. */
  readonly bias?: FloatArray | TensorLike | undefined
  /** Applied to each output element after the bias; default `'linear'`. */
  readonly activation?: Activation | undefined
}

/** Options of `conv1d`, `conv2d` and `conv3d`. */
export interface ConvOptions extends ConvGradientOptions, EpilogueOptions {}

/** Options of `convTranspose1d`, `convTranspose2d` and `convTranspose3d`. */
export interface ConvTransposeOptions extends ConvTransposeGradientOptions, EpilogueOptions {}

/** What an asynchronous call takes besides. */
export interface AsyncOptions {
  /** Aborting rejects with an `AbortError` and leaves `out` untouched. */
  readonly signal?: AbortSignalLike | undefined
}

/** What `plan` takes besides. */
export interface PlanOptions {
  /** Default `'float32'`. */
  readonly dtype?: DType | undefined
  /** Default `'forward'`. */
  readonly pass?: 'forward' | 'gradInput' | 'gradWeight' | undefined
}

/** An algorithm that was not taken. */
export interface Refusal {
  /** Its name, one of `info().algorithms`. */
  readonly algorithm: string
  /** What stands against it. */
  readonly reason: string
}

/** What `plan` tells. Deterministic; nothing is timed. */
export interface Plan {
  /** For logs and bug reports, such as `im2col/14x32/kc256/avx512`. */
  readonly id: string
  /** Its name, one of `info().algorithms`. */
  readonly algorithm: string
  /** Why this algorithm. */
  readonly reason: string
  /** Why each algorithm before it was not taken. */
  readonly refused: readonly Refusal[]
  /** Bytes beyond operands and result, packed weights included. */
  readonly workspaceBytes: number
  /** 2 × all multiply-adds of the direct sum, taps in the padding counted. */
  readonly flops: number
  /** The shape that the operator's forward call gives. */
  readonly outputShape: number[]
}

/** An operator whose weights were packed once. Callable; also freed by the garbage collector. */
export interface Prepared {
  /**
   * Runs it on one input.
   * @param input - as for the operator
   * @param options - `out` takes the result: the operands' dtype, exactly the result's length, no overlap with the input
   * @returns a tensor of the shape that `outputShape` gives
   * @throws as the operator itself; TypeError `ERR_CONVKIT_BUFFER` after `dispose`
   */
  (input: TensorLike, options?: { readonly out?: FloatArray | undefined }): Tensor
  /**
   * Runs it off the calling thread. The input is copied before the call returns. Never throws: every error rejects.
   * @param options - `out` is written in one step just before the promise resolves, and untouched after an abort or
   *   error; `signal` aborts
   * @returns rejects as the operator throws; an aborted call with name `AbortError`, code `ABORT_ERR`
   */
  async(input: TensorLike, options?: { readonly out?: FloatArray | undefined } & AsyncOptions): Promise<Tensor>
  /** The shape that an input of this shape gives. */
  outputShape(inputShape: readonly number[]): number[]
  /** Frees the packed weights now. May be called twice; calls under way finish. */
  dispose(): void
  /** `dispose`, for `using`. */
  [Symbol.dispose](): void
}

/**
 * `conv1d` and its like; `F` are the options of the forward call, `G` those of the gradients.
 *
 * A convolution is a sparse matrix C from images to features, along each axis (padding p at the begin)
 *
 *     features[o] = Σ_j weight[j] · image[o · stride + j · dilation − p]
 *
 * conv is C·x and convTranspose Cᵀ·x, so the gradient of either with respect to its input is the other.
 * (Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", chapter 4.)
 */
export interface Operator<F, G> {
  /**
   * The operator itself. Per axis, with eff = dilation · (k − 1) + 1, the output has ⌊(in + begin + end − eff) / stride⌋ + 1
   * elements for conv, (in − 1) · stride − begin − end + eff + outputPadding for convTranspose.
   * @param input - `[N, C, ...spatial]` in `layout`; without N the result has none either
   * @param weight - that of the direct convolution, in `weightLayout`: conv `[Cout, Cin/groups, ...k]` or
   *   `[...k, Cin/groups, Cout]`, convTranspose `[Cin, Cout/groups, ...k]` or `[...k, Cout/groups, Cin]`
   * @returns a tensor of the shape that `outputShape` gives, in `layout`
   * @throws TypeError, RangeError or Error with a `code`: see docs/api.md
   */
  (input: TensorLike, weight: TensorLike, options?: F): Tensor
  /**
   * The gradient of Σ gradOutput · output with respect to the input: the adjoint matrix applied to `gradOutput`.
   * @param inputShape - full shape of the input, in `layout`
   * @param weight - as in the forward call
   * @param gradOutput - exactly the shape that `outputShape` gives
   * @returns a tensor of `inputShape`
   * @throws as the forward call
   */
  gradInput(inputShape: readonly number[], weight: TensorLike, gradOutput: TensorLike, options?: G): Tensor
  /**
   * The gradient of Σ gradOutput · output with respect to the weight, as passed, summed over the batch.
   * @param input - as in the forward call
   * @param weightShape - full shape of the weight, in `weightLayout`
   * @param gradOutput - exactly the shape that `outputShape` gives
   * @returns a tensor of `weightShape`; zeros for an empty batch
   * @throws as the forward call
   */
  gradWeight(input: TensorLike, weightShape: readonly number[], gradOutput: TensorLike, options?: G): Tensor
  /** The output's full shape. Takes and checks every option of the forward call. */
  outputShape(inputShape: readonly number[], weightShape: readonly number[], options?: F): number[]
  /** What a call with these shapes and options would run, and why. Computes nothing. */
  plan(inputShape: readonly number[], weightShape: readonly number[], options?: F & PlanOptions): Plan
  /**
   * Copies and packs weight and bias once; what it gives is what a server calls per request. Takes no `out`.
   * @returns an operator of one argument; changing weight or bias afterwards changes nothing
   */
  prepare(weight: TensorLike, options?: Omit<F, 'out'>): Prepared
}

/** An operator of `convkit/promises`: the same calls off the main thread. None of them throws; every error rejects. */
export interface AsyncOperator<F, G> {
  /** The forward call of {@link Operator}, off the calling thread. */
  (input: TensorLike, weight: TensorLike, options?: F & AsyncOptions): Promise<Tensor>
  /** `gradInput` of {@link Operator}, off the calling thread. */
  gradInput(
    inputShape: readonly number[],
    weight: TensorLike,
    gradOutput: TensorLike,
    options?: G & AsyncOptions,
  ): Promise<Tensor>
  /** `gradWeight` of {@link Operator}, off the calling thread. */
  gradWeight(
    input: TensorLike,
    weightShape: readonly number[],
    gradOutput: TensorLike,
    options?: G & AsyncOptions,
  ): Promise<Tensor>
}

/** Options of `gradBias`. */
export interface GradBiasOptions {
  /** Of gradOutput; default `'channels-first'`. */
  readonly layout?: Layout | undefined
  /** `'auto'` (default) takes native code where there is some. */
  readonly backend?: BackendOption | undefined
  /** Takes the result: gradOutput's dtype, one element per channel. */
  readonly out?: FloatArray | undefined
}

/** What `info()` tells. */
export interface Info {
  /** Of the package. */
  readonly version: string
  /** What `backend: 'auto'` takes. */
  readonly backend: 'native' | 'typescript'
  /** The instruction set in use. */
  readonly isa: string
  /** The instruction sets that this machine can run, best first: what `CONVKIT_ISA` takes. */
  readonly isas: readonly string[]
  /** Threads that a call may use, the calling one counted; see `setThreads`. */
  readonly threads: number
  /** What the option `algorithm` takes beside `'auto'`. */
  readonly algorithms: readonly string[]
  /** The file of native code that was loaded. */
  readonly binary?: string
  /** Why native code is not in use, or what is wrong with the environment variables. */
  readonly reason?: string
}
