import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

export default defineConfig(
  globalIgnores([
    'test/package/program.ts',
    '**/node_modules',
    '**/dist',
    '**/build',
    'build-*',
    'coverage',
    'examples/*/out',
    'bench/results',
  ]),
  {
    files: ['lib/**/*.{ts,cts}', 'test/**/*.ts', 'vitest.config.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Kernels index arrays whose bounds they know; noUncheckedIndexedAccess is off for the same reason.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Every value may come from JavaScript: checks that the types call needless are what a library is for.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-unnecessary-type-conversion': 'off',
      // `async` is also there to turn what a function throws into a rejection.
      '@typescript-eslint/require-await': 'off',
      // Getters are taken from prototypes to be called on values that may lie about themselves.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowArray: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    // Calls that types forbid are what much of the suite is about.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
  {
    files: ['lib/**/*.ts'],
    ignores: ['lib/node/**', 'lib/index.ts', 'lib/promises.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^node:|/node/', message: 'Only lib/node knows Node: the rest runs in a browser.' }] },
      ],
    },
  },
  {
    // What has dependencies of its own, or no types, is linted without them.
    files: ['**/*.{js,mjs,cjs}', 'bench/**/*.ts', 'examples/**/*.ts'],
    extends: [tseslint.configs.strict],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    // Programs of users who have CommonJS.
    files: ['**/*.cjs'],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
)
