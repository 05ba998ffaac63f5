import { conv2d, info, tensor, type Info, type Tensor } from 'convkit'
import { conv2d as later } from 'convkit/promises'
import { conv2d as slowly } from 'convkit/reference'

const ones: Tensor = tensor(new Float32Array(9).fill(1), [1, 1, 3, 3])
const now: Tensor = conv2d(ones, ones, { padding: 'same' })
const promised: Promise<Tensor> = later(ones, ones)
const facts: Info = info()
// @ts-expect-error a number is no operand: the types are there, and are not `any`
conv2d(1, ones)
export { facts, now, promised, slowly }
