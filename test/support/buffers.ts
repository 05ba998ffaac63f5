/** Buffers of every kind that JavaScript has, for operands and results. */

interface Resizable {
  resize(bytes: number): void
}

/** A resizable ArrayBuffer; the ES2023 types do not know it yet, Node 20 does. */
export const resizableBuffer = (bytes: number, maxByteLength: number): ArrayBuffer & Resizable =>
  new (ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer & Resizable)(
    bytes,
    { maxByteLength },
  )

export const detach = (buffer: ArrayBufferLike): void => {
  structuredClone(0, { transfer: [buffer as ArrayBuffer] })
}

/** A copy of the array that starts `offset` bytes into a larger buffer of the given kind. */
export const viewAt = <T extends Float32Array | Float64Array>(
  array: T,
  offset: number,
  makeBuffer: (bytes: number) => ArrayBufferLike = (bytes) => new ArrayBuffer(bytes),
): T => {
  const Type = array.constructor as new (buffer: ArrayBufferLike, offset: number, length: number) => T
  const view = new Type(makeBuffer(offset + array.byteLength + 24), offset, array.length)
  view.set(array)
  return view
}
