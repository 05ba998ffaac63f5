import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A test of a large layer on the TypeScript backend, beside another one on the second core, takes its time.
    testTimeout: 60_000,
    // The library keeps one thread pool per process and reads its environment once: every test file has its own process.
    pool: 'forks',
  },
})
