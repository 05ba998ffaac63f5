/** `convkit bench`: a handful of well-known layers, on the backend in use and on the TypeScript reference. */

import * as convkit from '../../index.js'

interface Layer {
  readonly name: string
  readonly transposed?: true
  readonly input: readonly [channels: number, height: number, width: number]
  readonly out: number
  readonly kernel: number
  readonly stride?: number
  readonly padding?: number
  readonly groups?: number
}

const layers: readonly Layer[] = [
  { name: 'ResNet stem', input: [3, 224, 224], out: 64, kernel: 7, stride: 2, padding: 3 },
  { name: 'ResNet 3x3', input: [64, 56, 56], out: 64, kernel: 3, padding: 1 },
  { name: 'ResNet 1x1', input: [256, 56, 56], out: 64, kernel: 1 },
  { name: 'MobileNet depthwise', input: [32, 112, 112], out: 32, kernel: 3, padding: 1, groups: 32 },
  { name: 'DCGAN', transposed: true, input: [256, 16, 16], out: 128, kernel: 4, stride: 2, padding: 1 },
  { name: 'U-Net up', transposed: true, input: [128, 64, 64], out: 64, kernel: 2, stride: 2 },
  { name: 'FCN x8', transposed: true, input: [21, 34, 34], out: 21, kernel: 16, stride: 8, padding: 4 },
]

export interface BenchRow {
  readonly layer: string
  readonly what: string
  /** Of the algorithm that the planner chose. */
  readonly algorithm: string
  readonly milliseconds: number
  /** Multiply-adds of the definition, counted twice, by the time; an algorithm may need fewer. */
  readonly gflops: number
  readonly typescriptMilliseconds: number
  readonly speedup: number
}

export function bench(): BenchRow[] {
  return layers.map((layer) => {
    const { name, transposed, input, out, kernel, stride = 1, padding = 0, groups = 1 } = layer
    const [channels, height, width] = input
    const op: convkit.ConvOperator | convkit.ConvTransposeOperator = transposed
      ? convkit.convTranspose2d
      : convkit.conv2d
    const x = filled([1, channels, height, width])
    const w = filled(transposed ? [channels, out / groups, kernel, kernel] : [out, channels / groups, kernel, kernel])
    const options = { stride, padding, groups }
    const shape = op.outputShape(x.shape, w.shape, options)
    const prepared = op.prepare(w, options)
    const y = new Float32Array(shape.reduce((a, b) => a * b, 1))
    const milliseconds = median(400, () => prepared(x, { out: y }))
    prepared.dispose()
    const typescriptMilliseconds = median(1, () => op(x, w, { ...options, backend: 'typescript' }))
    const positions = transposed ? height * width : shape[2] * shape[3]
    const operations = (2 * positions * channels * out * kernel * kernel) / groups
    return {
      layer: name,
      what: `${transposed ? 'convTranspose' : 'conv'} ${channels}→${out} k${kernel}${stride > 1 ? ` s${stride}` : ''}, ${height}×${width}`,
      algorithm: op.plan(x.shape, w.shape, options).algorithm,
      milliseconds,
      gflops: operations / milliseconds / 1e6,
      typescriptMilliseconds,
      speedup: typescriptMilliseconds / milliseconds,
    }
  })
}

function filled(shape: readonly number[]): convkit.Tensor {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1))
  for (let i = 0; i < data.length; i++) data[i] = ((i * 37) % 101) / 101 - 0.5
  return convkit.tensor(data, [...shape])
}

/** Of at least three runs, and of as many as fit into the time. */
function median(milliseconds: number, run: () => unknown): number {
  run()
  const times: number[] = []
  const end = performance.now() + milliseconds
  while (times.length < 3 || performance.now() < end) {
    const begin = performance.now()
    run()
    times.push(performance.now() - begin)
  }
  times.sort((a, b) => a - b)
  return times[times.length >> 1]
}

export function printBench(rows: readonly BenchRow[]): string {
  const { backend, isa, threads, reason } = convkit.info()
  const table = [
    ['layer', '', 'algorithm', 'ms', 'GFLOP/s', 'TypeScript ms', 'ratio'],
    ...rows.map((row) => [
      row.layer,
      row.what,
      row.algorithm,
      row.milliseconds.toPrecision(3),
      row.gflops.toPrecision(3),
      row.typescriptMilliseconds.toPrecision(3),
      `×${row.speedup.toPrecision(3)}`,
    ]),
  ]
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)))
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')
  const head = `convkit ${convkit.info().version}, ${backend}, ${isa}, threads: ${threads}${reason === undefined ? '' : ` (${reason})`}`
  return [head, '', ...table.map(line)].join('\n')
}
