// An application bundled with convkit inside (not marked external), its bundle alone copied to an empty folder: it runs,
// native or on the fallback with its reason, and never fails at import.
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, runNpm } from '../run.mjs'
import { smoke } from './smoke.mjs'

export async function bundles(app, folder, env) {
  const tools = join(root, 'test/package')
  if (!existsSync(join(tools, 'node_modules/webpack'))) {
    runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: tools })
  }
  const require = createRequire(join(tools, 'package.json'))
  const load = (name) => import(pathToFileURL(require.resolve(name)).href)
  const { build: esbuild } = await load('esbuild')
  const { default: webpack } = await load('webpack')
  const { build: vite } = await load('vite')
  const out = join(folder, 'out')
  const ways = {
    'esbuild.mjs': (file) => esbuildTo(file, 'smoke.mjs', 'esm'),
    'esbuild.cjs': (file) => esbuildTo(file, 'smoke.cjs', 'cjs'),
    'webpack.cjs': (file) =>
      new Promise((resolve, reject) => {
        const options = {
          mode: 'production',
          target: 'node20',
          context: app,
          entry: './smoke.cjs',
          output: { path: out, filename: file },
        }
        webpack(options, (error, stats) => {
          if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString()))
          else resolve()
        })
      }),
    'vite.mjs': (file) =>
      vite({
        root: app,
        configFile: false,
        logLevel: 'error',
        ssr: { noExternal: true },
        build: {
          ssr: 'smoke.mjs',
          outDir: out,
          emptyOutDir: false,
          rollupOptions: { output: { entryFileNames: file, inlineDynamicImports: true } },
        },
      }),
  }
  const esbuildTo = (file, entry, format) =>
    esbuild({
      absWorkingDir: app,
      entryPoints: [entry],
      bundle: true,
      platform: 'node',
      format,
      outfile: join(out, file),
      logLevel: 'error',
    })
  for (const [file, make] of Object.entries(ways)) {
    await make(file)
    const empty = join(folder, file.replace('.', '-'))
    mkdirSync(empty, { recursive: true })
    copyFileSync(join(out, file), join(empty, file))
    const { backend, reason } = smoke(process.execPath, file, { cwd: empty, env, native: 'either' })
    console.log(`  ${file}: ${backend}${reason ? ` (${reason})` : ''}`)
  }
}
