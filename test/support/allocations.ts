/** What a call asks of the memory for arrays: convkit makes its arrays by these three constructors alone. */

const constructors = ['Float32Array', 'Float64Array', 'Uint32Array'] as const

/**
 * Runs a call with counting constructors in place. Single arrays beyond `limit` bytes are refused as V8 refuses them
 * when there is no room.
 * @returns what the call gave, and the bytes of all arrays that it asked for by their length
 */
export const countingAllocations = <T>(limit: number, call: () => T): { value: T; bytes: number } => {
  let bytes = 0
  const globals = globalThis as unknown as Record<string, object>
  const originals = constructors.map((name) => [name, globals[name]] as const)
  for (const [name, original] of originals) {
    globals[name] = new Proxy(original, {
      construct(target, args: unknown[], newTarget) {
        const [length] = args
        if (typeof length === 'number') {
          const size = length * (name === 'Float64Array' ? 8 : 4)
          if (size > limit) throw new RangeError('Array buffer allocation failed')
          bytes += size
        }
        return Reflect.construct(target as new () => object, args, newTarget) as object
      },
    })
  }
  try {
    return { value: call(), bytes }
  } finally {
    for (const [name, original] of originals) globals[name] = original
  }
}
