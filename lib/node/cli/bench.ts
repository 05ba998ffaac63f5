/** `convkit bench`: a handful of well-known layers, on the backend in use and on the TypeScript reference. */

import * as convkit from '../../index.js'
import { measurePeak } from '../select.js'

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
  /** Of the multiply-adds that the threads can do, measured beside the layer; null without native code. */
  readonly percentOfPeak: number | null
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
    const before = measurePeak()
    const milliseconds = median(400, 3, () => prepared(x, { out: y }))
    const peak = before && Math.max(before, measurePeak() ?? 0)
    prepared.dispose()
    const typescriptMilliseconds = median(0, 1, () => op(x, w, { ...options, backend: 'typescript' }))
    const positions = transposed ? height * width : shape[2] * shape[3]
    const operations = (2 * positions * channels * out * kernel * kernel) / groups
    const gflops = operations / milliseconds / 1e6
    return {
      layer: name,
      what: `${transposed ? 'convTranspose' : 'conv'} ${channels}→${out} k${kernel}${stride > 1 ? ` s${stride}` : ''}, ${height}×${width}`,
      algorithm: op.plan(x.shape, w.shape, options).algorithm,
      milliseconds,
      gflops,
      percentOfPeak: peak === undefined ? null : (gflops / peak) * 100,
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

/** Of at least so many runs after a first one, and of as many as fit into the time. */
function median(milliseconds: number, least: number, run: () => unknown): number {
  run()
  const times: number[] = []
  const end = performance.now() + milliseconds
  while (times.length < least || performance.now() < end) {
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
    ['layer', '', 'algorithm', 'ms', 'GFLOP/s', '% of peak', 'TypeScript ms', 'ratio'],
    ...rows.map((row) => [
      row.layer,
      row.what,
      row.algorithm,
      row.milliseconds.toPrecision(3),
      row.gflops.toPrecision(3),
      row.percentOfPeak === null ? '' : row.percentOfPeak.toFixed(0),
      row.typescriptMilliseconds.toPrecision(3),
      `×${row.speedup.toPrecision(3)}`,
    ]),
  ]
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)))
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')
  const head = `convkit ${convkit.info().version}, ${backend}, ${isa}, threads: ${threads}${reason === undefined ? '' : ` (${reason})`}`
  const foot =
    rows[0].percentOfPeak === null ? [] : ['', 'More than 100 % of the multiply-adds: an algorithm that needs fewer.']
  return [head, '', ...table.map(line), ...foot].join('\n')
}
