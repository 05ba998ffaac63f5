// npm runs this after `npm ci` in a checkout (and before packing): it builds what the package consists of.
import { buildNative, missingTool } from './build-native.mjs'
import { buildTypeScript } from './build-ts.mjs'
import { installed } from './run.mjs'

if (!installed('typescript') || !installed('cmake-js')) {
  console.log('convkit: development dependencies are not installed, so nothing is built')
} else {
  buildTypeScript()
  const missing = missingTool()
  if (missing)
    console.log(`convkit: found no ${missing}, so native code is not built and the TypeScript backend serves`)
  else buildNative('Release')
}
