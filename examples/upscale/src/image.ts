/** Pictures as tensors `[1, height, width, 3]` with values from 0 to 255, the range that the network was trained on. */
import { readFile, writeFile } from 'node:fs/promises'
import { PNG } from 'pngjs'
import { Tensor } from 'convkit'

/** Reads a PNG file; transparency is dropped. */
export async function readPicture(file: string): Promise<Tensor> {
  const { width, height, data } = PNG.sync.read(await readFile(file))
  const samples = new Float32Array(height * width * 3)
  for (let i = 0; i < samples.length; i++) samples[i] = data[Math.floor(i / 3) * 4 + (i % 3)]
  return new Tensor(samples, [1, height, width, 3])
}

/** Rounds to whole values from 0 to 255, as a file holds them. */
export function toBytes({ data }: Tensor): Uint8ClampedArray {
  return Uint8ClampedArray.from(data)
}

export async function writePicture(file: string, picture: Tensor): Promise<void> {
  const [, height, width] = picture.shape
  const png = new PNG({ width, height, colorType: 2, inputColorType: 2, inputHasAlpha: false })
  png.data = Buffer.from(toBytes(picture))
  await writeFile(file, PNG.sync.write(png, { colorType: 2, inputColorType: 2, inputHasAlpha: false, deflateLevel: 9 }))
}

export interface Rectangle {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** The part of the picture in the rectangle, which is shifted and cut until it lies inside. */
export function crop(picture: Tensor, wanted: Rectangle): Tensor {
  const [, fullHeight, fullWidth] = picture.shape
  const width = Math.min(wanted.width, fullWidth)
  const height = Math.min(wanted.height, fullHeight)
  const x = Math.min(wanted.x, fullWidth - width)
  const y = Math.min(wanted.y, fullHeight - height)
  const samples = new Float32Array(height * width * 3)
  for (let row = 0; row < height; row++) {
    const from = ((y + row) * fullWidth + x) * 3
    samples.set(picture.data.subarray(from, from + width * 3), row * width * 3)
  }
  return new Tensor(samples, [1, height, width, 3])
}

/** Every pixel `factor` × `factor` times, so that one can see it. */
export function magnify(picture: Tensor, factor: number): Tensor {
  const [, height, width] = picture.shape
  const samples = new Float32Array(height * width * factor * factor * 3)
  for (let i = 0; i < samples.length; i++) {
    const [pixel, channel] = [Math.floor(i / 3), i % 3]
    const [x, y] = [pixel % (width * factor), Math.floor(pixel / (width * factor))]
    samples[i] = picture.data[(Math.floor(y / factor) * width + Math.floor(x / factor)) * 3 + channel]
  }
  return new Tensor(samples, [1, height * factor, width * factor, 3])
}

/** Pictures of one height, from left to right. */
export function sideBySide(pictures: readonly Tensor[]): Tensor {
  const height = pictures[0].shape[1]
  const total = pictures.reduce((sum, { shape }) => sum + shape[2], 0)
  const samples = new Float32Array(height * total * 3)
  let left = 0
  for (const { data, shape } of pictures) {
    const width = shape[2]
    for (let y = 0; y < height; y++)
      samples.set(data.subarray(y * width * 3, (y + 1) * width * 3), (y * total + left) * 3)
    left += width
  }
  return new Tensor(samples, [1, height, total, 3])
}
