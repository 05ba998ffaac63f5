/** The environment variables, checked; what depends on the machine is left to select.ts. */

export const MAX_THREADS = 1024

export interface Settings {
  readonly backend: 'native' | 'typescript' | undefined
  readonly isa: string | undefined
  readonly threads: number | undefined
  /** What is wrong with them, and what would be right. */
  readonly complaint: string | undefined
}

type Name = 'CONVKIT_BACKEND' | 'CONVKIT_ISA' | 'CONVKIT_THREADS'

export function readSettings(environment: { readonly [name in Name]?: string | undefined }): Settings {
  // An empty variable counts as absent: that is how shells and container files unset one.
  const backend = environment.CONVKIT_BACKEND || undefined
  const isa = environment.CONVKIT_ISA || undefined
  const threads = environment.CONVKIT_THREADS || undefined
  if (backend !== undefined && backend !== 'native' && backend !== 'typescript') {
    return wrong(`CONVKIT_BACKEND=${backend} does not exist; it takes native or typescript`)
  }
  if (threads !== undefined && !(/^[0-9]+$/.test(threads) && +threads >= 1 && +threads <= MAX_THREADS)) {
    return wrong(`CONVKIT_THREADS=${threads} is no number of threads; it takes 1 to ${MAX_THREADS}`)
  }
  return { backend, isa, threads: threads === undefined ? undefined : +threads, complaint: undefined }
}

function wrong(complaint: string): Settings {
  return { backend: undefined, isa: undefined, threads: undefined, complaint }
}
