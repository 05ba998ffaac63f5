/**
 * Where this build of the library lies, and a `require` to load native code with. CommonJS, so that the same lines work
 * in dist/esm and in dist/cjs: an ES module has no `require`, a CommonJS one no `import.meta`. A bundler may take either
 * away; then there is no native code and no worker thread, and nothing else is lost.
 *
 * Without type annotations: the test runner executes this file as it is.
 */
export const nodeRequire = typeof require === 'function' ? require : undefined
export const directory = typeof __dirname === 'string' ? __dirname : undefined
