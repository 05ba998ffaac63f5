/** `npm start [photo.jpg]`: finds the person in a photograph and cuts it out. */
import { basename, extname, join, resolve } from 'node:path'
import { info, type BackendOption, type Tensor } from 'convkit'
import { beside, picture } from 'convkit-examples-shared/picture.js'
import { mapPixels, readPhotograph } from './image.js'
import { resizeBilinear } from './interpolation.js'
import { loadNetwork, photographs } from './model.js'
import type { Network, Step } from './network.js'

const file = process.argv[2] ?? photographs[0]
const photo = await readPhotograph(file)
const [, height, width] = photo.shape
console.log(`${basename(file)}: ${width} × ${height} pixels; convkit on ${info().isa ?? 'TypeScript'}\n`)

const network = await loadNetwork()
const [, rows, columns] = network.inputShape
const small = resizeBilinear(photo, [rows, columns])
const mask = resizeBilinear(network.run(small), [height, width])

printSteps(network)
await printTimes(small)

const out = resolve(import.meta.dirname, '../out')
const name = basename(file, extname(file))
const { data } = photo
const colour = (i: number): number[] => [...data.subarray(3 * i, 3 * i + 3)]
const person = mapPixels(photo, 4, (i) => [...colour(i), mask.data[i]])
picture(mask).save(join(out, `${name}-mask.png`))
picture(person).save(join(out, `${name}-person.png`))

const onWhite = mapPixels(photo, 3, (i) => colour(i).map((value) => value * mask.data[i] + 1 - mask.data[i]))
const half = (image: Tensor): Tensor => resizeBilinear(image, [Math.round(height / 2), Math.round(width / 2)])
beside(
  [photo, mask, onWhite].map((image) => picture(half(image))),
  4,
).save(join(out, `${name}.png`))
console.log(`Written: ${out}/${name}-mask.png, -person.png (with transparency) and .png (all three)`)

/** How many operations of each kind, and what became of them. */
function printSteps({ steps, flops }: Network): void {
  const kinds = new Map<string, number>()
  for (const { description } of steps) {
    const kind = description.split(' ')[0]
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }
  console.log(`${steps.length} steps, ${(flops / 1e6).toFixed(0)} MFLOP in convolutions:`)
  console.log(`  ${[...kinds].map(([kind, count]) => `${count} ${kind}`).join(', ')}`)
  console.log(`  the last: ${steps[steps.length - 1].description}\n`)
}

/** The time of a frame on each backend, the convolutions apart from the plain loops between them. */
async function printTimes(photo: Tensor): Promise<void> {
  const backends: BackendOption[] = info().backend === 'native' ? ['native', 'typescript'] : ['typescript']
  for (const backend of backends) {
    const network = await loadNetwork(backend)
    const milliseconds = measure(network, photo, backend === 'native' ? 30 : 5)
    const sum = (wanted: (step: Step) => boolean): number =>
      network.steps.reduce((total, step, i) => total + (wanted(step) ? milliseconds[i] : 0), 0)
    const convolutions = sum(({ flops }) => flops > 0)
    const rest = sum(({ flops }) => flops === 0)
    console.log(
      `${backend.padEnd(10)} ${(convolutions + rest).toFixed(1).padStart(6)} ms a frame:` +
        ` ${convolutions.toFixed(1)} ms in convolutions, ${rest.toFixed(1)} ms between them`,
    )
  }
  console.log()
}

/** The shortest time of each step: the first frames also let the just-in-time compiler do its work. */
function measure(network: Network, photo: Tensor, frames: number): number[] {
  const shortest = network.steps.map(() => Infinity)
  for (let frame = 0; frame < frames; frame++) {
    let index = 0
    let start = performance.now()
    network.run(photo, () => {
      const now = performance.now()
      shortest[index] = Math.min(shortest[index], now - start)
      index++
      start = now
    })
  }
  return shortest
}
