/** npm start [-- --epochs n]: trains the autoencoder with free and with tied weights; pictures go to out/. */
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Tensor } from 'convkit'
import { concatenate, loadDigits } from 'convkit-examples-shared/digits.js'
import { saveChart } from 'convkit-examples-shared/chart.js'
import { countParameters } from 'convkit-examples-shared/layer.js'
import { announce, spent } from 'convkit-examples-shared/machine.js'
import { beside, grid, type Picture } from 'convkit-examples-shared/picture.js'
import { smooth } from 'convkit-examples-shared/train.js'
import { EPOCHS, learn, reconstructionError } from './learn.js'

const { values } = parseArgs({ options: { epochs: { type: 'string', default: String(EPOCHS) } } })
const epochs = Number(values.epochs)
const out = resolve(import.meta.dirname, '../out')

announce()
const { training, heldOut } = loadDigits()
const free = await learn(training, false, epochs)
const tied = await learn(training, true, epochs)
for (const [name, { model }] of Object.entries({ free, tied })) {
  const error = reconstructionError(model, heldOut).toFixed(5)
  console.log(
    `${name} weights: ${countParameters(model.network)} numbers, mean square error ${error} on held-out digits`,
  )
}

const shown = heldOut.slice(0, 16).all()
const rows = concatenate([shown, free.model.reconstruct(shown), tied.model.reconstruct(shown)])
report('reconstructions.png', (file) => grid(rows, { columns: 16, magnify: 2 }).save(file))
const { encoder, decoder } = free.model.kernels
const kernels = beside([encoder, decoder, tied.model.kernels.encoder].map(drawKernels))
report('kernels.png', (file) => kernels.save(file))
report('loss.svg', (file) =>
  saveChart(file, {
    title: 'Learning to reconstruct digits',
    x: 'batches of 64',
    y: 'mean square error',
    logarithmic: true,
    curves: { 'free weights': smooth(free.losses, 20), 'tied weights': smooth(tied.losses, 20) },
  }),
)
console.log(`\n${spent()}`)

/** Grey is zero; the greatest weight of a kernel, positive or negative, is white or black. */
function drawKernels({ data, shape }: Tensor): Picture {
  const size = shape[2] * shape[3]
  const scaled = Float32Array.from(data)
  for (let start = 0; start < scaled.length; start += size) {
    const kernel = scaled.subarray(start, start + size)
    const most = Math.max(...kernel.map(Math.abs))
    kernel.forEach((weight, i) => (kernel[i] = weight / most))
  }
  return grid(new Tensor(scaled, shape), { columns: 4, range: [-1, 1], magnify: 6, background: 255 })
}

function report(name: string, save: (file: string) => void): void {
  const file = join(out, name)
  save(file)
  console.log(relative(process.env['INIT_CWD'] ?? '.', file))
}
