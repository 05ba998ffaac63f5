/**
 * Random calls of every function: legal arguments and options, any of which may be replaced by a hostile value, and a
 * getter among them that does harm to an operand while the call reads its arguments.
 *
 * A recipe holds makers of values, so that the same call can be made again for every backend.
 */

import fc from 'fast-check'
import { types } from 'node:util'
import { detach, resizableBuffer } from './buffers.js'
import { catalogue } from './hostile.js'
import { optionNames } from './operators.js'

export type Make = () => unknown

export interface Recipe {
  readonly target: Target
  readonly args: readonly Make[]
  readonly options: readonly (readonly [string, Make])[]
  /** Harm done to operand number `victim` when property number `at` is read. */
  readonly trap: { readonly at: number; readonly victim: number; readonly harm: Harm } | undefined
}

const families = ['conv', 'convTranspose'] as const
const members = ['', 'gradInput', 'gradWeight', 'outputShape', 'plan', 'prepare'] as const
const helpers = [
  'gradBias',
  'im2col',
  'col2im',
  'convolutionMatrix',
  'asDirectConvolution',
  'upsampleAsTranspose',
  'bilinearWeight',
  'tensor',
  'zeros',
  'reshape',
] as const
export type Target =
  | { readonly family: (typeof families)[number]; readonly rank: number; readonly member: (typeof members)[number] }
  | { readonly helper: (typeof helpers)[number] }

const harms = ['detach', 'shrink', 'grow', 'overwrite', 'throw'] as const
export type Harm = (typeof harms)[number]

/** Buffers of `bytes` from `offset` on, of every kind. */
const bufferKinds: readonly ((bytes: number) => ArrayBufferLike)[] = [
  (bytes) => new ArrayBuffer(bytes),
  (bytes) => new SharedArrayBuffer(bytes),
  (bytes) => resizableBuffer(bytes, bytes + 4096),
  (bytes) => Buffer.alloc(bytes).buffer,
]

interface Floats {
  readonly double: boolean
  readonly kind: number
  readonly offset: number
  readonly tracking: boolean
}

/** Small whole numbers in a buffer of some kind, at some offset. */
const floatsOf = ({ double, kind, offset, tracking }: Floats, length: number): Float32Array | Float64Array => {
  const Type = double ? Float64Array : Float32Array
  const [at, bytes] = [offset * Type.BYTES_PER_ELEMENT, length * Type.BYTES_PER_ELEMENT]
  const buffer = bufferKinds[kind](at + bytes) as ArrayBuffer
  const array = tracking && buffer.byteLength === at + bytes ? new Type(buffer, at) : new Type(buffer, at, length)
  for (let i = 0; i < length; i++) array[i] = ((i * 7) % 11) - 5
  return array
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

const floatKind = fc.record({
  double: fc.boolean(),
  kind: fc.integer({ min: 0, max: bufferKinds.length - 1 }),
  offset: fc.integer({ min: 0, max: 17 }),
  tracking: fc.boolean(),
})

const problem = fc.record({
  rank: fc.integer({ min: 1, max: 3 }),
  batch: fc.constantFrom(undefined, 0, 1, 1, 2),
  groups: fc.constantFrom(1, 1, 2),
  cin: fc.constantFrom(1, 2, 3),
  cout: fc.constantFrom(1, 2, 5),
  spatial: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })),
  floats: floatKind,
  last: fc.boolean(),
})

const hostile = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...catalogue) },
  {
    weight: 1,
    arbitrary: fc
      .anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true, withTypedArray: true, maxDepth: 2 })
      .map((value) => () => value),
  },
)

const perAxis = (min: number, max: number, rank: number): fc.Arbitrary<Make> =>
  fc
    .oneof(fc.integer({ min, max }), fc.array(fc.integer({ min, max }), { minLength: rank, maxLength: rank }))
    .map((value) => () => value)

