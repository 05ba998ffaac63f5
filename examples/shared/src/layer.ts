/**
 * What a network is made of. Backpropagation walks the layers twice:
 *
 *     input ──► forward ──► forward ──► forward ──► output
 *                  │           │           │          │ loss
 *               backward ◄─ backward ◄─ backward ◄─ gradient
 *                  ▼           ▼           ▼
 *               gradients of the parameters, for Adam
 *
 * A layer remembers what its last `forward` saw, so each `backward` belongs to the `forward` before it.
 */
import type { Tensor } from 'convkit'

/** Numbers to be learned. Two layers may share one: their gradients add up. */
export interface Parameter {
  readonly value: Tensor
  /** Of the loss with respect to `value`: `backward` adds to it, Adam sets it back to zero. */
  readonly gradient: Float32Array
}

export function parameter(value: Tensor): Parameter {
  return { value, gradient: new Float32Array(value.size) }
}

/** Which gradients somebody will read; the others need not be computed. */
export interface Needs {
  readonly input: boolean
  readonly parameters: boolean
}

const ALL: Needs = { input: true, parameters: true }

export interface Layer {
  readonly parameters: readonly Parameter[]
  /**
   * @param training - false for use after training: batch normalisation then takes the statistics that it has learned,
   *   and the result is the caller's to keep; in training it is valid until the layer's next call
   */
  forward(input: Tensor, training: boolean): Tensor
  /**
   * @param gradOutput - of the loss with respect to what `forward` gave; may be overwritten
   * @returns the gradient with respect to the input, if it is needed
   */
  backward(gradOutput: Tensor, needs: Needs): Tensor | undefined
}

/** Layers one after another, themselves a layer. */
export class Sequential implements Layer {
  readonly parameters: readonly Parameter[]

  constructor(readonly layers: readonly Layer[]) {
    this.parameters = [...new Set(layers.flatMap((layer) => layer.parameters))]
  }

  forward(input: Tensor, training: boolean): Tensor {
    return this.layers.reduce((value, layer) => layer.forward(value, training), input)
  }

  backward(gradOutput: Tensor, needs: Needs = ALL): Tensor | undefined {
    return this.layers.reduceRight<Tensor | undefined>(
      (gradient, layer, i) => layer.backward(gradient!, { input: i > 0 || needs.input, parameters: needs.parameters }),
      gradOutput,
    )
  }
}

/**
 * Memory for a layer's results in training, where each step makes the same ones again: taking new pages from the
 * operating system, and collecting the garbage, would cost about as much as computing. What a layer gives in training is
 * therefore valid until its next call.
 */
export class Memory {
  private readonly arrays = new Map<string, Float32Array>()

  take(name: string, shape: readonly number[]): Float32Array {
    const size = shape.reduce((product, extent) => product * extent, 1)
    let array = this.arrays.get(name)
    if (array?.length !== size) this.arrays.set(name, (array = new Float32Array(size)))
    return array
  }
}

/** target += values, number by number. */
export function addTo(target: Float32Array, { data }: Tensor): void {
  for (let i = 0; i < target.length; i++) target[i] += data[i]
}

/** The number of values that are learned. */
export function countParameters({ parameters }: Layer): number {
  return parameters.reduce((sum, { value }) => sum + value.size, 0)
}
