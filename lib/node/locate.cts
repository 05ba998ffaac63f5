/**
 * Where this build of the library lies. CommonJS, so that the same line works in dist/esm and in dist/cjs: an ES module
 * has no `__dirname`, a CommonJS one no `import.meta`. A bundler may take it away, or make it the folder of the bundle;
 * then there is no native code and no worker thread, and nothing else is lost.
 *
 * Without type annotations: the test runner executes this file as it is.
 */
export const directory = typeof __dirname === 'string' ? __dirname : undefined
