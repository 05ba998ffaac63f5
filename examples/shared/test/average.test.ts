import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tensor } from 'convkit'
import { Average } from '../src/average.js'
import { parameter } from '../src/layer.js'

test('an average begins with the first weights, follows fast at first and slowly later', () => {
  const [learned, mean] = [parameter(tensor([4], [1])), parameter(tensor([100], [1]))]
  const average = new Average([learned], [mean])
  average.step()
  assert.equal(mean.value.data[0], 4)
  const stepsTo = (target: number): number => {
    learned.value.data[0] = target
    let steps = 0
    for (; Math.abs(mean.value.data[0] - target) > 1; steps++) average.step()
    return steps
  }
  const early = stepsTo(8)
  assert.ok(early <= 2, String(early))
  for (let i = 0; i < 10_000; i++) average.step()
  const settled = stepsTo(8 - Math.E) // a distance of e becomes 1
  assert.ok(settled > 450 && settled < 550, String(settled))
})
