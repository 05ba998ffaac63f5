import { Tensor, type BackendOption } from 'convkit'
import { convolution, imageOf, isConvolution, outputChannels } from './convolution.js'
import { elementwise } from './elementwise.js'
import { fuse, readersOf } from './fusion.js'
import type { Graph, Node } from './graph.js'
import { sizeOf, type Operation } from './operation.js'
import { resize } from './resize.js'

export interface Step extends Operation {
  readonly name: string
  readonly inputs: readonly Tensor[]
  /** Holds the result when the step is done, until a later step reuses its memory. */
  readonly output: Tensor
}

/** A graph of one input of a fixed shape, made ready once: weights packed, memory reserved, for any number of pictures. */
export class Network {
  readonly steps: readonly Step[]
  readonly inputShape: readonly number[]
  readonly #input: Tensor

  constructor(graph: Graph, backend: BackendOption = 'auto') {
    const placeholders = graph.filter(({ op }) => op === 'Placeholder')
    if (placeholders.length !== 1) throw new Error(`one input expected, ${placeholders.length} found`)
    this.inputShape = placeholders[0].shape
    this.#input = new Tensor(new Float32Array(sizeOf(this.inputShape)), this.inputShape)

    const readers = readersOf(graph)
    const results = new Map<Node, Tensor>([[placeholders[0], this.#input]])
    const waiting = new Map<Tensor, Set<Node>>() // who still reads a result, until its memory is free again
    const memory = new Memory()
    const swallowed = new Set<Node>()
    const steps: Step[] = []
    for (const node of graph) {
      if (swallowed.has(node) || node.op === 'Placeholder') continue
      if (node.value) {
        results.set(node, node.value)
        continue
      }
      const fused = isConvolution(node) ? fuse(node, outputChannels(node), readers) : undefined
      fused?.nodes.forEach((each) => swallowed.add(each))
      const sources = fused ? [imageOf(node)] : node.inputs
      const inputs = sources.map((source) => results.get(source)!)
      const shapes = inputs.map(({ shape }) => shape)
      const operation = fused
        ? convolution(node, fused, shapes[0], backend)
        : node.op === 'ResizeBilinear'
          ? resize(node, shapes[0], backend)
          : elementwise(node, shapes, backend)
      const output = memory.take(operation.outputShape)
      steps.push({ name: node.name, ...operation, inputs, output })
      results.set(fused?.end ?? node, output)
      waiting.set(output, new Set(readers.get(fused?.end ?? node)))
      for (const [result, nodes] of waiting) {
        if (nodes.delete(node) && nodes.size === 0) memory.give(result)
      }
    }
    this.steps = steps
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
      step.run(step.inputs, step.output.data as Float32Array)
      after?.(step)
    }
    return this.steps[this.steps.length - 1].output
  }
}

/** Arrays of which the next result of the same size may have the one that nobody reads any more. */
class Memory {
  readonly #free: Float32Array[] = []

  take(shape: readonly number[]): Tensor {
    const size = sizeOf(shape)
    const index = this.#free.findIndex(({ length }) => length === size)
    const data = index < 0 ? new Float32Array(size) : this.#free.splice(index, 1)[0]
    return new Tensor(data, shape)
  }

  give({ data }: Tensor): void {
    this.#free.push(data as Float32Array)
  }
}
