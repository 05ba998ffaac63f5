/** The same network on the same photographs, here and in TensorFlow.js (its `cpu` backend, which is plain JavaScript). */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import * as tf from '@tensorflow/tfjs'
import { info, tensor, type Tensor } from 'convkit'
import { parseGraph, readGraphModel, type GraphModel, type NodeSpec } from '../src/graph.js'
import { readPhotograph } from '../src/image.js'
import { resizeBilinear } from '../src/interpolation.js'
import { modelFile, photographs } from '../src/model.js'
import { reserve, Result } from '../src/memory.js'
import { Network } from '../src/network.js'
import { loadInTensorFlow } from '../src/tensorflow.js'

const backends = info().backend === 'native' ? (['native', 'typescript'] as const) : (['typescript'] as const)

describe('the segmentation network', () => {
  let model: GraphModel
  let photo: Tensor

  before(async () => {
    await tf.setBackend('cpu')
    model = await readGraphModel(modelFile)
    photo = resizeBilinear(await readPhotograph(photographs[0]), [256, 256])
  })

  test('agrees with TensorFlow.js', async () => {
    const expected = await predict(await exactSixth(model), photo)
    for (const backend of backends) {
      const mask = new Network(parseGraph(model), backend).run(photo)
      assert.deepEqual(mask.shape, [1, 256, 256, 1])
      const difference = largestDifference(mask, expected)
      assert.ok(difference < 1e-4, `${backend}: differs by ${difference}`)
    }
  })

  test('differs little from TensorFlow.js where hard-swish has the 1/6 of the file, rounded to half precision', async () => {
    const expected = await predict(await loadInTensorFlow(model), photo)
    const difference = largestDifference(new Network(parseGraph(model)).run(photo), expected)
    assert.ok(difference < 0.02, `differs by ${difference}`)
  })

  test('every convolution has its bias and activation inside, the last is transposed', () => {
    const { steps } = new Network(parseGraph(model))
    const convolutions = steps.filter(({ flops }) => flops > 0)
    assert.equal(convolutions.length, 58)
    assert.equal(steps.at(-1)?.description, 'convTranspose 2×2 s2, 16 → 1, sigmoid')
    const others = steps.filter(({ flops }) => flops === 0).map(({ description }) => description.split(' ')[0])
    assert.deepEqual([...new Set(others)].sort(), ['add', 'average', 'multiply', 'multiply-add'])
    assert.equal(steps.filter(({ description }) => description.endsWith('hard-swish')).length, 11)
  })

  test('finds the person: the middle of the photograph, not its upper corners', () => {
    const { data } = new Network(parseGraph(model)).run(photo)
    const at = (y: number, x: number): number => data[y * 256 + x]
    assert.ok(at(128, 128) > 0.95 && at(200, 128) > 0.95)
    assert.ok(at(10, 10) < 0.05 && at(10, 245) < 0.05)
  })

  test('a frame does not depend on the one before it', async () => {
    const network = new Network(parseGraph(model))
    const first = network.run(photo).data.slice()
    network.run(resizeBilinear(await readPhotograph(photographs[1]), [256, 256]))
    assert.deepEqual(network.run(photo).data, first)
  })

  test('an operation that is not known is named', () => {
    const nodes = model.nodes.map((node) => (node.op === 'AvgPool' ? { ...node, op: 'MaxPool' } : node))
    assert.throws(() => new Network(parseGraph({ ...model, nodes })), /node average_pooling.*MaxPool/)
  })
})

