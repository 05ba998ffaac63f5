/** Where the npm packages keep the network and the photographs. */
import { join, resolve } from 'node:path'
import type { BackendOption } from 'convkit'
import { parseGraph, readGraphModel } from './graph.js'
import { Network } from './network.js'

const packages = resolve(import.meta.dirname, '../node_modules')

/** MediaPipe's selfie segmentation. */
export const modelFile = join(packages, '@vladmandic/human/models/selfie.json')

export const photographs = [2, 1, 3].map((i) =>
  join(packages, `startbootstrap-landing-page/dist/assets/img/testimonials-${i}.jpg`),
)

export async function loadNetwork(backend: BackendOption = 'auto'): Promise<Network> {
  return new Network(parseGraph(await readGraphModel(modelFile)), backend)
}
