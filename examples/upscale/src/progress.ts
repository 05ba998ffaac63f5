import type { Tensor } from 'convkit'
import type { Network } from './network.js'

/** Runs the network on a picture and prints a line for each step: how far it is, then how long the step took. */
export function runWithProgress(network: Network, picture: Tensor): Tensor {
  const flops = network.flops(picture.shape)
  const total = flops.reduce((sum, each) => sum + each, 0)
  const start = performance.now()
  let stepStart = start
  let done = 0
  const finishLine = (index: number): void => {
    const milliseconds = performance.now() - stepStart
    process.stdout.write(`${milliseconds.toFixed(0).padStart(6)} ms${speed(flops[index], milliseconds)}\n`)
    done += flops[index]
  }
  const { output } = network.run(picture, (index) => {
    if (index > 0) finishLine(index - 1)
    const elapsed = performance.now() - start
    const left = elapsed > 2000 ? `${((elapsed * (total - done)) / done / 1000).toFixed(0)} s left` : ''
    const { name, description } = network.steps[index]
    const percent = `${((100 * done) / total).toFixed(0)} %`
    process.stdout.write(`${percent.padStart(6)} ${left.padStart(10)}  ${name.padEnd(20)} ${description.padEnd(34)}`)
    stepStart = performance.now()
  })
  finishLine(network.steps.length - 1)
  const seconds = (performance.now() - start) / 1000
  console.log(
    ` 100 %  in ${seconds.toFixed(1)} s: ${(total / 1e9).toFixed(0)} GFLOP, ${(total / 1e9 / seconds).toFixed(1)} GFLOP/s\n`,
  )
  return output
}

function speed(flops: number, milliseconds: number): string {
  return flops > 0 ? `${(flops / 1e6 / milliseconds).toFixed(1).padStart(8)} GFLOP/s` : ''
}