describe('small graphs', () => {
  before(() => tf.setBackend('cpu'))

  test('what the photograph does not reach: odd sizes, dilation, multipliers, single and shared activations', async () => {
    const nodes: NodeSpec[] = [
      placeholder('x', [2, 9, 7, 4]),
      constant('w1'),
      node('c1', 'Conv2D', ['x', 'w1'], { strides: [1, 1], dilations: [2, 2], padding: 'SAME' }),
      node('r1', 'Relu6', ['c1']),
      node('s1', 'Sigmoid', ['c1']), // two readers: neither activation may be fused
      node('m1', 'Mul', ['r1', 's1']),
      constant('w2'),
      node('d1', 'DepthwiseConv2dNative', ['m1', 'w2'], { strides: [2, 2], dilations: [1, 1], padding: 'VALID' }),
      constant('b2'),
      node('d2', 'AddV2', ['b2', 'd1']), // the bias comes first
      node('p1', 'AvgPool', ['d2'], { strides: [1, 1], ksize: [2, 2], padding: 'VALID' }),
      constant('sizes'),
      constant('w3'),
      node('t1', 'Conv2DBackpropInput', ['sizes', 'w3', 'p1'], {
        strides: [3, 3],
        dilations: [1, 1],
        padding: 'SAME',
      }),
      constant('size'),
      node('u1', 'ResizeBilinear', ['t1', 'size'], { half_pixel_centers: true }),
      constant('half'),
      node('out', 'Mul', ['u1', 'half']),
    ]
    // conv [2, 9, 7, 6], depthwise [2, 4, 3, 12], pooled [2, 3, 2, 12], transposed [2, 8, 5, 5], resized [2, 24, 10, 5]
    const model = graphModel(nodes, {
      w1: random([3, 3, 4, 6], 1),
      w2: random([2, 3, 6, 2], 2),
      b2: random([12], 3),
      sizes: { shape: [4], values: [2, 8, 5, 5] },
      w3: random([3, 2, 5, 12], 4),
      size: { shape: [2], values: [24, 10] },
      half: { shape: [], values: [0.5] },
    })
    await compare(model, [2, 24, 10, 5])
  })

  test('what changes places, and sums: maps side by side, with themselves, in two sums, with bias and activation', async () => {
    const pixel = { strides: [1, 1], dilations: [1, 1], padding: 'SAME' }
    const nodes: NodeSpec[] = [
      placeholder('x', [1, 4, 3, 8]),
      ...['w1', 'b1', 'w2', 'b2', 'gate', 'size'].map(constant),
      node('e1', 'ResizeBilinear', ['x', 'size'], { half_pixel_centers: true }),
      node('c1', 'Conv2D', ['e1', 'w1'], pixel), // before the enlargement,
      node('a1', 'Add', ['b1', 'c1']), // its bias too,
      node('r1', 'Relu', ['a1']), // but not what is not linear
      node('c2', 'Conv2D', ['r1', 'w2'], pixel),
      node('s1', 'AddV2', ['c2', 'r1']),
      node('s2', 'AddV2', ['s1', 'b2']),
      node('s3', 'Relu6', ['s2']),
      node('s4', 'AddN', ['s3', 'c2']), // c2 is beside r1
      node('s5', 'AddN', ['s4', 's4']),
      node('p1', 'AvgPool', ['s5'], { strides: [1, 1], ksize: [8, 6], padding: 'VALID' }),
      node('g1', 'Mul', ['s3', 'p1']),
      node('t1', 'AddV2', ['s5', 'g1']),
      node('t2', 'Sigmoid', ['t1']),
      node('g2', 'Mul', ['t2', 'gate']),
      node('t3', 'AddV2', ['g2', 'r1']),
      node('c3', 'Conv2D', ['x', 'w1'], pixel),
      node('e2', 'ResizeBilinear', ['c3', 'size'], { half_pixel_centers: true }),
      node('out', 'AddV2', ['e2', 't3']), // no bias
    ]
    const model = graphModel(nodes, {
      w1: random([1, 1, 8, 6], 1),
      b1: random([6], 2),
      w2: random([1, 1, 6, 6], 3),
      b2: random([6], 4),
      gate: random([6], 5),
      size: { shape: [2], values: [8, 6] },
    })
    const kinds = new Network(parseGraph(model)).steps.map(({ description }) => description)
    assert.deepEqual(kinds.slice(2, 7), ['conv 1×1, 8 → 6', 'resize ×2', 'relu', 'conv 1×1, 6 → 6', 'add'])
    assert.equal(kinds.filter((kind) => kind === 'multiply-add').length, 2)
    await compare(model, [1, 8, 6, 6])
  })

  async function compare(model: GraphModel, expectedShape: number[]): Promise<void> {
    const graph = parseGraph(model)
    const { shape, values } = random([...graph.find(({ op }) => op === 'Placeholder')!.shape], 5)
    const input = tensor(values, shape)
    const expected = await predict(await loadInTensorFlow(model), input)
    for (const backend of backends) {
      const result = new Network(graph, backend).run(input)
      assert.deepEqual(result.shape, expectedShape)
      const difference = largestDifference(result, expected)
      assert.ok(difference < 1e-5, `${backend}: differs by ${difference}`)
    }
  }
})

