/** Activations whose derivative follows from their own result: the sum before them need not be kept. */
import type { Activation, Tensor } from 'convkit'

export type { Activation }

/** Turns the gradient with respect to y = f(x) into the one with respect to x, in place. */
export function activationBackward(activation: Activation, output: Tensor, gradOutput: Tensor): void {
  const [y, gradient] = [output.data, gradOutput.data]
  const type = typeof activation === 'object' ? activation.type : activation
  const slope = typeof activation === 'object' && activation.type === 'leaky-relu' ? activation.slope : 0
  switch (type) {
    case 'linear':
      return
    case 'relu':
    case 'leaky-relu': {
      // Times 1 where y > 0, else times the slope. Half of the values are negative, in no order: a branch would be
      // foreseen wrongly half of the time and take several times as long as this, which reads the sign bit.
      const bits = new Int32Array(y.buffer, y.byteOffset, y.length)
      for (let i = 0; i < y.length; i++) gradient[i] *= slope - (1 - slope) * (-bits[i] >> 31)
      return
    }
    case 'tanh':
      for (let i = 0; i < y.length; i++) gradient[i] *= 1 - y[i] * y[i]
      return
    case 'sigmoid':
      for (let i = 0; i < y.length; i++) gradient[i] *= y[i] * (1 - y[i])
      return
    default:
      throw new Error(`no derivative for activation ${type}`)
  }
}
