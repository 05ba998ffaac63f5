import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { bilinearWeight, convTranspose2d, tensor, type Tensor } from 'convkit'
import { resizeBilinear } from '../src/interpolation.js'
import { findPersons, photographs } from '../src/model.js'
import { addFrame } from '../src/resize.js'
import { fixed, makePairs, random, score, train, upsample, type Upsampling } from '../src/upsampling.js'

const factors = [2, 3, 4, 5, 8, 16, 32]

describe('the fixed kernel', () => {
  const [rows, columns, channels] = [5, 6, 3]
  const scores = tensor(
    Array.from({ length: rows * columns * channels }, (_, i) => 10 * Math.cos(i * i)),
    [1, rows, columns, channels],
  )

  test('interpolates bilinearly where it needs no padding', () => {
    for (const factor of factors) {
      const { weight, options } = bilinearWeight(channels, factor, { layout: 'channels-last' })
      const result = convTranspose2d(scores, weight, options)
      const exact = resizeBilinear(scores, [rows * factor, columns * factor])
      assert.deepEqual(result.shape, exact.shape)
      const border = Math.floor(factor / 2) // from the edge to the outermost centres
      for (let i = 0; i < exact.data.length; i++) {
        const pixel = Math.floor(i / channels)
        const [x, y] = [pixel % (columns * factor), Math.floor(pixel / (columns * factor))]
        if (Math.min(x, columns * factor - 1 - x, y, rows * factor - 1 - y) < border) continue
        assertClose(result.data[i], exact.data[i], `×${factor} at ${y}, ${x}`)
      }
      const corner = result.data[0] / exact.data[0] // fades into the padding: what the frame is for
      assert.ok(corner < 0.9, `×${factor}: ${corner} at the corner`)
    }
  })

  test('interpolates bilinearly everywhere when the scores have a frame', () => {
    for (const factor of factors) {
      const single = tensor(scores.data.slice(0, rows * columns), [1, rows, columns, 1])
      const exact = resizeBilinear(single, [rows * factor, columns * factor])
      const result = upsample(fixed(factor), addFrame(single))
      assert.deepEqual(result.shape, exact.shape)
      result.data.forEach((value, i) => assertClose(value, exact.data[i], `×${factor}, sample ${i}`))
    }
  })

  function assertClose(value: number, expected: number, where: string): void {
    assert.ok(Math.abs(value - expected) < 4e-6, `${where}: ${value} instead of ${expected}`) // of values up to 10
  }
})

describe('the learned kernel', () => {
  const factor = 8
  let masks: Tensor
  const error = (upsampling: Upsampling, photo: Tensor): number => {
    const { coarse, fine } = makePairs(photo, factor)
    return score(upsample(upsampling, coarse), fine).meanSquare
  }

  before(async () => {
    masks = await findPersons(photographs.slice(1))
  })

  test('is better than the fixed one, on photographs that it has not seen as well', async () => {
    const losses: number[] = []
    const learned = train(fixed(factor), makePairs(masks, factor), {
      steps: 60,
      onStep: (_, loss) => losses.push(loss),
    })
    assert.ok(Math.abs(losses[0] - error(fixed(factor), masks)) < 1e-7, 'starts as bilinear interpolation')
    assert.ok(error(learned, masks) < 0.97 * losses[0], `${error(learned, masks)} after ${losses[0]}`)
    const unseen = await findPersons(photographs.slice(0, 1))
    const [before, after] = [error(fixed(factor), unseen), error(learned, unseen)]
    assert.ok(after < 0.995 * before, `unseen: ${after} after ${before}`)
  })

  test('comes from random numbers too', () => {
    const start = random(factor)
    const learned = train(start, makePairs(masks, factor), { steps: 300 })
    assert.ok(error(start, masks) > 0.3)
    assert.ok(error(learned, masks) < error(fixed(factor), masks), `${error(learned, masks)}`)
  })

  test('both backends take the same steps', () => {
    const small = resizeBilinear(masks, [64, 64])
    const pairs = makePairs(small, factor)
    const [auto, typescript] = (['auto', 'typescript'] as const).map((backend) =>
      train(fixed(factor), pairs, { steps: 5, learningRate: 0.01, backend }),
    )
    auto.weight.data.forEach((value, i) => assert.ok(Math.abs(value - typescript.weight.data[i]) < 1e-4, `tap ${i}`))
  })
})
