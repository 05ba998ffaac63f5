// @ts-check
// The few messages of the ONNX format that a model of one Conv or ConvTranspose needs, with the field numbers of
// https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
import { requirePeer } from '../peers.mjs'
import { shapes } from '../layers.mjs'

/** @typedef {import('../types.js').Layer} Layer */

const schema = `
  syntax = "proto3";
  message Model       { int64 ir_version = 1; Graph graph = 7; repeated OperatorSet opset_import = 8; }
  message OperatorSet { string domain = 1; int64 version = 2; }
  message Graph       { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5;
                        repeated ValueInfo input = 11; repeated ValueInfo output = 12; }
  message Node        { repeated string input = 1; repeated string output = 2; string op_type = 4;
                        repeated Attribute attribute = 5; }
  message Attribute   { string name = 1; int64 i = 3; repeated int64 ints = 8; int32 type = 20; }
  message Tensor      { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
  message ValueInfo   { string name = 1; Type type = 2; }
  message Type        { TensorType tensor_type = 1; }
  message TensorType  { int32 elem_type = 1; Shape shape = 2; }
  message Shape       { repeated Dimension dim = 1; }
  message Dimension   { int64 dim_value = 1; }
`
const float32 = 1
const attributeInt = 2
const attributeInts = 7

const protobuf = requirePeer('protobufjs')
const Model = protobuf.parse(schema, { keepCase: true }).root.lookupType('Model')

/**
 * @param {Layer} layer
 * @param {Float32Array | Float64Array} weight
 * @returns {Uint8Array} the bytes of a model that maps `input` to `output`
 */
export function encodeModel(layer, weight) {
  const shape = shapes(layer)
  const valueInfo = (/** @type {'input' | 'output'} */ name) => ({
    name,
    type: { tensor_type: { elem_type: float32, shape: { dim: shape[name].map((size) => ({ dim_value: size })) } } },
  })
  const ints = (/** @type {string} */ name, /** @type {number[]} */ values) => ({
    name,
    ints: values,
    type: attributeInts,
  })
  const node = {
    input: ['input', 'weight'],
    output: ['output'],
    op_type: layer.op === 'conv' ? 'Conv' : 'ConvTranspose',
    attribute: [
      { name: 'group', i: layer.groups, type: attributeInt },
      ints('kernel_shape', layer.kernel),
      ints('strides', layer.stride),
      ints('dilations', layer.dilation),
      ints('pads', [...layer.padding, ...layer.padding]), // all begins, then all ends
      ...(layer.outputPadding ? [ints('output_padding', layer.outputPadding)] : []),
    ],
  }
  const raw = new Uint8Array(weight.buffer, weight.byteOffset, weight.byteLength)
  const graph = {
    name: layer.name,
    node: [node],
    initializer: [{ dims: shape.weight, data_type: float32, name: 'weight', raw_data: raw }],
    input: [valueInfo('input')],
    output: [valueInfo('output')],
  }
  const model = { ir_version: 8, opset_import: [{ domain: '', version: 17 }], graph }
  return Model.encode(model).finish()
}
