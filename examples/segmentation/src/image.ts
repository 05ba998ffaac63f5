/** Pictures as tensors `[1, height, width, 3]` with values from 0 to 1, the range that the network was trained on. */
import { readFile, writeFile } from 'node:fs/promises'
import jpeg from 'jpeg-js'
import { PNG } from 'pngjs'
import { Tensor } from 'convkit'

/** Reads a JPEG or PNG file; transparency is dropped. */
export async function readPicture(file: string): Promise<Tensor> {
  const bytes = await readFile(file)
  const isPng = bytes.subarray(1, 4).toString('latin1') === 'PNG'
  const { width, height, data } = isPng ? PNG.sync.read(bytes) : jpeg.decode(bytes, { useTArray: true })
  const samples = new Float32Array(height * width * 3)
  for (let i = 0; i < samples.length; i++) samples[i] = data[Math.floor(i / 3) * 4 + (i % 3)] / 255
  return new Tensor(samples, [1, height, width, 3])
}

/** Writes three channels as colours, one as grey and four as colours with opacity. */
export async function writePicture(file: string, { data, shape }: Tensor): Promise<void> {
  const [, height, width, channels] = shape
  const colorType = ({ 1: 0, 3: 2, 4: 6 } as const)[channels]
  if (colorType === undefined) throw new Error(`no picture has ${channels} channels`)
  const options = { colorType, inputColorType: colorType, inputHasAlpha: channels === 4 } as const
  const png = new PNG({ width, height })
  png.data = Buffer.from(Uint8ClampedArray.from(data, (value) => value * 255))
  await writeFile(file, PNG.sync.write(png, { ...options, deflateLevel: 9 }))
}

/** Makes a picture of the same size, pixel by pixel. */
export function mapPixels(picture: Tensor, channels: number, pixel: (i: number) => readonly number[]): Tensor {
  const [batch, height, width] = picture.shape
  const samples = new Float32Array(batch * height * width * channels)
  for (let i = 0; i < batch * height * width; i++) samples.set(pixel(i), i * channels)
  return new Tensor(samples, [batch, height, width, channels])
}

/** Every pixel `factor` × `factor` times, so that one can see it. */
export function magnify({ data, shape }: Tensor, factor: number): Tensor {
  const [, height, width, channels] = shape
  const large = new Tensor(new Float32Array(data.length * factor * factor), [
    1,
    height * factor,
    width * factor,
    channels,
  ])
  return mapPixels(large, channels, (i) => {
    const [x, y] = [i % (width * factor), Math.floor(i / (width * factor))]
    const from = (Math.floor(y / factor) * width + Math.floor(x / factor)) * channels
    return [...data.subarray(from, from + channels)]
  })
}

/** Rows of pictures of one size, with white lines between them. */
export function grid(rows: readonly (readonly Tensor[])[], gap = 4): Tensor {
  const [, height, width, channels] = rows[0][0].shape
  const across = rows[0].length * (width + gap) - gap
  const down = rows.length * (height + gap) - gap
  const samples = new Float32Array(down * across * channels).fill(1)
  rows.forEach((pictures, row) =>
    pictures.forEach(({ data }, column) => {
      for (let y = 0; y < height; y++) {
        const to = ((row * (height + gap) + y) * across + column * (width + gap)) * channels
        samples.set(data.subarray(y * width * channels, (y + 1) * width * channels), to)
      }
    }),
  )
  return new Tensor(samples, [1, down, across, channels])
}
