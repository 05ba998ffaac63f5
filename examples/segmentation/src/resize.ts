/**
 * TensorFlow's ResizeBilinear by a whole factor is a transposed convolution with a fixed kernel, the one that FCN starts
 * from. Only at the edges the two differ: past the outermost centres interpolation keeps the value that is there, where a
 * transposed convolution fades into its padding. A frame of one pixel, repeated from the edge and cropped away again
 * after the enlargement, makes them equal:
 *
 *                              a a b b
 *      a b    frame of one     a a b b    convTranspose, stride f,
 *      c d  ────────────────►  c c d d  ──────────────────────────►  f times as large
 *                              c c d d    crop of p + f
 */
import { bilinearWeight, convTranspose2d, Tensor, type BackendOption, type ConvTransposeOptions } from 'convkit'
import type { Node } from './graph.js'
import type { Operation, Shape } from './operation.js'

/** The fixed kernel, to be applied to a picture with a frame. */
export function framedBilinear(
  channels: number,
  factors: readonly number[],
): { weight: Tensor; options: ConvTransposeOptions } {
  const { weight, options } = bilinearWeight(channels, [...factors], { layout: 'channels-last' })
  const padding = [options.padding].flat().map((crop, axis) => Number(crop) + factors[axis])
  return { weight, options: { ...options, padding } }
}

export function resize({ name, inputs, halfPixelCenters }: Node, shape: Shape, backend: BackendOption): Operation {
  const [batch, height, width, channels] = shape
  const size = inputs[1].value
  if (!size) throw new Error(`node ${name}: the size is not a constant`)
  const factors = [size.data[0] / height, size.data[1] / width]
  if (!halfPixelCenters || !factors.every(Number.isInteger)) {
    throw new Error(`node ${name}: only resizing by whole factors with half-pixel centres is supported`)
  }
  const { weight, options } = framedBilinear(channels, factors)
  const prepared = convTranspose2d.prepare(weight, { ...options, backend })
  const framed = new Tensor(new Float32Array(framedSize(shape)), [batch, height + 2, width + 2, channels])
  return {
    description: `resize ×${factors[0]}`,
    outputShape: prepared.outputShape(framed.shape),
    flops: convTranspose2d.plan(framed.shape, weight.shape, options).flops,
    bind:
      ([image], out) =>
      () =>
        void prepared(addFrame(image, framed.data), { out }),
  }
}

function framedSize([batch, height, width, channels]: Shape): number {
  return batch * (height + 2) * (width + 2) * channels
}

/** A frame of one pixel, repeated from the edge. */
export function addFrame(
  { data, shape }: Tensor,
  framed: Tensor['data'] = new Float32Array(framedSize(shape)),
): Tensor {
  const [batch, height, width, channels] = shape
  const rowLength = (width + 2) * channels
  for (let row = 0; row < batch * (height + 2); row++) {
    const [n, y] = [Math.floor(row / (height + 2)), (row % (height + 2)) - 1]
    const from = (n * height + Math.min(Math.max(y, 0), height - 1)) * width * channels
    const end = from + width * channels
    const to = row * rowLength
    framed.set(data.subarray(from, from + channels), to)
    framed.set(data.subarray(from, end), to + channels)
    framed.set(data.subarray(end - channels, end), to + rowLength - channels)
  }
  return new Tensor(framed, [batch, height + 2, width + 2, channels])
}
