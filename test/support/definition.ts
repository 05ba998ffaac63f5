/**
 * The operators by definition, for comparison: no code and no idea shared with the library.
 *
 * Along one axis a convolution is a list of terms (f, i, t): feature position f takes tap t of the image position i.
 * Everything that the options say (stride, dilation, padding, mode, crop, output padding) only decides which terms
 * there are:
 *
 *     i = f · stride + t · dilation − begin        terms with i outside the image are dropped ('zeros') or folded back into it (padding modes)
 *
 * The product of the axes' lists is the matrix C, and the three passes are three loops over it. All in float64,
 * channels-first.
 */

import { floats, product, type Dtype, type Plain } from './data.js'
import type { Family } from './operators.js'

export interface Problem {
  readonly family: Family
  readonly rank: number
  readonly dtype: Dtype
  /** null: unbatched. */
  readonly batch: number | null
  readonly groups: number
  readonly cin: number
  readonly cout: number
  readonly spatial: readonly number[]
  readonly kernel: readonly number[]
  /** Geometry options only, in the library's words (no groups, layouts, bias, activation). */
  readonly options: Readonly<Record<string, unknown>>
}

interface Axis {
  readonly image: number
  readonly features: number
  readonly terms: readonly (readonly [feature: number, image: number, tap: number])[]
}

const perAxis = (value: unknown, axis: number, otherwise: number): number =>
  Array.isArray(value) ? (value as number[])[axis] : ((value as number | undefined) ?? otherwise)

const split = (total: number, lower: boolean): [number, number] => {
  const small = Math.floor(total / 2)
  return lower ? [total - small, small] : [small, total - small]
}

/** Padding or crop that does not depend on the size: everything but 'same'. */
const fixedPadding = (padding: unknown, axis: number, eff: number): [number, number] => {
  if (padding === 'full') return [eff - 1, eff - 1]
  if (padding === 'half') return [Math.floor(eff / 2), Math.floor(eff / 2)]
  if (padding === 'causal') return [eff - 1, 0]
  if (padding === 'valid') return [0, 0]
  const entry: unknown = Array.isArray(padding) ? padding[axis] : (padding ?? 0)
  return Array.isArray(entry) ? [entry[0] as number, entry[1] as number] : [entry as number, entry as number]
}

/** Folds a position outside [0, size) back into the image as the padding mode says; −1 for 'zeros'. */
const fold = (position: number, size: number, mode: string): number => {
  if (position >= 0 && position < size) return position
  if (mode === 'reflect') return position < 0 ? -position : 2 * (size - 1) - position
  if (mode === 'replicate') return position < 0 ? 0 : size - 1
  if (mode === 'circular') return (position + size) % size
  return -1
}

const axisOf = (problem: Problem, axis: number): Axis | undefined => {
  const { family, options } = problem
  const size = problem.spatial[axis]
  const taps = problem.kernel[axis]
  const stride = perAxis(options['stride'], axis, 1)
  const dilation = perAxis(options['dilation'], axis, 1)
  const eff = dilation * (taps - 1) + 1
  const same = options['padding'] === 'same' || options['padding'] === 'same-lower'
  const lower = options['padding'] === 'same-lower'
  const mode = (options['paddingMode'] as string | undefined) ?? 'zeros'
  const wanted = options['outputShape'] === undefined ? undefined : perAxis(options['outputShape'], axis, 0)
  let begin: number, end: number, image: number, features: number
  if (family === 'conv') {
    image = size
    const out = Math.ceil(size / stride)
    const [b, e] = same
      ? split(Math.max(0, (out - 1) * stride + eff - size), lower)
      : fixedPadding(options['padding'], axis, eff)
    begin = b
    end = e
    features = Math.floor((size + begin + end - eff) / stride) + 1
    if (mode === 'reflect' && Math.max(begin, end) > size - 1) return undefined
    if (mode === 'circular' && Math.max(begin, end) > size) return undefined
  } else {
    features = size
    const full = (size - 1) * stride + eff
    if (same) {
      image = wanted ?? size * stride
      if (Math.ceil(image / stride) !== size) return undefined
      begin = split(Math.max(0, full - image), lower)[0]
    } else {
      const crop = fixedPadding(options['padding'], axis, eff)
      begin = crop[0]
      const formula = full - crop[0] - crop[1]
      const extra = wanted === undefined ? perAxis(options['outputPadding'], axis, 0) : wanted - formula
      if (extra < 0 || extra >= Math.max(stride, dilation)) return undefined
      image = formula + extra
    }
  }
  if (image < 1 || features < 1) return undefined
  const terms: [number, number, number][] = []
  for (let f = 0; f < features; f++) {
    for (let t = 0; t < taps; t++) {
      const at = fold(f * stride + t * dilation - begin, image, mode)
      if (at >= 0 && at < image) terms.push([f, at, options['flipKernel'] === true ? taps - 1 - t : t])
    }
  }
  return { image, features, terms }
}

