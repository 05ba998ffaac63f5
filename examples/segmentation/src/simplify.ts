/**
 * Replaces parts of a graph by what gives the same with less work. Bilinear enlargement is linear and its weights add up to
 * one, so that it may change places with a convolution of one tap and with a bias; behind them it has fewer pixels before it:
 *
 *     resize ×2 → conv 1×1 → + bias        conv 1×1 → + bias → resize ×2        a quarter of the multiplications
 *     · → +                                multiply-add                         one pass over the map instead of two
 */
import { ADDITIONS } from './fusion.js'
import { readersOf, type Graph, type Node } from './graph.js'

export function simplify(graph: Graph): Graph {
  const readers = readersOf(graph)
  const replaced = new Map<Node, Node>()
  for (const node of graph) {
    const inputs = node.inputs.map((input) => replaced.get(input)!)
    // An input may vanish if nobody else reads it.
    const mayVanish = (i: number): boolean => readers.get(node.inputs[i])!.length === 1
    replaced.set(node, rewrite({ ...node, inputs }, mayVanish))
  }
  return reachedFrom(replaced.get(graph[graph.length - 1])!)
}

function rewrite(node: Node, mayVanish: (input: number) => boolean): Node {
  const isAddition = ADDITIONS.includes(node.op) && node.inputs.length === 2
  if (!isPointwise(node) && !isAddition) return node
  for (const [i, input] of node.inputs.entries()) {
    if (!mayVanish(i)) continue
    const other = node.inputs[1 - i]
    if (input.op === 'ResizeBilinear' && (isAddition ? isPerChannel(other) : i === 0)) {
      const [image, size] = input.inputs
      return { ...input, inputs: [{ ...node, inputs: [image, other] }, size] }
    }
    if (input.op === 'Mul' && isAddition && !other.value)
      return { ...node, op: 'MulAdd', inputs: [...input.inputs, other] }
  }
  return node
}

function isPointwise({ op, inputs, strides }: Node): boolean {
  return op === 'Conv2D' && [...strides, ...(inputs[1].value?.shape.slice(0, 2) ?? [])].every((extent) => extent === 1)
}

function isPerChannel({ value }: Node): boolean {
  return value !== undefined && value.size === value.shape.at(-1)
}

/** As in every graph: each node after its inputs. */
function reachedFrom(output: Node): Graph {
  const reached = new Set<Node>()
  const visit = (node: Node): void => {
    if (reached.has(node)) return
    node.inputs.forEach(visit)
    reached.add(node)
  }
  visit(output)
  return [...reached]
}
