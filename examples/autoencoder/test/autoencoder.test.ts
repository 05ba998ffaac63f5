/** Seconds by default, with a seventh of the steps; `npm run test:full` holds what the README promises of the full one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadDigits } from 'convkit-examples-shared/digits.js'
import { EPOCHS, learn, reconstructionError } from '../src/learn.js'

const full = process.env['FULL'] !== undefined
const { training, heldOut } = loadDigits()

for (const tied of [false, true]) {
  test(`${tied ? 'tied' : 'free'} weights reconstruct digits that were not learned from`, async () => {
    const { model, losses } = await learn(full ? training : training.slice(0, 6400), tied, full ? EPOCHS : 2)
    const error = reconstructionError(model, heldOut)
    const bound = full ? 0.0068 : 0.03
    assert.ok(losses.at(-1)! < losses[0] / 3, `the loss fell only from ${losses[0]} to ${losses.at(-1)}`)
    assert.ok(error < bound, `mean square error ${error}, not below ${bound}`)
    const { encoder, decoder } = model.kernels
    assert.equal(encoder === decoder, tied)
  })
}

// A busy machine does not count, so that this holds on two quiet cores all the more.
test('both trainings together take less than a minute of processor time', { skip: !full }, () => {
  const { user, system } = process.cpuUsage()
  assert.ok(user + system < 60e6, `${(user + system) / 1e6} s`)
})

test('the same seed gives the same weights, bit for bit', async () => {
  const kernels = async (): Promise<unknown> =>
    (await learn(training.slice(0, 320), true, 1)).model.kernels.encoder.data
  assert.deepEqual(await kernels(), await kernels())
})
