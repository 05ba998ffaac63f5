import { abortError, type AbortSignalLike } from './errors.js'

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

const ABORTED = Symbol('aborted')

/**
 * Settles as `done` does; but when the signal aborts first, calls `cancel` and rejects at once. The signal may be any
 * object of the caller's: what its functions and getters throw rejects, and ends the call.
 */
export async function withAbort<T>(
  signal: AbortSignalLike | undefined,
  done: Promise<T>,
  cancel: () => void,
): Promise<T> {
  if (signal === undefined) return done
  let stop = (): void => undefined
  const aborted = new Promise<typeof ABORTED>((resolve) => {
    const abort = (): void => {
      cancel()
      resolve(ABORTED)
    }
    stop = onAbort(signal, abort)
    if (signal.aborted) abort() // while it was told to listen
  })
  try {
    const result = await Promise.race([done, aborted])
    // A listener of the caller's may have kept the event from this one.
    if (result === ABORTED || signal.aborted) throw abortError(signal)
    return result
  } catch (error) {
    cancel()
    throw error
  } finally {
    stop()
  }
}
