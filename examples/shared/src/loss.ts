/** Losses: the mean over the batch, and its gradient with respect to what the network gave. */
import { Tensor } from 'convkit'

export interface Loss {
  readonly value: number
  readonly gradient: Tensor
}

/** The mean of (output − target)² over all values. */
export function meanSquare(output: Tensor, target: Tensor): Loss {
  const gradient = new Float32Array(output.size)
  let sum = 0
  for (let i = 0; i < gradient.length; i++) {
    const difference = output.data[i] - target.data[i]
    sum += difference * difference
    gradient[i] = (2 / gradient.length) * difference
  }
  return { value: sum / gradient.length, gradient: new Tensor(gradient, output.shape) }
}

/** −log p where the sigmoid of an output is the probability of yes, and `answer` the probability that is right. */
export function sigmoidCrossEntropy(output: Tensor, answer: number): Loss {
  const gradient = new Float32Array(output.size)
  let sum = 0
  for (let i = 0; i < gradient.length; i++) {
    const x = output.data[i]
    // log(1 + eˣ) − answer · x, without overflow
    sum += Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))) - answer * x
    gradient[i] = (1 / (1 + Math.exp(-x)) - answer) / gradient.length
  }
  return { value: sum / gradient.length, gradient: new Tensor(gradient, output.shape) }
}

/** −log p of the right class, with p the softmax of the outputs `[N, classes, 1, 1]`. */
export function softmaxCrossEntropy(output: Tensor, labels: ArrayLike<number>): Loss {
  const probabilities = softmax(output)
  const gradient = probabilities.data
  const [batch, classes] = output.shape
  let sum = 0
  for (let n = 0; n < batch; n++) {
    const right = n * classes + labels[n]
    sum -= Math.log(Math.max(gradient[right], 1e-30))
    gradient[right] -= 1
  }
  for (let i = 0; i < gradient.length; i++) gradient[i] /= batch
  return { value: sum / batch, gradient: probabilities }
}

/** Probabilities of the classes `[N, classes, …]`. */
export function softmax({ data, shape }: Tensor): Tensor {
  const [batch, classes] = shape
  const result = new Float32Array(data.length)
  for (let n = 0; n < batch; n++) {
    const outputs = data.subarray(n * classes, (n + 1) * classes)
    const largest = Math.max(...outputs)
    const powers = Array.from(outputs, (x) => Math.exp(x - largest))
    const sum = powers.reduce((a, b) => a + b)
    powers.forEach((power, k) => (result[n * classes + k] = power / sum))
  }
  return new Tensor(result, shape)
}
