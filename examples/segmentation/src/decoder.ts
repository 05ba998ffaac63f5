/** `npm run decoder`: the last layer of an FCN, ×2 to ×32, fixed and learned, on the outlines that the network finds. */
import { join, resolve } from 'node:path'
import { Tensor } from 'convkit'
import { below, beside, picture, type Picture } from 'convkit-examples-shared/picture.js'
import { mapPixels } from './image.js'
import { resizeBilinear } from './interpolation.js'
import { findPersons, photographs } from './model.js'
import { averages, fixed, makePairs, random, score, train, upsample, type Upsampling } from './upsampling.js'

const [first, ...others] = photographs
const learning = await findPersons(others)
const unseen = await findPersons([first])
const [, height, width] = unseen.shape

console.log('Mean squared error on the two photographs that are learned from and on one that is not; there also')
console.log('the intersection over union of the outlines at one half.\n')
console.log('        fixed                       learned                     learned from random')
const rows: Picture[][] = []
const kernels: Picture[] = []
for (const factor of [2, 4, 8, 16, 32]) {
  const seen = makePairs(learning, factor)
  const held = makePairs(unseen, factor)
  const begin = performance.now()
  const results: Upsampling[] = [
    fixed(factor),
    train(fixed(factor), seen, { steps: 200 }),
    train(random(factor), seen, { steps: 600 }),
  ]
  const seconds = ((performance.now() - begin) / 1000).toFixed(1)

  const exact = resizeBilinear(averages(held.fine, factor), [height, width])
  const outputs = results.map((upsampling) => upsample(upsampling, held.coarse))
  const apart = largest(exact.data.map((value, i) => value - outputs[0].data[i]))
  const columns = results.map((upsampling, i) => {
    const seenScore = score(upsample(upsampling, seen.coarse), seen.fine)
    const { meanSquare, intersectionOverUnion } = score(outputs[i], held.fine)
    return [seenScore.meanSquare, meanSquare, intersectionOverUnion].map((value) => value.toFixed(4)).join('  ')
  })
  console.log(`  ×${String(factor).padEnd(4)} ${columns.join('    ')}    ${seconds} s`)
  if (apart > 1e-6) throw new Error(`×${factor}: the fixed kernel is ${apart} away from exact interpolation`)

  if (factor >= 8) {
    const coarse = picture(averages(held.fine, factor)).magnified(factor)
    rows.push([coarse, picture(outputs[0]), picture(outputs[1]), picture(held.fine)])
  }
  if (factor === 16) kernels.push(...results.map(({ weight }) => kernelPicture(weight)))
}

const out = resolve(import.meta.dirname, '../out')
const row = (pictures: Picture[]): Picture => beside(pictures, 4)
below(rows.map(row), 4).save(join(out, 'decoder.png'))
row(kernels).save(join(out, 'kernels.png'))
console.log(
  `\nWritten: ${out}/decoder.png (coarse, fixed, learned, truth) and kernels.png (fixed, learned, from random)`,
)

/** Positive taps are bright, negative ones red. */
function kernelPicture({ data, shape: [rows, columns] }: Tensor): Picture {
  const taps = new Tensor(data, [1, rows, columns, 1])
  const peak = largest(data)
  const shade = (value: number): number => Math.sqrt(Math.abs(value) / peak) // small taps are to be seen as well
  const colours = mapPixels(taps, 3, (i) => [
    shade(data[i]),
    ...Array<number>(2).fill(data[i] < 0 ? 0 : shade(data[i])),
  ])
  return picture(colours).magnified(6)
}

function largest(values: Tensor['data']): number {
  return [...values].reduce((most, value) => Math.max(most, Math.abs(value)), 0)
}
