/** The same models on the same pictures, here and in TensorFlow.js (its `cpu` backend, which is plain JavaScript). */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { before, describe, test } from 'node:test'
import * as tf from '@tensorflow/tfjs'
import { info, tensor, type Tensor } from 'convkit'
import { largestDifference } from '../src/compare.js'
import { crop, readPicture } from '../src/image.js'
import { loadModel, parseModel, type Model, type Topology, type WeightSpec } from '../src/keras.js'
import { Network } from '../src/network.js'

const packages = resolve(import.meta.dirname, '../node_modules')
const modelFile = join(packages, '@upscalerjs/default-model/models/model.json')
const backends = info().backend === 'native' ? (['native', 'typescript'] as const) : (['typescript'] as const)

before(() => tf.setBackend('cpu'))

describe('the upscaling network', () => {
  test('agrees with TensorFlow.js on a part of the photograph', async () => {
    const photo = await readPicture(join(packages, 'baboon-image/baboon.png'))
    const picture = crop(photo, { x: 303, y: 25, width: 48, height: 36 })
    const expected = predict(await loadLayersModel(modelFile), picture)
    assert.deepEqual(expected.shape, [1, 72, 96, 3])
    const model = await loadModel(modelFile)
    for (const backend of backends) check(model, backend, picture, expected, 0.005)
  })

  test('takes twelve convolutions, the last with the upsampling inside', async () => {
    const { steps } = new Network(await loadModel(modelFile))
    const convolutions = steps.filter(({ description }) => description.startsWith('conv'))
    assert.equal(convolutions.length, 12)
    assert.equal(convolutions.at(-1)?.name, 'UPsample + SR')
    assert.equal(convolutions.at(-1)?.description, 'convTranspose 4×4, 12 → 3')
    assert.deepEqual(
      [...new Set(steps.map(({ description }) => description))].filter((text) => !text.startsWith('conv')),
      ['concatenate', 'add'],
    )
  })
})

describe('other Keras models', () => {
  const L = tf.layers

  test('sequential: strides, dilation, depthwise, transposed, upsampling that fuses', async () => {
    const model = tf.sequential({
      layers: [
        L.conv2d({
          inputShape: [null, null, 3],
          filters: 8,
          kernelSize: [3, 5],
          strides: 2,
          padding: 'same',
          activation: 'elu',
        }),
        L.rescaling({ scale: 0.5, offset: 0.25 }),
        L.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: 'same' }),
        L.leakyReLU({ alpha: 0.1 }),
        L.conv2d({ filters: 6, kernelSize: 3, dilationRate: 2, activation: 'tanh' }),
        L.conv2dTranspose({ filters: 5, kernelSize: 3, strides: 2, padding: 'same' }),
        L.reLU({ maxValue: 1 }),
        L.conv2dTranspose({ filters: 4, kernelSize: 2, strides: 3, padding: 'valid' }),
        L.upSampling2d({ size: [3, 2] }),
        L.conv2d({ filters: 3, kernelSize: 5, padding: 'same', useBias: false, activation: 'sigmoid' }),
      ],
    })
    const steps = await compareModels(model, [2, 17, 14, 3])
    assert.equal(steps.length, 7, steps.join('\n'))
  })

  test('functional: results that several layers read, activations and upsampling that stay by themselves', async () => {
    const input = tf.input({ shape: [null, null, 3] })
    const first = L.conv2d({ filters: 4, kernelSize: 3, padding: 'same' }).apply(input) as tf.SymbolicTensor
    const relu = L.activation({ activation: 'relu' }).apply(first) as tf.SymbolicTensor
    const prelu = L.prelu({ sharedAxes: [1, 2], alphaInitializer: 'randomNormal' }).apply(first) as tf.SymbolicTensor
    const product = L.multiply().apply([relu, prelu]) as tf.SymbolicTensor
    const joined = L.concatenate().apply([product, first, relu]) as tf.SymbolicTensor
    const large = L.upSampling2d({ size: [2, 2] }).apply(joined) as tf.SymbolicTensor
    const narrow = L.conv2d({ filters: 12, kernelSize: 1, activation: 'relu6' }).apply(large) as tf.SymbolicTensor
    const output = L.add().apply([large, narrow]) as tf.SymbolicTensor
    const steps = await compareModels(tf.model({ inputs: input, outputs: output }), [1, 9, 7, 3])
    assert.equal(steps.length, 8, steps.join('\n'))
  })

  test('a layer that is not known is named', async () => {
    const model = tf.sequential({ layers: [L.globalAveragePooling2d({ inputShape: [8, 8, 3], name: 'pool' })] })
    const parsed = await convert(model)
    assert.throws(() => new Network(parsed), /layer pool: layers of kind GlobalAveragePooling2D are not supported/)
  })
})

/** Runs a TensorFlow.js model on noise in both libraries; gives the descriptions of convkit's steps. */
async function compareModels(model: tf.LayersModel, shape: number[]): Promise<string[]> {
  const noise = Float32Array.from({ length: shape.reduce((size, extent) => size * extent, 1) }, (_, i) =>
    Math.sin(i * i),
  )
  const picture = tensor(noise, shape)
  const expected = predict(model, picture)
  const converted = await convert(model)
  for (const backend of backends) check(converted, backend, picture, expected, 1e-5)
  return new Network(converted).steps.map(({ name, description }) => `${name}: ${description}`)
}

function check(model: Model, backend: 'native' | 'typescript', picture: Tensor, expected: Tensor, bound: number): void {
  const { output } = new Network(model, backend).run(picture)
  assert.deepEqual(output.shape, expected.shape)
  const difference = largestDifference(output.data, expected.data)
  assert.ok(difference <= bound, `${backend}: differs from TensorFlow.js by ${difference}, more than ${bound}`)
}

function predict(model: tf.LayersModel, { data, shape }: Tensor): Tensor {
  const result = model.predict(tf.tensor(data, [...shape])) as tf.Tensor
  return tensor(result.dataSync<'float32'>(), result.shape)
}

/** TensorFlow.js' own reading of a model file, which outside a browser must be given the bytes. */
async function loadLayersModel(file: string): Promise<tf.LayersModel> {
  const { modelTopology, weightsManifest } = JSON.parse(await readFile(file, 'utf8'))
  const weightData = await readFile(join(file, '..', weightsManifest[0].paths[0]))
  return tf.loadLayersModel({
    load: async () => ({
      modelTopology,
      weightSpecs: weightsManifest[0].weights,
      weightData: new Uint8Array(weightData).buffer,
    }),
  })
}

/** A model made with TensorFlow.js, as this example reads it: by way of the format that both know. */
async function convert(model: tf.LayersModel): Promise<Model> {
  const artifacts = await new Promise<tf.io.ModelArtifacts>((resolve) => {
    const saved = { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' as const } }
    void model.save(tf.io.withSaveHandler(async (received) => (resolve(received), saved)))
  })
  const bytes = new Uint8Array(artifacts.weightData as ArrayBuffer)
  return parseModel(artifacts.modelTopology as Topology, artifacts.weightSpecs as WeightSpec[], bytes)
}
