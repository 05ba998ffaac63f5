/** The same model in TensorFlow.js, for the test and for `speed.ts`; nothing else needs it. */
import * as tf from '@tensorflow/tfjs'
import { parseWeights, type GraphModel } from './graph.js'

/** Outside a browser TensorFlow.js must be given the weights; `change` may give a constant of one value another one. */
export function loadInTensorFlow(model: GraphModel, change = (value: number): number => value): Promise<tf.GraphModel> {
  const values = parseWeights(model)
  const parts = model.weights.map(({ name, dtype }) => {
    const { data } = values.get(name)!
    if (dtype === 'int32') return Int32Array.from(data)
    return data.length === 1 ? Float32Array.of(change(data[0])) : Float32Array.from(data)
  })
  return tf.loadGraphModel({
    load: async () => ({
      modelTopology: { node: model.nodes, versions: { producer: 0 } },
      weightSpecs: model.weights.map(({ name, shape, dtype }) => ({
        name,
        shape: [...shape],
        dtype: dtype as 'float32' | 'int32',
      })),
      weightData: new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part.buffer)))).buffer,
    }),
  })
}
