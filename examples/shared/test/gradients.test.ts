/**
 * Every gradient against a difference quotient: along a random direction d of all parameters, the loss must change as
 * fast as Σ gradient · d says.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conv2d, convTranspose2d, type Tensor } from 'convkit'
import { BatchNorm } from '../src/batch-norm.js'
import { conv, Convolution, convTranspose, randomWeight } from '../src/convolution.js'
import { parameter, Sequential, type Parameter } from '../src/layer.js'
import { meanSquare, sigmoidCrossEntropy, softmaxCrossEntropy, type Loss } from '../src/loss.js'
import { Random } from '../src/random.js'

type LossOf = (output: Tensor) => Loss

function check(network: Sequential, input: Tensor, loss: LossOf): void {
  const random = new Random(9)
  const measure = (): number => loss(network.forward(input, true)).value
  const gradInput = network.backward(loss(network.forward(input, true)).gradient)!
  const all: Parameter[] = [...network.parameters, { value: input, gradient: gradInput.data as Float32Array }]
  for (const { value, gradient } of all) {
    const direction = random.normals(value.shape)
    const start = value.data.slice()
    const move = (step: number): number => {
      start.forEach((x, i) => (value.data[i] = x + step * direction.data[i]))
      return measure()
    }
    const step = 2e-3
    const quotient = (move(step) - move(-step)) / (2 * step)
    move(0)
    const expected = gradient.reduce((sum, g, i) => sum + g * direction.data[i], 0)
    const size = Math.hypot(...gradient)
    assert.ok(size > 1e-4, `the gradient of ${value.shape.join('×')} vanishes`)
    assert.ok(
      Math.abs(quotient - expected) < 0.01 * size,
      `gradient of ${value.shape.join('×')}: ${expected}, by difference ${quotient}`,
    )
  }
}

const smooth = { activation: 'tanh' } as const // no kinks that a step could cross

test('convolution, transposed convolution, tanh, sigmoid, mean square', () => {
  const random = new Random(1)
  const network = new Sequential([
    conv(random, [2, 5, 4], { stride: 2, padding: 1, ...smooth }),
    convTranspose(random, [5, 2, 3], { stride: 2, padding: 1, outputPadding: 1, activation: 'sigmoid' }),
  ])
  const input = random.normals([3, 2, 8, 8])
  const target = random.normals([3, 2, 8, 8])
  check(network, input, (output) => meanSquare(output, target))
})

test('tied weights: the gradients of both uses add up', () => {
  const random = new Random(2)
  const weight = randomWeight(random, [6, 1, 4, 4], 16)
  const geometry = { stride: 2, padding: 1 }
  const network = new Sequential([
    new Convolution(conv2d, weight, { ...geometry, ...smooth }),
    new Convolution(convTranspose2d, weight, geometry),
  ])
  assert.equal(network.parameters.length, 3, 'a shared weight is one parameter')
  const input = random.normals([4, 1, 8, 8])
  const target = random.normals([4, 1, 8, 8])
  check(network, input, (output) => meanSquare(output, target))
})

test('batch normalisation, softmax', () => {
  const random = new Random(3)
  const norm = new BatchNorm(4, 1)
  const network = new Sequential([conv(random, [1, 4, 3], { bias: false }), norm, conv(random, [4, 3, 6])])
  const scale = random.normals([4], 0.3)
  scale.data.forEach((x, i) => (norm.scale.value.data[i] += x))
  check(network, random.normals([5, 1, 8, 8]), (output) => softmaxCrossEntropy(output, [0, 2, 1, 1, 0]))
})

test('batch normalisation with a leaky ReLU', () => {
  const random = new Random(4)
  const norm = new BatchNorm(4, 0.2)
  norm.shift.value.data.set([4, -4, 5, -5]) // far from the kink
  const network = new Sequential([convTranspose(random, [3, 4, 3], { bias: false }), norm, conv(random, [4, 1, 10])])
  check(network, random.normals([6, 3, 8, 8]), (output) => sigmoidCrossEntropy(output, 0.9))
})

test('after training, batch normalisation has learned the statistics of its batches', () => {
  const random = new Random(5)
  const norm = new BatchNorm(2, 1)
  const input = random.normals([64, 2, 5, 5], 3)
  input.data.forEach((x, i) => (input.data[i] = x + 7))
  for (let i = 0; i < 100; i++) norm.forward(input, true)
  const [training, after] = [norm.forward(input, true).data, norm.forward(input, false).data]
  after.forEach((x, i) => assert.ok(Math.abs(x - training[i]) < 1e-3, `${x} instead of ${training[i]}`))
})

test('a parameter holds its value and a gradient of zeros', () => {
  const { value, gradient } = parameter(new Random(6).normals([2, 3]))
  assert.equal(gradient.length, value.size)
  assert.ok(gradient.every((x) => x === 0))
})
