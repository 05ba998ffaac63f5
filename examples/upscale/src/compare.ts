import type { Tensor } from 'convkit'
import { toBytes } from './image.js'
import type { Model } from './keras.js'
import { Network } from './network.js'

/** Runs the model on both backends, prints the time of each step and how far the results are apart. */
export function compareBackends(model: Model, picture: Tensor): void {
  const [native, typescript] = (['native', 'typescript'] as const).map((backend) => {
    const network = new Network(model, backend)
    const first = network.run(picture) // also lets the just-in-time compiler do its work
    const second = network.run(picture)
    const milliseconds = second.milliseconds.map((time, index) => Math.min(time, first.milliseconds[index]))
    return { steps: network.steps, flops: network.flops(picture.shape), output: second.output, milliseconds }
  })
  const [, height, width] = picture.shape
  console.log(`Native code against TypeScript on ${width} × ${height} pixels of it, milliseconds:`)
  console.log(`${row('', '', 'native', 'TypeScript')}     ratio`)
  const line = (name: string, description: string, fast: number, slow: number): void => {
    console.log(`${row(name, description, fast.toFixed(2), slow.toFixed(2))}${(slow / fast).toFixed(1).padStart(9)}×`)
  }
  native.steps.forEach(({ name, description }, index) => {
    if (native.flops[index] > 0) line(name, description, native.milliseconds[index], typescript.milliseconds[index])
  })
  line('all, with what is between', '', sum(native.milliseconds), sum(typescript.milliseconds))

  const apart = largestDifference(native.output.data, typescript.output.data)
  const bytes = largestDifference(toBytes(native.output), toBytes(typescript.output))
  console.log(
    `Largest difference of their results: ${apart.toExponential(1)} on the scale 0 to 255 (${bytes} once rounded).\n`,
  )
}

function row(name: string, description: string, first: string, second: string): string {
  return `  ${name.padEnd(20)} ${description.padEnd(34)}${first.padStart(11)}${second.padStart(13)}`
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
