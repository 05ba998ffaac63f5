import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Tensor } from 'convkit'
import type { Sequential } from 'convkit-examples-shared/layer.js'
import { Random } from 'convkit-examples-shared/random.js'
import { loadDigits } from 'convkit-examples-shared/digits.js'
import { learn, noise } from '../../dcgan/src/learn.js'
import { DOUBLINGS, generator } from '../src/generators.js'
import { nyquistPeak, powerSpectrum } from '../src/spectrum.js'

test('the spectrum of a wave has its power at the wave’s frequency', () => {
  const side = 28
  const wave = new Float32Array(side * side).map((_, i) => Math.cos((2 * Math.PI * 5 * Math.floor(i / side)) / side))
  const { data } = powerSpectrum(new Tensor(wave, [1, 1, side, side]))
  const expected = (side * side) ** 2 / 4
  data.forEach((power, i) => {
    const wanted = i === 5 * side || i === (side - 5) * side ? expected : 0
    assert.ok(Math.abs(power - wanted) < 1e-3 * expected, `${power} at ${i}`)
  })
})

test('a checkerboard on noise stands out, noise does not', () => {
  const side = 28
  const noisy = new Random(1).normals([200, 1, side, side])
  const plain = nyquistPeak(powerSpectrum(noisy))
  assert.ok(plain < 1.5, String(plain))
  noisy.data.forEach((value, i) => (noisy.data[i] = value + 0.3 * (-1) ** ((i % side) + Math.floor(i / side))))
  const board = nyquistPeak(powerSpectrum(noisy))
  assert.ok(board > 20, String(board))
})

test('generators draw checkerboards before they learn anything, except behind nearest upsampling', () => {
  const peak = (name: string): number => {
    const pictures = generator(new Random(7), DOUBLINGS[name]).forward(noise(new Random(5), 200), true)
    return nyquistPeak(powerSpectrum(pictures))
  }
  const [uneven, even, upsampled] = ['k3 s2', 'k4 s2', 'upsampled'].map(peak)
  assert.ok(uneven > 60, String(uneven))
  assert.ok(even > 40, String(even))
  assert.ok(upsampled < 10, String(upsampled))
})

const full = process.env['FULL'] !== undefined
test('training leaves most of it with 3 × 3 taps and none behind nearest upsampling', { skip: !full }, async () => {
  const digits = loadDigits().training.centered()
  const peaks: number[] = []
  for (const [name, double] of Object.entries(DOUBLINGS)) {
    const makeGenerator = (random: Random): Sequential => generator(random, double)
    const { gan } = await learn(digits, 2, { name, makeGenerator })
    peaks.push(nyquistPeak(powerSpectrum(gan.generator.forward(noise(new Random(5), 500), false))))
  }
  const [uneven, even, upsampled] = peaks
  assert.ok(uneven > 2.5 && uneven > 1.5 * even && upsampled < 1.5, String(peaks))
})
