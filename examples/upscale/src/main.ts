/**
 * npm run demo [-- photo.png]
 *
 * Upscales a photograph by two with a pretrained network, writes the result to out/, and compares convkit's native code
 * with its TypeScript on a part of the picture.
 */
import { mkdir } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { bilinearWeight, convTranspose2d, info, type Tensor } from 'convkit'
import { compareBackends } from './compare.js'
import { crop, magnify, readPicture, sideBySide, writePicture } from './image.js'
import { loadModel } from './keras.js'
import { Network } from './network.js'
import { runWithProgress } from './progress.js'

const FACTOR = 2
const here = resolve(import.meta.dirname, '..')
const packages = join(here, 'node_modules')
const modelFile = join(packages, '@upscalerjs/default-model/models/model.json')
/** npm starts scripts in their package's folder; INIT_CWD is where the command was given. */
const photoFile = process.argv[2]
  ? resolve(process.env['INIT_CWD'] ?? '.', process.argv[2])
  : join(packages, 'baboon-image/baboon.png')
/** An eye of the baboon: fine hair, a round edge and a highlight. */
const DETAIL = { x: 303, y: 25, width: 64, height: 64 }

const { version, backend, isa, threads, reason } = info()
const native = backend === 'native'
console.log(`convkit ${version}: ${native ? `native code (${isa}), ${threads} threads` : 'TypeScript'}`)
if (!native) {
  console.log(`Native code is not in use (${reason ?? 'no reason known'}): expect minutes instead of seconds.`)
}

const model = await loadModel(modelFile)
const network = new Network(model)
const photo = await readPicture(photoFile)
const [, height, width] = photo.shape
console.log(`\nUpscaling ${basename(photoFile)}, ${width} × ${height} pixels, in ${network.steps.length} steps:`)
const upscaled = runWithProgress(network, photo)

if (native) compareBackends(model, crop(photo, DETAIL))

const out = join(here, 'out')
await mkdir(out, { recursive: true })
await save(`${basename(photoFile, '.png')}-x2.png`, upscaled)
await save('detail.png', detail(photo, upscaled))

async function save(name: string, picture: Tensor): Promise<void> {
  const file = join(out, name)
  await writePicture(file, picture)
  console.log(`${relative(process.env['INIT_CWD'] ?? '.', file)}: ${picture.shape[2]} × ${picture.shape[1]} pixels`)
}

/** A part of the photograph, four times as large: its pixels, bilinear upscaling, and what the network made of it. */
function detail(before: Tensor, after: Tensor): Tensor {
  const { weight, options } = bilinearWeight(3, FACTOR, { layout: 'channels-last' })
  const bilinear = convTranspose2d(before, weight, options)
  const twice = {
    x: DETAIL.x * FACTOR,
    y: DETAIL.y * FACTOR,
    width: DETAIL.width * FACTOR,
    height: DETAIL.height * FACTOR,
  }
  return sideBySide([
    magnify(crop(before, DETAIL), 2 * FACTOR),
    magnify(crop(bilinear, twice), 2),
    magnify(crop(after, twice), 2),
  ])
}
