/** Photographs as tensors `[1, height, width, 3]` with values from 0 to 1, the range that the network was trained on. */
import { readFile } from 'node:fs/promises'
import jpeg from 'jpeg-js'
import { PNG } from 'pngjs'
import { Tensor } from 'convkit'

/** Reads a JPEG or PNG file; transparency is dropped. */
export async function readPhotograph(file: string): Promise<Tensor> {
  const bytes = await readFile(file)
  const isPng = bytes.subarray(1, 4).toString('latin1') === 'PNG'
  const { width, height, data } = isPng ? PNG.sync.read(bytes) : jpeg.decode(bytes, { useTArray: true })
  const samples = new Float32Array(height * width * 3)
  for (let i = 0; i < samples.length; i++) samples[i] = data[Math.floor(i / 3) * 4 + (i % 3)] / 255
  return new Tensor(samples, [1, height, width, 3])
}

/** Makes a picture of the same size, pixel by pixel. */
export function mapPixels(image: Tensor, channels: number, pixel: (i: number) => readonly number[]): Tensor {
  const [batch, height, width] = image.shape
  const samples = new Float32Array(batch * height * width * channels)
  for (let i = 0; i < batch * height * width; i++) samples.set(pixel(i), i * channels)
  return new Tensor(samples, [batch, height, width, channels])
}
