import { abortError, type AbortSignalLike } from '../errors.js'

interface Listener {
  readonly listener: () => void
  readonly callbacks: Set<() => void>
}

const listeners = new WeakMap<AbortSignalLike, Listener>()

/** Many calls may share a signal: it gets one listener, since Node warns of a leak when there are more than ten. */
function onAbort(signal: AbortSignalLike, callback: () => void): () => void {
  const entry = listeners.get(signal) ?? listen(signal)
  entry.callbacks.add(callback)
  return () => {
    entry.callbacks.delete(callback)
    if (entry.callbacks.size > 0) return
    listeners.delete(signal)
    signal.removeEventListener('abort', entry.listener)
  }
}

function listen(signal: AbortSignalLike): Listener {
  const callbacks = new Set<() => void>()
  const listener = (): void => {
    for (const callback of [...callbacks]) callback()
  }
  signal.addEventListener('abort', listener)
  listeners.set(signal, { listener, callbacks })
  return { listener, callbacks }
}

/** Settles as `done` does; but when the signal aborts first, rejects at once and calls `cancel`. */
export async function withAbort<T>(
  signal: AbortSignalLike | undefined,
  done: Promise<T>,
  cancel: () => void,
): Promise<T> {
  if (signal === undefined) return done
  let stop = (): void => undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = onAbort(signal, () => {
      reject(abortError(signal))
      cancel()
    })
  })
  try {
    return await Promise.race([done, aborted])
  } finally {
    stop()
  }
}