test('results that are needed at the same time do not share memory, pairs lie together', () => {
  const results = [
    [6, 0, 4],
    [3, 1, 2],
    [5, 2, 3],
    [5, 2, 5],
    [2, 3, 4],
    [6, 4, 5],
    [6, 5, 6],
  ].map(([size, first, last]) => Object.assign(new Result([size], first), { last }))
  reserve(results, [
    [results[3], results[2]],
    [results[2], results[3]],
    [results[1], results[3]],
  ])
  const ranges = results.map(({ tensor: { data } }) => [data.byteOffset, data.byteOffset + data.byteLength])
  for (const [i, a] of results.entries()) {
    for (const [j, b] of results.entries()) {
      if (i === j || a.last < b.first || b.last < a.first) continue
      assert.ok(ranges[i][1] <= ranges[j][0] || ranges[j][1] <= ranges[i][0], `${i} and ${j} overlap`)
    }
  }
  const [, second, third, fourth] = ranges
  assert.deepEqual([second[1], fourth[1]], [fourth[0], third[0]])
  assert.equal(results[0].tensor.data.buffer.byteLength, 4 * 27) // instead of 33
})

function random(shape: number[], seed: number): { shape: number[]; values: number[] } {
  const size = shape.reduce((a, b) => a * b, 1)
  return { shape, values: Array.from({ length: size }, (_, i) => Math.sin(seed + i * i)) }
}

async function predict(model: tf.GraphModel, { data, shape }: Tensor): Promise<Tensor> {
  const result = model.predict(tf.tensor(data, [...shape])) as tf.Tensor
  return tensor(result.dataSync<'float32'>(), result.shape)
}

/** The model in TensorFlow.js, with hard-swish as it is meant. */
function exactSixth(model: GraphModel): Promise<tf.GraphModel> {
  return loadInTensorFlow(model, (value) => (Math.abs(value - 1 / 6) < 1e-4 ? 1 / 6 : value))
}

function largestDifference({ data: a }: Tensor, { data: b }: Tensor): number {
  assert.equal(a.length, b.length)
  let largest = 0
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i] - b[i])) // NaN stays NaN
  return largest
}

function placeholder(name: string, shape: number[]): NodeSpec {
  return { name, op: 'Placeholder', attr: { shape: { shape: { dim: shape.map((size) => ({ size })) } } } }
}

function constant(name: string): NodeSpec {
  return { name, op: 'Const', attr: {} }
}

interface Attributes {
  strides?: number[]
  dilations?: number[]
  ksize?: number[]
  padding?: string
  half_pixel_centers?: boolean
}

function node(
  name: string,
  op: string,
  input: string[],
  { padding, half_pixel_centers: b, ...lists }: Attributes = {},
): NodeSpec {
  const attr: Record<string, object> = { data_format: { s: Buffer.from('NHWC').toString('base64') } }
  if (b) attr['half_pixel_centers'] = { b }
  if (padding) attr['padding'] = { s: Buffer.from(padding).toString('base64') }
  for (const [key, [y, x]] of Object.entries(lists)) attr[key] = { list: { i: [1, y, x, 1] } }
  return { name, op, input, attr }
}

function graphModel(nodes: NodeSpec[], constants: Record<string, { shape: number[]; values: number[] }>): GraphModel {
  const entries = Object.entries(constants)
  return {
    nodes,
    output: 'out',
    weights: entries.map(([name, { shape }]) => ({
      name,
      shape,
      dtype: name.startsWith('size') ? 'int32' : 'float32',
    })),
    bytes: Buffer.concat(
      entries.map(([name, { values }]) =>
        Buffer.from((name.startsWith('size') ? Int32Array.from(values) : Float32Array.from(values)).buffer),
      ),
    ),
  }
}
