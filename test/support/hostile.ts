/**
 * A catalogue of hostile values: anything that JavaScript lets a caller put where a number, an array, a tensor or an
 * object of options belongs.
 */

import { createContext, runInContext } from 'node:vm'
import { detach } from './buffers.js'

/** Values of another realm: other constructors, the same kinds. */
const realm = createContext({})
const elsewhere = (code: string): unknown => runInContext(code, realm)

/** What the getters and proxies of the catalogue throw. It must come through unchanged. */
class Trap extends Error {
  override readonly name = 'Trap'
}
export const isTrap = (error: unknown): boolean => error instanceof Trap

/** A proxy that throws whatever one asks of it, but whether it is an array. */
const trapped = <T extends object>(target: T): T => {
  const spring = (): never => {
    throw new Trap('sprung')
  }
  return new Proxy(target, { get: spring, has: spring, ownKeys: spring, getOwnPropertyDescriptor: spring })
}

const revoked = <T extends object>(target: T): T => {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

/** An array that has the first length and the entries of the second from then on. */
const restless = (first: readonly number[], later: readonly number[]): unknown => {
  let asked = 0
  return new Proxy([...first], {
    get: (_, key) => Reflect.get(key === 'length' && asked++ === 0 ? first : later, key) as unknown,
  })
}

/** A true Float32Array that tells lies to those who ask it, and whose methods do harm. */
export class Lying extends Float32Array {
  override get length(): number {
    return 2 ** 31
  }
  override get byteLength(): number {
    return 2 ** 33
  }
  override get byteOffset(): number {
    return 4000
  }
  override get buffer(): ArrayBuffer {
    return new ArrayBuffer(0)
  }
  override fill(): never {
    throw new Error('a method of the caller was called')
  }
  override set(): never {
    throw new Error('a method of the caller was called')
  }
  override subarray(): never {
    throw new Error('a method of the caller was called')
  }
  override slice(): never {
    throw new Error('a method of the caller was called')
  }
  override [Symbol.iterator](): never {
    throw new Error('a method of the caller was called')
  }
}

const detached = (length: number): Float32Array => {
  const array = new Float32Array(length)
  detach(array.buffer)
  return array
}

const wasmBuffer = (): ArrayBuffer => {
  const { WebAssembly: wasm } = globalThis as unknown as {
    WebAssembly: { Memory: new (pages: { initial: number }) => { buffer: ArrayBuffer } }
  }
  return new wasm.Memory({ initial: 1 }).buffer
}

/** A Float16Array where there is one. */
const float16 = (length: number): unknown => {
  const { Float16Array: Type = Int16Array } = globalThis as { Float16Array?: new (length: number) => unknown }
  return new Type(length)
}

/** Made anew for every use: what one call does to a value must not reach the next. */
export const catalogue: readonly (() => unknown)[] = [
  () => null,
  () => true,
  () => false,
  () => -0,
  () => 0,
  () => 1,
  () => 2,
  () => 1.5,
  () => -1,
  () => NaN,
  () => Infinity,
  () => -Infinity,
  () => Number.EPSILON,
  () => 2 ** 31,
  () => 2 ** 32,
  () => 2 ** 53,
  () => 2 ** 53 - 1,
  () => 1e300,
  () => 3n,
  () => 2n ** 64n,
  () => '',
  () => '1',
  () => 'same',
  () => 'SAME',
  () => '__proto__',
  () => 'toString',
  () => Symbol('hostile'),
  () => Symbol.iterator,
  () => ({}),
  () => ({ length: 2, 0: 1, 1: 1 }),
  () => ({ length: -1 }),
  () => ({ valueOf: () => 2, toString: () => 'relu' }),
  () => ({ type: 'relu' }),
  () => ({ type: 'clip', min: NaN, max: 2 }),
  () => ({ type: 'leaky-relu', slope: '1' }),
  () => ({ type: 'elu', alpha: NaN }),
  () => ({ type: 'prelu', slope: [1, 2] }),
  () => ({ type: 'prelu', slope: new Float32Array(0) }),
  () => ({ data: new Float32Array(6) }),
  () => ({ data: new Float32Array(6), shape: null }),
  () => ({ data: new Float32Array(6), shape: [2, '3'] }),
  () => ({ data: new Float32Array(6), shape: [2, -3] }),
  () => ({ data: new Float32Array(6), shape: [1.5, 4] }),
  () => ({ data: new Float32Array(6), shape: [2 ** 53, 2 ** 53, 2 ** 53, 2 ** 53] }),
  () => ({ data: new Float32Array(0), shape: [0, 2 ** 53 - 1, 2 ** 53 - 1, 2] }),
  () => ({ data: new Float32Array(6), shape: new Array(1000).fill(1) }),
  () => ({ data: [1, 2], shape: [2] }),
  () => ({ data: null, shape: [1, 2, 5, 5] }),
  () => ({ shape: [1, 2, 5, 5] }),
  () => ({ data: new Float64Array(50), shape: [1, 2, 5, 5] }),
  () => ({ data: new Float32Array(50), dims: [1, 2, 5, 5] }),
  () => ({ data: new Float32Array(50), shape: [1, 2, 5, 5], dtype: 'int8' }),
  () => [],
  () => [null, null],
  () => [1],
  () => [1, 1],
  () => [2, 0],
  () => [0, 0],
  () => [-1, 1],
  () => [1, 1, 1, 1],
  () => [1, 2, 5, 5],
  () => [1, 2, 5, -5],
  () => [2 ** 32, 2 ** 32, 3, 3],
  () => new Array<unknown>(2),
  () => Object.assign(new Array<unknown>(2), { 0: 1 }),
  () => new Array<unknown>(2 ** 12),
  () => [
    [1, 1],
    [1, 1],
  ],
  () => [
    [1, 1],
    [1, '1'],
  ],
  () => [[1], [1]],
  () => {
    const cyclic: unknown[] = [1]
    cyclic.push(cyclic)
    return cyclic
  },
  () => new Int32Array([1, 1]),
  () => new Float32Array(6),
  () => new Float32Array(0),
  () => new Float64Array(6),
  () => new Uint8Array(6),
  () => new BigInt64Array(2),
  () => new ArrayBuffer(8),
  () => new SharedArrayBuffer(8),
  () => new DataView(new ArrayBuffer(8)),
  () => new Date(0),
  () => /same/,
  () => new Map([['stride', 2]]),
  () => new Set([1, 1]),
  () => new Error('value'),
  () => new Proxy({}, {}),
  () => new Proxy([1, 1], {}),
  () => new Proxy(() => undefined, {}),
  () => Promise.resolve(1),
  () => () => undefined,
  () => class Empty extends Array {},
  () => Object.create(null) as unknown,
  () => Object.freeze([1, 1]),
  () => new String('same'),
  () => new Number(1),
  () => new Boolean(true),
  () => globalThis,
  // Numbers beyond every integer type, and texts and digits without end.
  () => 2 ** 63,
  () => -(2 ** 63),
  () => 2 ** 1023,
  () => 2 ** 31 - 1,
  () => 2n ** 20_000n,
  () => -(2n ** 63n),
  () => 'İ'.repeat(100_000),
  () => '\ud800 lone \u2028 \u0000 \u202e',
  () => [1n, 1n],
  () => [Symbol('entry'), 1],
  () => [NaN, -0],
  () => [-0, -0],
  () => [2 ** 31, 2 ** 31],
  () => [2 ** 53 - 1, 2 ** 53 - 1],
  () => [{ valueOf: () => 1 }, 1],
  // Arrays that are long, lie, or are no plain ones.
  () => new Array<unknown>(2 ** 32 - 1),
  () => Object.assign(new Array<unknown>(2 ** 31), { 0: -1 }),
  () =>
    new Proxy([1, 1], { get: (target, key) => (key === 'length' ? 2 ** 32 : (Reflect.get(target, key) as unknown)) }),
  () => new Proxy([1, 1], { get: (target, key) => (key === 'length' ? '2' : (Reflect.get(target, key) as unknown)) }),
  () => new Proxy([1, 1], { get: (target, key) => (key === 'length' ? NaN : (Reflect.get(target, key) as unknown)) }),
  () => restless([1, 1], [1, 1, 1]),
  () => restless([1, 2, 5, 5], [1]),
  () => new (class extends Array<number> {})(1, 1),
  () => Object.assign([1, 1], { constructor: null, [Symbol.iterator]: null }),
  () => Object.setPrototypeOf([1, 1], null) as unknown,
  () => revoked([1, 1]),
  () => revoked({}),
  () => [revoked([1, 1]), revoked([1, 1])],
  () => new Proxy(revoked([]), {}),
  // Whoever reads a property meets an error of the caller's own.
  () => trapped({ data: new Float32Array(50), shape: [1, 2, 5, 5] }),
  () => trapped([1, 1]),
  () => trapped(new Float32Array(50)),
  // Typed arrays, tensors and buffers of unusual kinds.
  () => new Proxy(new Float32Array(50), {}),
  () => new Uint8ClampedArray(6),
  () => new BigUint64Array(6),
  () => ({ data: new DataView(new ArrayBuffer(200)), shape: [1, 2, 5, 5] }),
  () => ({ data: new BigInt64Array(50), shape: [1, 2, 5, 5] }),
  () => ({ data: Buffer.alloc(200), shape: [1, 2, 5, 5] }),
  () => float16(50),
  () => ({ data: float16(50), shape: [1, 2, 5, 5] }),
  () => ({ data: detached(50), shape: [1, 2, 5, 5] }),
  () => detached(6),
  () => ({ data: new Lying(50), shape: [1, 2, 5, 5] }),
  () => ({ data: new Lying(6), shape: [1, 6] }),
  () => new Lying(6),
  () => Object.setPrototypeOf(new Float32Array(6), null) as unknown,
  () => Object.setPrototypeOf(new Float32Array(6), Float64Array.prototype) as unknown,
  () => Object.setPrototypeOf({ length: 6 }, Float32Array.prototype) as unknown,
  () => new Float32Array(new SharedArrayBuffer(24)),
  () => new Float32Array(wasmBuffer(), 8, 6),
  () => Object.assign(Object.create(null) as object, { data: new Float32Array(50), shape: [1, 2, 5, 5] }),
  () => Object.freeze({ data: new Float32Array(50), shape: Object.freeze([1, 2, 5, 5]) }),
  () => ({ data: new Float32Array(50), shape: new (class extends Array<number> {})(1, 2, 5, 5) }),
  () => Object.create({ data: new Float32Array(50), shape: [1, 2, 5, 5] }) as unknown,
  () => ({ type: { toString: () => 'elu' }, alpha: 1 }),
  () => ({ type: 'prelu', slope: new Lying(6) }),
  () => Object.assign(Object.create(null) as object, { type: 'clip', min: 0, max: 1 }),
  () => new AbortController().signal,
  () => AbortSignal.abort(3),
  () => ({ aborted: false, addEventListener: 1, removeEventListener: 2 }),
  () => elsewhere('[1, 1]'),
  () => elsewhere('new Float32Array(6)'),
  () => elsewhere('({ data: new Float32Array(50), shape: [1, 2, 5, 5] })'),
]

export const describeValue = (value: unknown): string => {
  try {
    return typeof value === 'object' ? (JSON.stringify(value) ?? 'object').slice(0, 80) : String(value).slice(0, 80)
  } catch {
    return typeof value
  }
}
