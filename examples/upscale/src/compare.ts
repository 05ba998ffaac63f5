import type { Tensor } from 'convkit'
import { toBytes } from './image.js'
import type { Model } from './keras.js'
import { Network } from './network.js'

/** Runs the model on both backends; prints the time of each convolution and how far the results are apart. */
export function compareBackends(model: Model, picture: Tensor): void {
  const network = new Network(model, 'native')
  const native = measure(network, picture, 5)
  const typescript = measure(new Network(model, 'typescript'), picture, 2)

  const [, height, width] = picture.shape
  console.log(`Native code against TypeScript on ${width} × ${height} pixels of it, in milliseconds:`)
  console.log(row('', '', 'native', 'TypeScript', 'ratio'))
  const print = (name: string, description: string, fast: number, slow: number): void => {
    console.log(row(name, description, fast.toFixed(2), slow.toFixed(2), `${(slow / fast).toFixed(0)}×`))
  }
  const flops = network.flops(picture.shape)
  network.steps.forEach(({ name, description }, i) => {
    if (flops[i] > 0) print(name, description, native.milliseconds[i], typescript.milliseconds[i])
  })
  print('the whole network', '', sum(native.milliseconds), sum(typescript.milliseconds))

  const apart = largestDifference(native.output.data, typescript.output.data).toExponential(1)
  const rounded = largestDifference(toBytes(native.output), toBytes(typescript.output))
  console.log(`Largest difference of their results: ${apart} on the scale from 0 to 255 (${rounded} once rounded).\n`)
}

/** The shortest time of each step; the first run also lets the just-in-time compiler do its work. */
function measure(network: Network, picture: Tensor, runs: number): { output: Tensor; milliseconds: number[] } {
  const all = Array.from({ length: runs }, () => network.run(picture))
  const milliseconds = network.steps.map((_, i) => Math.min(...all.map((run) => run.milliseconds[i])))
  return { output: all[0].output, milliseconds }
}

function row(name: string, description: string, first: string, second: string, ratio: string): string {
  return `  ${name.padEnd(20)} ${description.padEnd(34)}${first.padStart(10)}${second.padStart(13)}${ratio.padStart(9)}`
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`cannot compare ${a.length} values with ${b.length}`)
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i] - b[i])) // NaN stays NaN
  return largest
}