/** Makers of legal values, most of the time. `cout` and `out` are the lengths that bias and out should have. */
const optionArbitrary = (key: string, rank: number, cout: number, out: number): fc.Arbitrary<Make> => {
  const words = (...values: unknown[]): fc.Arbitrary<Make> => fc.constantFrom(...values).map((value) => () => value)
  switch (key) {
    case 'stride':
    case 'dilation':
      return perAxis(1, 3, rank)
    case 'padding':
      return fc.oneof(perAxis(0, 2, rank), words('valid', 'same', 'same-lower', 'full', 'half', 'causal'))
    case 'outputPadding':
      return perAxis(0, 2, rank)
    case 'outputShape':
      return perAxis(1, 9, rank)
    case 'paddingMode':
      return words('zeros', 'reflect', 'replicate', 'circular')
    case 'groups':
      return words(1, 2)
    case 'bias':
      return floatKind.map((kind) => () => floatsOf({ ...kind, double: false }, cout))
    case 'out':
      return floatKind.map((kind) => () => floatsOf({ ...kind, double: false }, out))
    case 'activation':
      return words('relu', 'tanh', 'silu', { type: 'elu', alpha: 1 }, { type: 'clip', min: -2, max: 3 })
    case 'layout':
    case 'weightLayout':
      return words('channels-first', 'channels-last')
    case 'algorithm':
      return words('auto', 'im2col', 'direct', 'depthwise', 'winograd', 'fft')
    case 'flipKernel':
      return words(true, false)
    case 'dtype':
      return words('float32', 'float64')
    case 'pass':
      return words('forward', 'gradInput', 'gradWeight')
    default:
      return words(undefined)
  }
}

/** The options of what is no operator. */
const keysOf: Readonly<Record<string, readonly string[]>> = {
  gradBias: ['layout', 'out'],
  im2col: ['stride', 'dilation', 'padding', 'out'],
  col2im: ['stride', 'dilation', 'padding', 'out'],
  upsampleAsTranspose: ['padding', 'dilation', 'groups', 'flipKernel', 'layout', 'weightLayout'],
  bilinearWeight: ['groups', 'dtype', 'layout'],
}

const target: fc.Arbitrary<Target> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      family: fc.constantFrom(...families),
      rank: fc.constant(0),
      member: fc.constantFrom(...members),
    }),
  },
  { weight: 1, arbitrary: fc.record({ helper: fc.constantFrom(...helpers) }) },
)

type ProblemValue = typeof problem extends fc.Arbitrary<infer P> ? P : never

/** Legal arguments of a target: stride 1, no padding. Options may turn them into anything. */
const legalArguments = (to: Target, p: ProblemValue) => {
  const { rank, groups } = p
  const transposed = 'family' in to && to.family === 'convTranspose'
  const [cin, cout] = [groups * p.cin, groups * p.cout]
  const kernel = p.kernel.slice(0, rank)
  const spatial = p.spatial.slice(0, rank).map((extent, axis) => Math.max(extent, kernel[axis]))
  const after = spatial.map((extent, axis) => (transposed ? extent + kernel[axis] - 1 : extent - kernel[axis] + 1))
  const map = (channels: number, extents: readonly number[]): number[] => [
    ...(p.batch === undefined ? [] : [p.batch]),
    ...(p.last ? [...extents, channels] : [channels, ...extents]),
  ]
  const sides = transposed ? [cin, cout / groups] : [cout, cin / groups]
  const shapes = {
    input: map(cin, spatial),
    output: map(cout, after),
    weight: p.last ? [...kernel, sides[1], sides[0]] : [...sides, ...kernel],
  }
  const tensor =
    (shape: readonly number[]): Make =>
    () => ({ data: floatsOf(p.floats, size(shape)), shape: [...shape] })
  const list =
    (shape: readonly number[]): Make =>
    () => [...shape]
  const [x, w, g] = [tensor(shapes.input), tensor(shapes.weight), tensor(shapes.output)]
  const argumentsOf: Readonly<Record<string, Make[]>> = {
    '': [x, w],
    gradInput: [list(shapes.input), w, g],
    gradWeight: [x, list(shapes.weight), g],
    outputShape: [list(shapes.input), list(shapes.weight)],
    plan: [list(shapes.input), list(shapes.weight)],
    prepare: [w, x],
    gradBias: [g],
    im2col: [tensor([cin, ...spatial]), list(kernel)],
    col2im: [tensor([cin * size(kernel), size(spatial.map((n, i) => n - kernel[i] + 1))]), list(spatial), list(kernel)],
    convolutionMatrix: [w, list(shapes.input)],
    asDirectConvolution: [x, tensor(p.last ? [...kernel, cout / groups, cin] : [cin, cout / groups, ...kernel])],
    upsampleAsTranspose: [w, () => 2],
    bilinearWeight: [() => cin, () => 2],
    tensor: [() => [1, 2, 3, 4], () => [2, 2]],
    zeros: [list(shapes.input)],
    reshape: [() => [2, -1]],
  }
  const name = 'helper' in to ? to.helper : to.member
  const fixed: [string, Make][] = [
    ...(p.last ? [['layout', () => 'channels-last'] as [string, Make]] : []),
    ...(groups > 1 ? [['groups', () => groups] as [string, Make]] : []),
  ].filter(([key]) => (keysOf[name] ?? optionNames).includes(key))
  return { name, args: argumentsOf[name], fixed, cout, out: size(shapes.output) }
}

