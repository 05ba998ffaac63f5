/**
 * The one problem that every backend solves: a direct convolution, with the sizes of both of its
 * sides. A convolution is a sparse matrix C that takes an *image* to *features*; `output sizes`,
 * padding words and output padding are resolved before a problem exists (see geometry.ts), and a
 * transposed convolution is the same problem run through another `Pass`.
 *
 * Per axis, feature `o` reads image `i = o·stride + j·dilation − padBegin` for tap `j`; an `i`
 * outside the image is zero, or is mapped back into it by the padding mode.
 */

/** Of a tensor's elements; all operands of a call have one. */
export type DType = 'float32' | 'float64'
/** What holds a tensor's elements: float32 or float64. */
export type FloatArray = Float32Array | Float64Array
/** Order of axes: `[N, C, ...spatial]` or `[N, ...spatial, C]`. */
export type Layout = 'channels-first' | 'channels-last'
/** What padding holds: zeros, or elements of the image mirrored without the border, its border, or its other end. */
export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular'

/**
 * - `forward`: features = C · image
 * - `adjoint`: image = Cᵀ · features
 * - `weightGradient`: weights = Σ features ⊗ patches(image)
 */
export type Pass = 'forward' | 'adjoint' | 'weightGradient'

export interface ConvProblem {
  readonly dtype: DType
  /** ≥ 0; an unbatched call has batch 1. */
  readonly batch: number
  readonly groups: number
  /** Channels of the image side, all groups together. */
  readonly imageChannels: number
  /** Channels of the feature side, all groups together. */
  readonly featureChannels: number
  /** Spatial extents, one entry per spatial axis (1 to 3), as are the five that follow. */
  readonly image: readonly number[]
  readonly kernel: readonly number[]
  readonly features: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  /** ≥ 0. What lies beyond the end of the image follows from the sizes. */
  readonly padBegin: readonly number[]
  readonly paddingMode: PaddingMode
  readonly flipKernel: boolean
  /**
   * Of image and features: `[batch, channels, ...extents]` or `[batch, ...extents, channels]`.
   */
  readonly layout: Layout
  /**
   * `[featureChannels, imageChannels / groups, ...kernel]` or
   * `[...kernel, imageChannels / groups, featureChannels]`.
   */
  readonly weightLayout: Layout
}

/** How many elements the result of a pass has. */
export function resultLength(pass: Pass, problem: ConvProblem): number {
  const { batch, groups, imageChannels, featureChannels } = problem
  const product = (extents: readonly number[]): number => extents.reduce((a, b) => a * b, 1)
  if (pass === 'forward') return batch * featureChannels * product(problem.features)
  if (pass === 'adjoint') return batch * imageChannels * product(problem.image)
  return featureChannels * (imageChannels / groups) * product(problem.kernel)
}
