/**
 * Reads a TensorFlow.js graph model: a TensorFlow graph as JSON, and the bytes of its constants. A node names its
 * inputs, and the weights are nodes as well:
 *
 *     input_1   Conv2D/filter (Const)
 *          \     /
 *           Conv2D   y (Const)
 *               \   /
 *                Add   ...   Sigmoid
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Tensor } from 'convkit'

export interface Node {
  readonly name: string
  readonly op: string
  readonly inputs: readonly Node[]
  /** Of a Const; whole numbers too are held as floats. */
  readonly value: Tensor | undefined
  /** Of a Placeholder. */
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** The window of a pooling. */
  readonly window: readonly number[]
  readonly padding: 'same' | 'valid'
  readonly halfPixelCenters: boolean
}

/** Every node that the output needs, each after its inputs; the output comes last. */
export type Graph = readonly Node[]

export type Readers = ReadonlyMap<Node, readonly Node[]>

export function readersOf(graph: Graph): Readers {
  const readers = new Map<Node, Node[]>(graph.map((node) => [node, []]))
  for (const node of graph) for (const input of node.inputs) readers.get(input)!.push(node)
  return readers
}

/** What this example reads of `model.json`. Strings are in base 64, whole numbers may be strings. */
interface Attribute {
  readonly s?: string
  readonly b?: boolean
  readonly list?: { readonly i?: readonly (string | number)[] }
  readonly shape?: { readonly dim?: readonly { readonly size: string | number }[] }
}

export interface NodeSpec {
  readonly name: string
  readonly op: string
  readonly input?: readonly string[]
  readonly attr?: Readonly<Record<string, Attribute>>
}

export interface WeightSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: string
  readonly quantization?: { readonly dtype: string }
}

export interface GraphModel {
  readonly nodes: readonly NodeSpec[]
  readonly output: string
  readonly weights: readonly WeightSpec[]
  readonly bytes: Uint8Array
}

export async function readGraphModel(file: string): Promise<GraphModel> {
  const { modelTopology, weightsManifest, signature } = JSON.parse(await readFile(file, 'utf8'))
  const paths: string[] = weightsManifest.flatMap((group: { paths: string[] }) => group.paths)
  const outputs = Object.values<{ name: string }>(signature.outputs)
  if (outputs.length !== 1) throw new Error(`${file}: one output expected, ${outputs.length} found`)
  return {
    nodes: modelTopology.node,
    output: outputs[0].name,
    weights: weightsManifest.flatMap((group: { weights: WeightSpec[] }) => group.weights),
    bytes: Buffer.concat(await Promise.all(paths.map((path) => readFile(join(file, '..', path))))),
  }
}

export function parseGraph(model: GraphModel): Graph {
  const { nodes, output } = model
  const values = parseWeights(model)
  const specs = new Map(nodes.map((spec) => [spec.name, spec]))
  const done = new Map<string, Node>()
  const visit = (reference: string): Node => {
    const name = reference.replace(/:0$/, '') // the first result of the node called so
    const known = done.get(name)
    if (known) return known
    const spec = specs.get(name)
    if (!spec) throw new Error(`the graph has no node ${name}`)
    const node = parseNode(spec, (spec.input ?? []).map(visit), values.get(name))
    done.set(name, node)
    return node
  }
  visit(output)
  return [...done.values()]
}

function parseNode({ name, op, attr = {} }: NodeSpec, inputs: readonly Node[], value: Tensor | undefined): Node {
  const { data_format: format, padding, explicit_paddings: explicit } = attr
  if (op === 'Const' && !value) throw new Error(`constant ${name} has no value`)
  if (format && text(format) !== 'NHWC') throw new Error(`node ${name}: ${text(format)} is not supported`)
  if (explicit?.list?.i?.length) throw new Error(`node ${name}: explicit paddings are not supported`)
  return {
    name,
    op,
    inputs,
    value,
    shape: (attr['shape']?.shape?.dim ?? []).map(({ size }) => Number(size)),
    strides: spatial(attr['strides']),
    dilations: spatial(attr['dilations']),
    window: spatial(attr['ksize']),
    padding: padding && text(padding) === 'SAME' ? 'same' : 'valid',
    halfPixelCenters: attr['half_pixel_centers']?.b === true && attr['align_corners']?.b !== true,
  }
}

function text({ s = '' }: Attribute): string {
  return Buffer.from(s, 'base64').toString()
}

/** Of `[batch, height, width, channels]` the two in the middle. */
function spatial(attribute: Attribute | undefined): number[] {
  const list = attribute?.list?.i
  return list ? list.slice(1, 3).map(Number) : [1, 1]
}

/** The weights lie one behind the other, in half precision where `quantization` says so. */
export function parseWeights({ weights, bytes }: GraphModel): Map<string, Tensor> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const values = new Map<string, Tensor>()
  let offset = 0
  for (const { name, shape, dtype, quantization } of weights) {
    const stored = quantization?.dtype ?? dtype
    const data = new Float32Array(shape.reduce((size, extent) => size * extent, 1))
    for (let i = 0; i < data.length; i++) {
      if (stored === 'float32') data[i] = view.getFloat32(offset + 4 * i, true)
      else if (stored === 'int32') data[i] = view.getInt32(offset + 4 * i, true)
      else if (stored === 'float16') data[i] = halfToFloat(view.getUint16(offset + 2 * i, true))
      else throw new Error(`weight ${name}: ${stored} is not supported`)
    }
    offset += data.length * (stored === 'float16' ? 2 : 4)
    values.set(name, new Tensor(data, shape))
  }
  if (offset !== bytes.length) throw new Error(`the weights take ${offset} bytes, but there are ${bytes.length}`)
  return values
}

/** IEEE 754 binary16: a sign, five bits of exponent, ten of the fraction. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = (bits & 1023) / 1024
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15))
}
