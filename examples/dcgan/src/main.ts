/** npm start [-- --epochs n]: trains a classifier and a DCGAN on MNIST; a grid of samples per epoch goes to out/. */
import { createHash } from 'node:crypto'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { saveChart } from 'convkit-examples-shared/chart.js'
import { loadDigits } from 'convkit-examples-shared/digits.js'
import { announce, spent } from 'convkit-examples-shared/machine.js'
import { beside, grid, type Picture } from 'convkit-examples-shared/picture.js'
import { Random } from 'convkit-examples-shared/random.js'
import { smooth } from 'convkit-examples-shared/train.js'
import { assess, CONFIDENT } from './assess.js'
import { accuracy, learnClassifier } from './classifier.js'
import { BATCH, EPOCHS, learn, noise } from './learn.js'

const { values } = parseArgs({ options: { epochs: { type: 'string', default: String(EPOCHS) } } })
const out = resolve(import.meta.dirname, '../out')

announce()
const { training, heldOut } = loadDigits()
const judge = await learnClassifier(training.centered())
console.log(`${(100 * accuracy(judge, heldOut.centered())).toFixed(1)} % of the held-out digits recognised\n`)

const shown = noise(new Random(5), 100)
const assessed = noise(new Random(6), 1000)
const recognisedBy: [epoch: number, percent: number][] = []
const grids: Picture[] = []
const { gan, losses } = await learn(training.centered(), Number(values.epochs), {
  afterEpoch(epoch, generator) {
    const progress = assess(judge, generator.forward(assessed, false))
    recognisedBy.push([epoch, 100 * progress.recognised])
    const picture = grid(generator.forward(shown, false), { columns: 10, range: [-1, 1] })
    picture.save(join(out, `epoch-${String(epoch).padStart(2, '0')}.png`))
    grids.push(picture)
  },
})
const chosen = [0, 4, grids.length - 1].filter((i, k, all) => i < grids.length && all.indexOf(i) === k)
beside(chosen.map((i) => grids[i])).save(join(out, 'samples.png'))
saveChart(join(out, 'loss.svg'), {
  title: 'Generator against discriminator',
  x: `batches of ${BATCH}`,
  y: 'cross entropy',
  curves: { discriminator: smooth(losses['discriminator'], 20), generator: smooth(losses['generator'], 20) },
})

saveChart(join(out, 'recognised.svg'), {
  title: `Samples that the classifier recognises with a probability of ${CONFIDENT} or more`,
  x: 'epoch',
  y: '%',
  curves: { 'of 1,000 samples': recognisedBy },
})

const samples = gan.averaged.forward(assessed, false)
const { counts, digits } = assess(judge, samples)
const bytes = new Uint8Array(samples.data.buffer, samples.data.byteOffset, samples.data.byteLength)
console.log('\nRecognised with a probability of …   samples   held-out digits')
for (const probability of [0.5, 0.7, CONFIDENT]) {
  const [ours, real] = [samples, heldOut.centered().all()].map((pictures) => {
    return `${(100 * assess(judge, pictures, probability).recognised).toFixed(1)} %`
  })
  console.log(`  ${probability} or more ${ours.padStart(31)} ${real.padStart(17)}`)
}
console.log(`
${digits} of the ten digits occur: ${counts.map((count, digit) => `${count} × ${digit}`).join(', ')}
SHA-256 of the samples: ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}…
pictures: ${relative(process.env['INIT_CWD'] ?? '.', out)}
${spent()}`)
