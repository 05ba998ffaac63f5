/**
 * Turns the layers of a Keras model into steps that run on convkit, and runs them.
 *
 *     layers   UPN2 -> UPN2_Relu -> UPN3 -> UPsample -> SR
 *     steps    [ UPN2 + UPN2_Relu ] [ UPN3 ] [ UPsample + SR ]
 *
 * An activation joins the convolution in front of it, nearest upsampling the convolution behind it, wherever nothing
 * else reads what lies between them.
 */
import { Tensor, type BackendOption } from 'convkit'
import { activationOf } from './activation.js'
import { convolution, isConvolution, takesActivation, takesUpsampling } from './convolution.js'
import { activate, add, concatenate, multiply, rescale, upsample } from './elementwise.js'
import type { Layer, Model } from './keras.js'
import type { Operation, Shape } from './step.js'

/** An operation and its place in the network. */
export interface Step extends Operation {
  /** The layers that it stands for, as `UPsample + SR`. */
  readonly name: string
  /** The layers whose results it reads. */
  readonly inputs: readonly string[]
  /** The layer whose result it gives. */
  readonly output: string
}

export class Network {
  readonly steps: readonly Step[]
  readonly #input: string
  readonly #output: string
  /** Of each step, the results that no later step reads. */
  readonly #lastRead: readonly (readonly string[])[]

  constructor(model: Model, backend: BackendOption = 'auto') {
    const inputs = model.layers.filter(({ kind }) => kind === 'InputLayer')
    if (inputs.length !== 1) throw new Error(`the model has ${inputs.length} inputs; exactly one is supported`)
    this.#input = inputs[0].name
    this.#output = model.output
    this.steps = compile(model, backend)
    this.#lastRead = this.steps.map(({ inputs }, index) => {
      const later = new Set(this.steps.slice(index + 1).flatMap((step) => step.inputs))
      return [...new Set(inputs)].filter((name) => !later.has(name) && name !== model.output)
    })
  }

  /** Floating-point operations of each step, for an input of this shape. */
  flops(inputShape: Shape): number[] {
    const shapes = new Map([[this.#input, inputShape]])
    return this.steps.map((step) => {
      const inputs = step.inputs.map((name) => get(shapes, name))
      shapes.set(step.output, step.outputShape(inputs))
      return step.flops(inputs)
    })
  }

  /**
   * @param input - `[batch, height, width, channels]`, in the range that the model was trained on
   * @param beforeStep - told the number of each step just before it runs
   */
  run(input: Tensor, beforeStep?: (index: number) => void): { output: Tensor; milliseconds: number[] } {
    const results = new Map([[this.#input, input]])
    const buffers = new Buffers()
    const milliseconds = this.steps.map((step, index) => {
      beforeStep?.(index)
      const start = performance.now()
      const inputs = step.inputs.map((name) => get(results, name))
      const shape = step.outputShape(inputs.map((each) => each.shape))
      const out = buffers.take(shape.reduce((size, extent) => size * extent, 1))
      step.run(inputs, out)
      results.set(step.output, new Tensor(out, shape))
      for (const name of this.#lastRead[index]) {
        if (name !== this.#input) buffers.give(get(results, name).data as Float32Array)
        results.delete(name)
      }
      return performance.now() - start
    })
    return { output: get(results, this.#output), milliseconds }
  }
}

/**
 * Memory that steps have read for the last time serves later ones, which is much faster than fresh memory from the
 * operating system: a layer of a large picture takes dozens of megabytes.
 */
class Buffers {
  readonly #free: Float32Array[] = []

  take(length: number): Float32Array {
    const index = this.#free.findIndex((buffer) => buffer.length === length)
    return index < 0 ? new Float32Array(length) : this.#free.splice(index, 1)[0]
  }

  give(buffer: Float32Array): void {
    this.#free.push(buffer)
  }
}

function compile({ layers, output }: Model, backend: BackendOption): Step[] {
  /** The one layer that reads this layer, if nothing else needs its result. */
  const onlyReader = ({ name }: Layer): Layer | undefined => {
    const readers = layers.filter((layer) => layer.inputs.includes(name))
    return readers.length === 1 && name !== output ? readers[0] : undefined
  }
  const taken = new Set<Layer>() // by an earlier step
  const steps: Step[] = []
  for (const first of layers) {
    if (first.kind === 'InputLayer' || taken.has(first)) continue
    const next = isNearestUpsampling(first) ? onlyReader(first) : undefined
    const main = next && takesUpsampling(next) ? next : first
    const upsampling = main === first ? undefined : (first.config.size ?? 2)
    const behind = takesActivation(main) ? onlyReader(main) : undefined
    const activation = behind && activationOf(behind)
    const last = behind && activation ? behind : main

    const group = new Set([first, main, last])
    group.forEach((layer) => taken.add(layer))
    const operation = isConvolution(main) ? convolution(main, { upsampling, activation }, backend) : simple(main)
    const name = [...group].map((layer) => layer.name).join(' + ')
    steps.push({ ...operation, name, inputs: first.inputs, output: last.name })
  }
  return steps
}

function isNearestUpsampling({ kind, config }: Layer): boolean {
  return kind === 'UpSampling2D' && config.interpolation === 'nearest'
}

function simple(layer: Layer): Operation {
  const activation = activationOf(layer)
  if (activation) return activate(activation)
  switch (layer.kind) {
    case 'Add':
      return add()
    case 'Concatenate':
      return concatenate(layer)
    case 'Multiply':
      return multiply()
    case 'Rescaling':
      return rescale(layer)
    case 'UpSampling2D':
      return upsample(layer)
    default:
      throw new Error(`layer ${layer.name}: layers of kind ${layer.kind} are not supported`)
  }
}

function get<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name)
  if (value === undefined) throw new Error(`nothing has computed ${name} yet`)
  return value
}
