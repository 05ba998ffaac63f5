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
  /** @param training - false for use after training: batch normalisation then takes the statistics that it has learned */
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

/** target += values, number by number. */
export function addTo(target: Float32Array, { data }: Tensor): void {
  for (let i = 0; i < target.length; i++) target[i] += data[i]
}

/** The number of values that are learned. */
export function countParameters({ parameters }: Layer): number {
  return parameters.reduce((sum, { value }) => sum + value.size, 0)
}