/**
 * C without its weights: flat feature, image and tap positions of every term, with the shapes around them (channels-
 * first, batch 1 where unbatched).
 */
export class Definition {
  readonly imageShape: readonly number[]
  readonly featureShape: readonly number[]
  readonly weightShape: readonly number[]
  private readonly terms: readonly (readonly [number, number, number])[]

  private constructor(
    readonly problem: Problem,
    axes: readonly Axis[],
  ) {
    const { family, cin, cout, groups, kernel, batch } = problem
    const [imageChannels, featureChannels] = family === 'conv' ? [cin, cout] : [cout, cin]
    this.imageShape = [batch ?? 1, imageChannels, ...axes.map((a) => a.image)]
    this.featureShape = [batch ?? 1, featureChannels, ...axes.map((a) => a.features)]
    this.weightShape = [featureChannels, imageChannels / groups, ...kernel]
    let terms: (readonly [number, number, number])[] = [[0, 0, 0]]
    axes.forEach((axis, at) => {
      const taps = kernel[at]
      terms = terms.flatMap(([f, i, t]) =>
        axis.terms.map(([df, di, dt]) => [f * axis.features + df, i * axis.image + di, t * taps + dt] as const),
      )
    })
    this.terms = terms
  }

  /** undefined where the call is illegal. */
  static of(problem: Problem): Definition | undefined {
    const axes = problem.spatial.map((_, axis) => axisOf(problem, axis))
    return axes.every((axis) => axis !== undefined) ? new Definition(problem, axes) : undefined
  }

  get inputShape(): readonly number[] {
    return this.shape(this.problem.family === 'conv' ? this.imageShape : this.featureShape)
  }

  get outputShape(): readonly number[] {
    return this.shape(this.problem.family === 'conv' ? this.featureShape : this.imageShape)
  }

  /** How many products the largest sums of the three passes have: the K of their error bounds. */
  get maxTerms(): number {
    const most = (part: 0 | 1 | 2): number => {
      const counts = new Map<number, number>()
      for (const term of this.terms) counts.set(term[part], (counts.get(term[part]) ?? 0) + 1)
      return Math.max(1, ...counts.values())
    }
    const [n, featureChannels] = this.featureShape
    const imageChannels = this.imageShape[1]
    const { groups } = this.problem
    return Math.max((imageChannels / groups) * most(0), (featureChannels / groups) * most(1), n * most(2))
  }

  get multiplyAdds(): number {
    return ((this.problem.batch ?? 1) * this.terms.length * this.problem.cin * this.problem.cout) / this.problem.groups
  }

  forward(input: Plain, weight: Plain): Plain {
    return this.problem.family === 'conv' ? this.direct(input, weight) : this.adjoint(input, weight)
  }

  gradInput(weight: Plain, gradOutput: Plain): Plain {
    return this.problem.family === 'conv' ? this.adjoint(gradOutput, weight) : this.direct(gradOutput, weight)
  }

  gradWeight(input: Plain, gradOutput: Plain): Plain {
    const [image, features] = this.problem.family === 'conv' ? [input, gradOutput] : [gradOutput, input]
    const result = floats('float64', product(this.weightShape))
    this.visit((f, i, w) => {
      result[w] = result[w] + features.data[f] * image.data[i]
    })
    return { data: result, shape: this.weightShape }
  }

  private direct(image: Plain, weight: Plain): Plain {
    const result = floats('float64', product(this.featureShape))
    this.visit((f, i, w) => {
      result[f] = result[f] + image.data[i] * weight.data[w]
    })
    return { data: result, shape: this.shape(this.featureShape) }
  }

  private adjoint(features: Plain, weight: Plain): Plain {
    const result = floats('float64', product(this.imageShape))
    this.visit((f, i, w) => {
      result[i] = result[i] + features.data[f] * weight.data[w]
    })
    return { data: result, shape: this.shape(this.imageShape) }
  }

  private shape(full: readonly number[]): readonly number[] {
    return this.problem.batch === null ? full.slice(1) : full
  }

  /** Calls back with the flat indices of feature, image and weight of every product. */
  private visit(visitor: (feature: number, image: number, weight: number) => void): void {
    const [n, featureChannels] = this.featureShape as [number, number]
    const imageChannels = this.imageShape[1]
    const [featureSize, imageSize] = [product(this.featureShape.slice(2)), product(this.imageShape.slice(2))]
    const taps = product(this.problem.kernel)
    const perGroup = imageChannels / this.problem.groups
    const featuresPerGroup = featureChannels / this.problem.groups
    for (let image = 0; image < n; image++) {
      for (let b = 0; b < featureChannels; b++) {
        for (let a = 0; a < perGroup; a++) {
          const channel = Math.floor(b / featuresPerGroup) * perGroup + a
          const f0 = (image * featureChannels + b) * featureSize
          const i0 = (image * imageChannels + channel) * imageSize
          const w0 = (b * perGroup + a) * taps
          for (const [f, i, t] of this.terms) visitor(f0 + f, i0 + i, w0 + t)
        }
      }
    }
  }
}
