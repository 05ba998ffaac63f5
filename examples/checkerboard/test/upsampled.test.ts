/** The layer that is trained folded, against what it equals: an enlarged picture and a convolution. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conv2d, Tensor } from 'convkit'
import { Random } from 'convkit-examples-shared/random.js'
import { upsampled } from '../src/upsampled.js'

function enlarge({ data, shape }: Tensor): Tensor {
  const [count, channels, height, width] = shape
  const result = new Float32Array(4 * data.length)
  for (let i = 0; i < result.length; i++) {
    const [x, y, plane] = [
      i % (2 * width),
      Math.floor(i / (2 * width)) % (2 * height),
      Math.floor(i / (4 * height * width)),
    ]
    result[i] = data[(plane * height + Math.floor(y / 2)) * width + Math.floor(x / 2)]
  }
  return new Tensor(result, [count, channels, 2 * height, 2 * width])
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length)
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i])
    assert.ok(difference < 1e-4 * (1 + Math.abs(expected[i])), `${actual[i]} instead of ${expected[i]} at ${i}`)
  }
}

for (const k of [3, 5]) {
  test(`upsampling and a ${k} × ${k} convolution: result and gradients`, () => {
    const random = new Random(k)
    const layer = upsampled(random, [3, 4, k], { deviation: 1 })
    const input = random.normals([2, 3, 6, 5])
    const weight = layer.weight.value
    const options = { padding: 'same' } as const
    const large = enlarge(input)
    assertClose(layer.forward(input).data, conv2d(large, weight, options).data)

    const gradOutput = random.normals([2, 4, 12, 10])
    const gradInput = layer.backward(gradOutput, { input: true, parameters: true })!
    assertClose(layer.weight.gradient, conv2d.gradWeight(large, weight.shape, gradOutput, options).data)
    // The gradient of an enlarged sample's four copies belongs to the sample.
    const gradLarge = conv2d.gradInput(large.shape, weight, gradOutput, options)
    const ones = new Tensor(new Float32Array(4).fill(1), [1, 1, 2, 2])
    const sums = conv2d(gradLarge.reshape([6, 1, 12, 10]), ones, { stride: 2 })
    assertClose(gradInput.data, sums.data)
  })
}
