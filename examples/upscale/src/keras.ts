/**
 * Reads a Keras layers model as TensorFlow.js stores it: `model.json` holds the graph and a list of weights, whose values
 * follow one another in the shard files. Functional and sequential models come out alike, as named layers in an order in
 * which each one follows those it reads.
 */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { tensor, type Tensor } from 'convkit'

export interface Layer {
  readonly name: string
  /** Keras' name of its class, such as `Conv2D`. */
  readonly kind: string
  readonly config: LayerConfig
  /** Names of the layers whose results it reads. */
  readonly inputs: readonly string[]
  /** By the last part of their name: `kernel`, `bias`, `alpha` and so on. */
  readonly weights: ReadonlyMap<string, Tensor>
}

export interface Model {
  /** The layers that the output needs, in order. */
  readonly layers: readonly Layer[]
  /** The layer whose result is the model's. */
  readonly output: string
}

/** The settings of a layer that network.ts reads; which of them are there depends on its kind. */
export interface LayerConfig {
  readonly activation?: string
  readonly alpha?: number
  readonly axis?: number
  readonly data_format?: string
  readonly dilation_rate?: number | number[]
  readonly groups?: number
  readonly interpolation?: string
  readonly max_value?: number | null
  readonly negative_slope?: number
  readonly offset?: number
  readonly output_padding?: number | number[] | null
  readonly padding?: 'same' | 'valid'
  readonly scale?: number
  readonly size?: number | number[]
  readonly strides?: number | number[]
  readonly threshold?: number
}

/** One entry of a layer's `inbound_nodes`: the results that one use of the layer reads, as [layer, node, tensor, ...]. */
type InboundNode = readonly (readonly [string, number, number, ...unknown[]])[]

interface LayerJson {
  readonly class_name: string
  readonly config: LayerConfig & { readonly name: string }
  readonly inbound_nodes?: readonly InboundNode[]
}

interface GraphJson {
  readonly class_name: string
  readonly config: {
    readonly layers: readonly LayerJson[]
    readonly output_layers?: readonly (readonly [string, ...unknown[]])[]
  }
}

/** `modelTopology` of model.json: as the converter writes it, or as TensorFlow.js' own `save` does. */
export type Topology = GraphJson | { readonly model_config: GraphJson }

/** One entry of `weightsManifest[].weights`. */
export interface WeightSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: string
  readonly quantization?: unknown
}

interface ModelJson {
  readonly modelTopology: Topology
  readonly weightsManifest: readonly { readonly paths: readonly string[]; readonly weights: readonly WeightSpec[] }[]
}

/** Reads the model that a model.json and the shards beside it hold. */
export async function loadModel(file: string): Promise<Model> {
  const json = JSON.parse(await readFile(file, 'utf8')) as ModelJson
  const paths = json.weightsManifest.flatMap((group) => group.paths)
  const shards = await Promise.all(paths.map((path) => readFile(join(dirname(file), path))))
  return parseModel(
    json.modelTopology,
    json.weightsManifest.flatMap((group) => group.weights),
    Buffer.concat(shards),
  )
}

/** Puts a model together from its graph, the list of its weights and their bytes. */
export function parseModel(topology: Topology, specs: readonly WeightSpec[], bytes: Uint8Array): Model {
  const graph = 'model_config' in topology ? topology.model_config : topology
  const weights = readWeights(specs, bytes)
  const isSequential = graph.class_name === 'Sequential'
  const layers = isSequential
    ? chain(graph.config.layers, weights)
    : graph.config.layers.map((json) => readLayer(json, readInputs(json), weights))
  const outputs = graph.config.output_layers ?? []
  if (!isSequential && outputs.length !== 1)
    throw new Error(`the model has ${outputs.length} outputs; exactly one is supported`)
  const output = isSequential ? layers[layers.length - 1].name : outputs[0][0]
  return { layers: inOrder(layers, output), output }
}

function readLayer(json: LayerJson, inputs: readonly string[], weights: Map<string, Map<string, Tensor>>): Layer {
  const { name } = json.config
  return { name, kind: json.class_name, config: json.config, inputs, weights: weights.get(name) ?? new Map() }
}

/** A sequential model: each layer reads the one before. Its input may be implied. */
function chain(list: readonly LayerJson[], weights: Map<string, Map<string, Tensor>>): Layer[] {
  const input: LayerJson = { class_name: 'InputLayer', config: { name: 'input' } }
  const jsons = list[0].class_name === 'InputLayer' ? list : [input, ...list]
  return jsons.map((json, i) => readLayer(json, i === 0 ? [] : [jsons[i - 1].config.name], weights))
}

function readInputs({ config, inbound_nodes: nodes = [] }: LayerJson): string[] {
  if (nodes.length > 1)
    throw new Error(`layer ${config.name} is used ${nodes.length} times; shared layers are not supported`)
  return (nodes[0] ?? []).map(([name]) => name)
}

/** Cuts the bytes into tensors: layer name -> weight name -> tensor. */
function readWeights(specs: readonly WeightSpec[], bytes: Uint8Array): Map<string, Map<string, Tensor>> {
  const weights = new Map<string, Map<string, Tensor>>()
  const values = new Float32Array(new Uint8Array(bytes).buffer)
  let offset = 0
  for (const { name, shape, dtype, quantization } of specs) {
    if (dtype !== 'float32' || quantization) throw new Error(`weight ${name} is not stored as plain float32`)
    const size = shape.reduce((product, extent) => product * extent, 1)
    const slash = name.lastIndexOf('/')
    const layer = name.slice(0, slash)
    if (!weights.has(layer)) weights.set(layer, new Map())
    weights.get(layer)?.set(name.slice(slash + 1), tensor(values.subarray(offset, offset + size), shape))
    offset += size
  }
  if (offset !== values.length)
    throw new Error(`the weights take ${offset} numbers, but the shards hold ${values.length}`)
  return weights
}

/** The layers that `output` needs, each after those that it reads. */
function inOrder(layers: readonly Layer[], output: string): Layer[] {
  const byName = new Map(layers.map((layer) => [layer.name, layer]))
  const ordered = new Set<Layer>()
  const visit = (name: string): void => {
    const layer = byName.get(name)
    if (!layer) throw new Error(`the model has no layer ${name}`)
    if (ordered.has(layer)) return
    layer.inputs.forEach(visit)
    ordered.add(layer)
  }
  visit(output)
  return [...ordered]
}
