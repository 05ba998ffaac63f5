import { Tensor, type BackendOption } from 'convkit'
import { convolution, imageOf, isConvolution, outputChannels } from './convolution.js'
import { elementwise } from './elementwise.js'
import { ADDITIONS, fuse, type Fused } from './fusion.js'
import { readersOf, type Graph, type Node } from './graph.js'
import { reserve, Result } from './memory.js'
import type { Operation, Shape } from './operation.js'
import { resize } from './resize.js'
import { simplify } from './simplify.js'
import { gatedSum, isGate, sum } from './sum.js'

export interface Step {
  readonly name: string
  readonly description: string
  readonly flops: number
  readonly inputs: readonly Tensor[]
  /** Holds the result when the step is done, until a later step reuses its memory. */
  readonly output: Tensor
  run(): void
}

/** A graph of one input of a fixed shape, made ready once: weights packed, memory reserved, for any number of pictures. */
export class Network {
  readonly steps: readonly Step[]
  readonly #input: Tensor

  constructor(original: Graph, backend: BackendOption = 'auto') {
    const graph = simplify(original)
    const placeholders = graph.filter(({ op }) => op === 'Placeholder')
    if (placeholders.length !== 1) throw new Error(`one input expected, ${placeholders.length} found`)
    const input = new Result(placeholders[0].shape, -1)

    const readers = readersOf(graph)
    const results = new Map<Node, Result>([[placeholders[0], input]])
    const replaced = new Set<Node>() // by the step before them
    const plan: { name: string; operation: Operation; inputs: (Result | Node)[]; output: Result }[] = []
    for (const node of graph) {
      if (replaced.has(node) || node.op === 'Placeholder' || node.value) continue
      const inputs = (isConvolution(node) ? [imageOf(node)] : node.inputs).map((each) => results.get(each) ?? each)
      inputs.forEach((each) => each instanceof Result && (each.last = plan.length))
      const shapes = inputs.map((each) => (each instanceof Result ? each.shape : each.value!.shape))
      const make = fusable(node, shapes, backend)
      const fused = make && fuse(node, isConvolution(node) ? outputChannels(node) : shapes[0][3], readers)
      fused?.nodes.forEach((each) => replaced.add(each))
      const operation = make ? make(fused!) : single(node, shapes, backend)
      const output = new Result(operation.outputShape, plan.length)
      plan.push({ name: node.name, operation, inputs, output })
      results.set(fused?.end ?? node, output)
    }

    const pairs = plan.flatMap(({ operation: { neighbours }, inputs }) => {
      const [a, b] = (neighbours ?? []).map((i) => inputs[i])
      return a instanceof Result && b instanceof Result ? [[a, b] as const] : []
    })
    reserve([...results.values()], pairs)
    this.#input = input.tensor
    this.steps = plan.map(({ name, operation, inputs, output: { tensor: output } }) => {
      const tensors = inputs.map((each) => (each instanceof Result ? each.tensor : each.value!))
      const { description, flops } = operation
      const run = operation.bind(tensors, output.data as Float32Array)
      return { name, description, flops, inputs: tensors, output, run }
    })
  }

  get inputShape(): Shape {
    return this.#input.shape
  }

  get flops(): number {
    return this.steps.reduce((sum, { flops }) => sum + flops, 0)
  }

  /** Runs the network; the result is valid until the next run. */
  run({ data, shape }: Tensor, after?: (step: Step) => void): Tensor {
    if (shape.join() !== this.inputShape.join()) {
      throw new Error(`the network takes [${this.inputShape.join(', ')}], not [${shape.join(', ')}]`)
    }
    this.#input.data.set(data)
    for (const step of this.steps) {
      step.run()
      after?.(step)
    }
    return this.steps[this.steps.length - 1].output
  }
}

/** What can do a bias and an activation as well, as soon as these are known. */
function fusable(
  node: Node,
  shapes: readonly Shape[],
  backend: BackendOption,
): ((fused: Fused) => Operation) | undefined {
  if (isConvolution(node)) return (fused) => convolution(node, fused, shapes[0], backend)
  const [a, b, c] = shapes.map((shape) => shape.join())
  if (shapes[0].length !== 4) return undefined
  if (ADDITIONS.includes(node.op) && a === b && shapes.length === 2) return (fused) => sum(shapes[0], fused, backend)
  if (node.op === 'MulAdd' && a === c && isGate(shapes[0], shapes[1]))
    return (fused) => gatedSum(shapes[0], fused, backend)
  return undefined
}

function single(node: Node, shapes: readonly Shape[], backend: BackendOption): Operation {
  return node.op === 'ResizeBilinear' ? resize(node, shapes[0], backend) : elementwise(node, shapes, backend)
}
