/**
 * The names that the option `algorithm` takes beside 'auto', in the planner's order: the same list on every backend
 * (the TypeScript one checks the name and ignores it). Fixed by `algorithms` in native/core/conv/plan.cpp; the loader
 * refuses an addon whose list differs.
 */
export const ALGORITHMS: readonly string[] = ['fft', 'depthwise', 'winograd', 'direct', 'im2col']
