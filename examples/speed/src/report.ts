/** The results as a table in Markdown, and the place in a README where it belongs. */
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import * as tf from '@tensorflow/tfjs'
import { info } from 'convkit'

export interface Row {
  readonly name: string
  /** In a batch. */
  readonly images: number
  /** Images per second. */
  readonly rates: { readonly convkit: number; readonly wasm: number | undefined; readonly cpu: number }
  /** Of TensorFlow.js' best backend's time to convkit's. */
  readonly ratio: number
  readonly ratioOfCpuTimes: number
  readonly bar: number
}

export function table(rows: readonly Row[]): string[] {
  const cells = rows.map(({ name, images, rates, ratio, ratioOfCpuTimes }) => [
    name,
    String(images),
    ...[rates.convkit, rates.wasm, rates.cpu].map(describe),
    ...[ratio, ratioOfCpuTimes].map((value) => `×${value.toFixed(value < 10 ? 1 : 0)}`),
  ])
  const head = ['network', 'batch', 'convkit', 'tfjs wasm', 'tfjs cpu', 'ratio', 'of CPU times']
  const widths = head.map((title, k) => Math.max(...[title, ...cells.map((row) => row[k])].map(({ length }) => length)))
  const line = (row: string[]): string =>
    `| ${row.map((cell, k) => (k === 0 ? cell.padEnd(widths[k]) : cell.padStart(widths[k]))).join(' | ')} |`
  const rule = widths.map((width, k) => (k === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [head, rule, ...cells].map(line)
}

function describe(imagesPerSecond: number | undefined): string {
  if (imagesPerSecond === undefined) return 'cannot'
  return imagesPerSecond < 10 ? imagesPerSecond.toPrecision(2) : imagesPerSecond.toFixed(0)
}

/** Versions, processor, and how busy it is before anything is timed. */
export async function conditions(): Promise<string> {
  const { version, isa, threads } = info()
  const flag = (name: string): Promise<unknown> => tf.env().getAsync(`WASM_HAS_${name}_SUPPORT`)
  const wasm = [(await flag('SIMD')) ? 'SIMD' : 'no SIMD', (await flag('MULTITHREAD')) ? 'threads' : 'one thread']
  const [{ model }] = cpus()
  return (
    `convkit ${version} (${isa ?? 'TypeScript'}, ${threads} threads), tfjs ${tf.version.tfjs} (wasm: ${wasm.join(', ')}), ` +
    `Node ${process.versions.node}, ${cpus().length} × ${model.trim()}, load ${loadavg()[0].toFixed(1)} beforehand.`
  )
}

/** Puts lines between `<!-- name -->` and `<!-- /name -->`. */
export async function writeSection(file: string, name: string, lines: readonly string[]): Promise<void> {
  const text = await readFile(file, 'utf8')
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`].map((mark) => text.indexOf(mark))
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for ${name}`)
  const from = text.indexOf('\n', begin) + 1
  await writeFile(file, `${text.slice(0, from)}\n${lines.join('\n')}\n\n${text.slice(end)}`)
}
