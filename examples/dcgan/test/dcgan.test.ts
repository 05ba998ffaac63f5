/** Seconds by default: it runs, learns something, and repeats. `npm run test:full` holds what the README promises. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setThreads } from 'convkit'
import { loadDigits } from 'convkit-examples-shared/digits.js'
import { prepare } from 'convkit-examples-shared/inference.js'
import { mean } from 'convkit-examples-shared/train.js'
import { Random } from 'convkit-examples-shared/random.js'
import { assess } from '../src/assess.js'
import { accuracy, learnClassifier } from '../src/classifier.js'
import { EPOCHS, learn, noise } from '../src/learn.js'

const full = process.env['FULL'] !== undefined
const { training, heldOut } = loadDigits()
const digits = training.centered()
const judge = await learnClassifier(full ? digits : digits.slice(0, 3200), full ? undefined : 3)

test('the classifier recognises held-out digits', () => {
  const share = accuracy(judge, heldOut.centered())
  assert.ok(share >= (full ? 0.97 : 0.88), `${share}`)
})

test('prepared for use, the classifier gives the same', () => {
  const pictures = heldOut.centered().slice(0, 64).all()
  const [trained, prepared] = [judge.forward(pictures, false).data, prepare(judge)(pictures).data]
  trained.forEach((value, i) => assert.ok(Math.abs(value - prepared[i]) < 1e-3, `${prepared[i]} instead of ${value}`))
})

test('generator and discriminator keep each other in balance, whatever the number of threads', async () => {
  const samples = async (threads: number): Promise<unknown> => {
    setThreads(threads)
    const { gan, losses } = await learn(digits.slice(0, 640), 1)
    assert.ok(losses['generator'].every(Number.isFinite))
    const [first, last] = [mean(losses['discriminator'].slice(0, 3)), mean(losses['discriminator'].slice(-3))]
    assert.ok(last < first, `the discriminator learned nothing: ${first}, then ${last}`)
    return gan.averaged.forward(noise(new Random(6), 16), false).data
  }
  assert.deepEqual(await samples(1), await samples(2))
})

test('the generator has learned to write', { skip: !full }, async () => {
  const { gan } = await learn(digits, EPOCHS)
  const samples = gan.averaged.forward(noise(new Random(6), 1000), false)
  const { recognised, digits: occurring, counts } = assess(judge, samples)
  assert.ok(recognised >= 0.8, `${recognised}`)
  assert.ok(occurring >= 8, counts.join(' '))
})
