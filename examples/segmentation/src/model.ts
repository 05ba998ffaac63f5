/** Where the npm packages keep the network and the photographs. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Tensor, type BackendOption } from 'convkit'
import { parseGraph, readGraphModel } from './graph.js'
import { readPhotograph } from './image.js'
import { resizeBilinear } from './interpolation.js'
import { Network } from './network.js'

const require = createRequire(import.meta.url)
const folderOf = (name: string): string => dirname(require.resolve(`${name}/package.json`))

/** MediaPipe's selfie segmentation. */
export const modelFile = join(folderOf('@vladmandic/human'), 'models/selfie.json')

export const photographs = [2, 1, 3].map((i) =>
  join(folderOf('startbootstrap-landing-page'), `dist/assets/img/testimonials-${i}.jpg`),
)

export async function loadNetwork(backend: BackendOption = 'auto'): Promise<Network> {
  return new Network(parseGraph(await readGraphModel(modelFile)), backend)
}

/** What the network finds in each photograph, as one batch `[n, 256, 256, 1]`. */
export async function findPersons(files: readonly string[]): Promise<Tensor> {
  const network = await loadNetwork()
  const [, height, width] = network.inputShape
  const masks = new Float32Array(files.length * height * width)
  for (const [i, file] of files.entries()) {
    const photo = resizeBilinear(await readPhotograph(file), [height, width])
    masks.set(network.run(photo).data, i * height * width)
  }
  return new Tensor(masks, [files.length, height, width, 1])
}