const orHostile = (percent: number, legal: Make): fc.Arbitrary<Make> =>
  fc.oneof({ weight: 100 - percent, arbitrary: fc.constant(legal) }, { weight: percent, arbitrary: hostile })

export const recipe: fc.Arbitrary<Recipe> = fc.tuple(target, problem).chain(([drawn, p]) => {
  const to = 'family' in drawn ? { ...drawn, rank: p.rank } : drawn
  const { name, args, fixed, cout, out } = legalArguments(to, p)
  const option = fc.constantFrom(...(keysOf[name] ?? optionNames)).chain((key) =>
    optionArbitrary(key, p.rank, cout, out)
      .chain((legal) => orHostile(15, legal))
      .map((make) => [key, make] as const),
  )
  const options =
    'helper' in to && ['tensor', 'zeros', 'reshape'].includes(to.helper)
      ? fc.constant([])
      : fc.array(option, { maxLength: 4 })
  return fc.record({
    target: fc.constant(to),
    args: fc.tuple(...args.map((arg) => orHostile(8, arg))),
    options: options.map((some) => [...fixed, ...some]),
    trap: fc.option(
      fc.record({
        at: fc.integer({ min: 0, max: 8 }),
        victim: fc.integer({ min: 0, max: 3 }),
        harm: fc.constantFrom(...harms),
      }),
      { nil: undefined, freq: 3 },
    ),
  })
})

/** Does harm to a buffer, where its kind allows that. */
const doHarm = (harm: Harm, buffer: ArrayBufferLike): void => {
  const resizable = buffer as ReturnType<typeof resizableBuffer> & { resizable?: boolean; maxByteLength: number }
  if (harm === 'throw') throw new RangeError('thrown by a getter')
  if (buffer.byteLength === 0) return // nothing left to harm
  if (harm === 'overwrite') new Uint8Array(buffer).fill(0x40)
  if (harm === 'detach' && buffer instanceof ArrayBuffer) detach(buffer)
  if (resizable.resizable !== true) return
  if (harm === 'shrink') resizable.resize(0)
  if (harm === 'grow') resizable.resize(resizable.maxByteLength)
}

/** Fresh arguments and options of a recipe, its trap set. */
export const prepareCall = (
  { args: makeArgs, options: makeOptions, trap }: Recipe,
  extra: Readonly<Record<string, unknown>>,
): { args: unknown[]; options: Record<string, unknown> } => {
  const args = makeArgs.map((make) => make())
  const options: Record<string, unknown> = { ...extra }
  for (const [key, make] of makeOptions) options[key] = make()
  if (trap === undefined) return { args, options }
  const isTensor = (value: unknown): value is { data: Float32Array; shape: number[] } =>
    typeof value === 'object' &&
    value !== null &&
    !types.isProxy(value) &&
    Object.getPrototypeOf(value) === Object.prototype &&
    'data' in value
  const arrays = [...args.filter(isTensor).map(({ data }) => data), ...Object.values(options)].filter(
    (value) => types.isFloat32Array(value) || types.isFloat64Array(value),
  )
  const places = [...args.filter((arg) => isTensor(arg) && !Object.isFrozen(arg)), options].flatMap((object) =>
    Object.keys(object as object).map((key) => [object as Record<string, unknown>, key] as const),
  )
  if (arrays.length === 0 || places.length === 0) return { args, options }
  const [object, key] = places[trap.at % places.length]
  const value = object[key]
  const victim = arrays[trap.victim % arrays.length]
  const intrinsic = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'buffer')?.get
  Object.defineProperty(object, key, {
    enumerable: true,
    get: () => {
      doHarm(trap.harm, intrinsic?.call(victim) as ArrayBufferLike)
      return value
    },
  })
  return { args, options }
}
