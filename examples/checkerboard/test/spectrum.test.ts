import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Tensor } from 'convkit'
import { Random } from 'convkit-examples-shared/random.js'
import { noise } from '../../dcgan/src/learn.js'
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
