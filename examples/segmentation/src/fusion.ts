/**
 * TensorFlow's graph spells a layer out; convkit does it in one pass over the memory. Looked for behind a convolution:
 *
 *     Conv2D → Add (a constant: bias) → Relu, Relu6, Sigmoid, or x · relu6(x + 3) / 6, which is four nodes:
 *
 *             ┌→ Mul (1/6) ─────────┐
 *          x ─┤                     ├→ Mul
 *             └→ Add (3) → Relu6 ───┘
 */
import type { Activation, Tensor } from 'convkit'
import type { Node, Readers } from './graph.js'

export interface Fused {
  readonly bias: Tensor | undefined
  readonly activation: Activation
  /** The node whose result the fused convolution gives. */
  readonly end: Node
  /** The nodes that it replaces. */
  readonly nodes: readonly Node[]
}

const ACTIVATIONS: Readonly<Record<string, Activation>> = { Relu: 'relu', Relu6: 'relu6', Sigmoid: 'sigmoid' }
export const ADDITIONS = ['Add', 'AddV2', 'AddN', 'BiasAdd']

export function fuse(convolution: Node, channels: number, readers: Readers): Fused {
  const nodes: Node[] = []
  let end = convolution
  let bias: Tensor | undefined
  let activation: Activation = 'linear'
  const take = (...taken: Node[]): void => {
    nodes.push(...taken)
    end = taken[taken.length - 1]
  }

  const [sum, other] = readers.get(end)!
  const constant = sum && ADDITIONS.includes(sum.op) ? constantBeside(sum, end) : undefined
  if (!other && constant?.size === channels) {
    bias = constant.reshape([channels])
    take(sum)
  }
  const [next, another] = readers.get(end)!
  const hardSwish = findHardSwish(end, readers)
  if (hardSwish) {
    activation = 'hard-swish'
    take(...hardSwish)
  } else if (next && !another && next.op in ACTIVATIONS) {
    activation = ACTIVATIONS[next.op]
    take(next)
  }
  return { bias, activation, end, nodes }
}

/** The four nodes of the picture above, the last one last. */
function findHardSwish(x: Node, readers: Readers): Node[] | undefined {
  const [first, second, third] = readers.get(x)!
  if (!second || third) return undefined
  const [scaled, shifted] = first.op === 'Mul' ? [first, second] : [second, first]
  const isSixth = scaled.op === 'Mul' && Math.abs((scalarBeside(scaled, x) ?? 0) - 1 / 6) < 1e-4 // half precision
  const isThree = ADDITIONS.includes(shifted.op) && scalarBeside(shifted, x) === 3
  const relu6 = soleReader(shifted, readers)
  const product = relu6 && soleReader(relu6, readers)
  if (!isSixth || !isThree || relu6?.op !== 'Relu6' || product?.op !== 'Mul') return undefined
  return soleReader(scaled, readers) === product ? [scaled, shifted, relu6, product] : undefined
}

function soleReader(node: Node, readers: Readers): Node | undefined {
  const [reader, other] = readers.get(node)!
  return other ? undefined : reader
}

/** What an operation of two inputs takes besides this one, if that is a constant. */
function constantBeside({ inputs }: Node, node: Node): Tensor | undefined {
  return inputs[inputs[0] === node ? 1 : 0].value
}

function scalarBeside(operation: Node, node: Node): number | undefined {
  const constant = constantBeside(operation, node)
  return constant?.size === 1 ? constant.data[0] : undefined
}
