/** Which backends this run can test: native code where it loaded, and the TypeScript path always. */

import { info } from '../../lib/index.js'

export type BackendName = 'native' | 'typescript'

const native = info().backend === 'native'

/** CONVKIT_REQUIRE_NATIVE=1 (continuous integration) makes a missing native backend a failure instead of a skip. */
const requireNative = process.env['CONVKIT_REQUIRE_NATIVE'] === '1'

export const backends: readonly BackendName[] = native || requireNative ? ['native', 'typescript'] : ['typescript']

export const hasNative = backends.includes('native')
