/** npm start [-- --epochs n]: trains a generator with each of three ways to double its picture; pictures go to out/. */
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { tensor, type Tensor } from 'convkit'
import { loadDigits } from 'convkit-examples-shared/digits.js'
import { announce, spent } from 'convkit-examples-shared/machine.js'
import { below, beside, grid, type Picture, type Range } from 'convkit-examples-shared/picture.js'
import { Random } from 'convkit-examples-shared/random.js'
import { learn, noise } from '../../dcgan/src/learn.js'
import { DOUBLINGS, generator } from './generators.js'
import { logarithmicPicture, nyquistPeak, powerSpectrum } from './spectrum.js'

const { values: options } = parseArgs({ options: { epochs: { type: 'string', default: '2' } } })
const out = resolve(import.meta.dirname, '../out')

announce()
const { training, heldOut } = loadDigits()
const z = noise(new Random(5), 500)
const samples: { untrained: Tensor; trained: Tensor }[] = []
const spectra: Tensor[] = []
const peaks: Record<string, { untrained: number; trained: number }> = {}
for (const [name, double] of Object.entries(DOUBLINGS)) {
  const untrained = generator(new Random(7), double).forward(z, true)
  const { gan } = await learn(training.centered(), Number(options.epochs), {
    name,
    makeGenerator: (random) => generator(random, double),
  })
  const trained = gan.generator.forward(z, false)
  samples.push({ untrained, trained })
  spectra.push(powerSpectrum(trained))
  peaks[name] = { untrained: nyquistPeak(powerSpectrum(untrained)), trained: nyquistPeak(spectra.at(-1)!) }
}
spectra.push(powerSpectrum(heldOut.centered().all()))

console.log('\nPower at the Nyquist frequencies over that of the frequencies around:')
for (const [name, { untrained, trained }] of Object.entries(peaks))
  console.log(
    `  ${name.padEnd(12)} untrained ${untrained.toFixed(2).padStart(7)}   trained ${trained.toFixed(2).padStart(7)}`,
  )
console.log(`  ${'real digits'.padEnd(12)} ${nyquistPeak(spectra.at(-1)!).toFixed(2).padStart(17)}`)

// From top to bottom: untrained, trained, and trained with the darkest fifth of the greys spread over all of them.
const three = (pictures: Tensor, range: Range): Picture => grid(first(pictures, 3), { columns: 3, range, magnify: 4 })
const columns = samples.map(({ untrained, trained }) => {
  const most = Math.max(...first(untrained, 3).data.map(Math.abs))
  return below([three(untrained, [-most, most]), three(trained, [-1, 1]), three(trained, [-1, -0.6])])
})
beside(columns).save(join(out, 'samples.png'))
const shown = spectra.map(logarithmicPicture)
const values = shown.flatMap(({ data }) => [...data]).filter(Number.isFinite)
const range = [Math.min(...values), Math.max(...values)] as const
beside(shown.map((picture) => grid(picture, { columns: 1, range, magnify: 8 }))).save(join(out, 'spectra.png'))
console.log(`\npictures: ${relative(process.env['INIT_CWD'] ?? '.', out)}\n${spent()}`)

function first({ data, shape }: Tensor, count: number): Tensor {
  const [, ...picture] = shape
  return tensor(data.subarray(0, (count * data.length) / shape[0]), [count, ...picture])
}
