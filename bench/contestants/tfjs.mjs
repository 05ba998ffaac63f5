// @ts-check
// TensorFlow.js on its WebAssembly backend (SIMD, one thread). Its tensors lie in its own memory, channels last, input and
// weights moved there and turned before the call; the result stays there. So it is spared what a caller with plain
// channels-first arrays would pay.
import { makeData, shapes } from '../layers.mjs'
import { requirePeer } from '../peers.mjs'
import { permute } from './permute.mjs'
import { serveCalls } from './serve.mjs'

/** @typedef {import('../types.js').Case} Case */
/** @typedef {import('../types.js').Layer} Layer */

const tf = requirePeer('@tensorflow/tfjs-core')
const { setThreadsCount, version_wasm: version } = requirePeer('@tensorflow/tfjs-backend-wasm')
setThreadsCount(1)
await tf.setBackend('wasm')

/** A layer with one axis gets a height of 1. @param {Layer} layer @returns {Layer} */
function withTwoAxes(layer) {
  if (layer.input.length > 1) return layer
  const { input, kernel, stride, padding, dilation, outputPadding } = layer
  return {
    ...layer,
    input: [1, ...input],
    kernel: [1, ...kernel],
    stride: [1, ...stride],
    padding: [0, ...padding],
    dilation: [1, ...dilation],
    ...(outputPadding && { outputPadding: [0, ...outputPadding] }),
  }
}

/** Why TensorFlow.js has no such layer on this backend. @param {Layer} layer */
function missing({ op, groups, inChannels, dilation, stride, input }) {
  const dilated = dilation.some((step) => step > 1)
  if (groups > 1 && (groups !== inChannels || op === 'convTranspose' || input.length === 3)) return 'groups'
  if (dilated && (op === 'convTranspose' || input.length === 3)) return 'dilation'
  if (dilated && stride.some((step) => step > 1)) return 'dilation with a stride'
  // Version 4.22 computes something else here than its own CPU backend.
  if (op === 'convTranspose' && input.length === 3) return 'conv3dTranspose'
  return undefined
}

/** In three dimensions there are words only. @param {Layer} layer */
function paddingWord({ padding, kernel, stride }) {
  if (padding.every((amount) => amount === 0)) return 'valid'
  const same = padding.every((amount, axis) => stride[axis] === 1 && 2 * amount === kernel[axis] - 1)
  return same ? 'same' : undefined
}

/** @param {Case} job */
function prepare({ layer: given, pass, dtype }) {
  if (pass !== 'forward' || dtype !== 'float32') throw new Error(`no ${dtype} ${pass}`)
  const layer = withTwoAxes(given)
  const { op, groups, inChannels, outChannels, stride, dilation, padding, kernel } = layer
  const rank = kernel.length
  const word = paddingWord(layer)
  const why = missing(layer) ?? (rank === 3 && word === undefined ? 'this padding' : undefined)
  if (why !== undefined) return { unable: why }

  const shape = shapes(layer)
  const axes = kernel.map((_, axis) => axis + 2)
  const last = (/** @type {readonly number[]} */ extents) => [extents[0], ...extents.slice(2), extents[1]]
  const input = tf.tensor(
    permute(makeDataOf(layer, 'input'), shape.input, [0, ...axes, 1]),
    last(shape.input),
    'float32',
  )
  // [...kernel, in, out]; of a transposed convolution [...kernel, out, in]. Depthwise: [...kernel, channel, multiple].
  const depthwise = groups > 1
  const turned = permute(makeDataOf(layer, 'weight'), shape.weight, depthwise ? [...axes, 0, 1] : [...axes, 1, 0])
  const weight = tf.tensor(
    turned,
    depthwise ? [...kernel, inChannels, outChannels / inChannels] : [...kernel, shape.weight[1], shape.weight[0]],
    'float32',
  )
  const end = padding.map((amount, axis) => amount - (layer.outputPadding?.[axis] ?? 0))
  const explicit = [[0, 0], ...padding.map((amount, axis) => [amount, end[axis]]), [0, 0]]
  const outputShape = last(shape.output)
  const call = () => {
    if (depthwise) return tf.depthwiseConv2d(input, weight, stride, explicit, 'NHWC', dilation)
    if (rank === 3) return tf.conv3d(input, weight, stride, word)
    if (op === 'conv') return tf.conv2d(input, weight, stride, explicit, 'NHWC', dilation)
    return tf.conv2dTranspose(input, weight, outputShape, stride, explicit)
  }
  const result = () => {
    const output = call()
    const data = permute(output.dataSync(), outputShape, [0, rank + 1, ...kernel.map((_, axis) => axis + 1)])
    output.dispose()
    return data
  }
  return {
    run: () => {
      call().dispose()
    },
    result,
    dispose: () => {
      input.dispose()
      weight.dispose()
    },
  }
}

/** @param {Layer} layer @param {'input' | 'weight'} operand */
const makeDataOf = (layer, operand) => /** @type {Float32Array} */ (makeData(layer, operand, 'float32'))

void serveCalls(prepare, () => ({ version }))
