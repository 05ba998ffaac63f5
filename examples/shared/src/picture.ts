/** Pictures in bytes: drawn from tensors, put beside each other, written as PNG. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { PNG } from 'pngjs'
import type { Tensor } from 'convkit'

/** Grey, red, green and blue, or these and opacity. */
export type Channels = 1 | 3 | 4

export class Picture {
  /** `[height, width, channels]`, from 0 (black, transparent) to 255. */
  readonly pixels: Uint8ClampedArray

  constructor(
    readonly width: number,
    readonly height: number,
    readonly channels: Channels = 1,
    background = 255,
  ) {
    this.pixels = new Uint8ClampedArray(width * height * channels).fill(background)
  }

  /** @param other - a grey one may be drawn into one in colours */
  draw(other: Picture, left: number, top: number): void {
    const { width, channels, pixels } = this
    for (let y = 0; y < other.height; y++) {
      for (let x = 0; x < other.width; x++) {
        const from = (y * other.width + x) * other.channels
        const to = ((top + y) * width + left + x) * channels
        for (let c = 0; c < channels; c++) pixels[to + c] = other.pixels[from + (other.channels === 1 ? 0 : c)]
      }
    }
  }

  /** Every pixel becomes a square, so that one can see it. */
  magnified(factor: number): Picture {
    const { width, height, channels, pixels } = this
    const large = new Picture(width * factor, height * factor, channels)
    for (let i = 0; i < large.pixels.length; i++) {
      const [x, y] = [Math.floor(i / channels) % large.width, Math.floor(i / channels / large.width)]
      large.pixels[i] = pixels[(Math.floor(y / factor) * width + Math.floor(x / factor)) * channels + (i % channels)]
    }
    return large
  }

  save(file: string): void {
    const { width, height, channels } = this
    const colorType = ({ 1: 0, 3: 2, 4: 6 } as const)[channels]
    const format = { colorType, inputColorType: colorType, inputHasAlpha: channels === 4, bitDepth: 8 } as const
    const png = new PNG({ width, height, ...format })
    png.data = Buffer.from(this.pixels)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, PNG.sync.write(png, { ...format, deflateLevel: 9 }))
  }
}

/** The values that become black and white; default: 0 and 1. */
export type Range = readonly [number, number]

/** A tensor `[height, width, channels]`, with or without a batch of one before it. */
export function picture({ data, shape }: Tensor, range: Range = [0, 1]): Picture {
  const [height, width, channels] = shape.slice(-3)
  const result = new Picture(width, height, channels as Channels)
  const scale = 255 / (range[1] - range[0])
  for (let i = 0; i < result.pixels.length; i++) result.pixels[i] = (data[i] - range[0]) * scale
  return result
}

export interface GridOptions {
  readonly columns: number
  readonly range?: Range
  /** Each value becomes a square of so many pixels; default 1. */
  readonly magnify?: number
  /** Pixels between images; default 2. */
  readonly gap?: number
  /** Between images, a byte; default 128. */
  readonly background?: number
}

/** The images of a tensor `[N, 1, height, width]` in rows, from the top left. */
export function grid(images: Tensor, options: GridOptions): Picture {
  const { columns, range, magnify = 1, gap = 2, background = 128 } = options
  const [count, , height, width] = images.shape
  const [across, down] = [width * magnify + gap, height * magnify + gap]
  const result = new Picture(columns * across - gap, Math.ceil(count / columns) * down - gap, 1, background)
  // All of them as one picture, one below the other, cut into pieces.
  const all = picture(images.reshape([count * height, width, 1]), range)
  for (let n = 0; n < count; n++) {
    const image = new Picture(width, height)
    image.pixels.set(all.pixels.subarray(n * width * height, (n + 1) * width * height))
    result.draw(image.magnified(magnify), (n % columns) * across, Math.floor(n / columns) * down)
  }
  return result
}

/** Pictures from left to right, aligned at the top. */
export function beside(pictures: readonly Picture[], gap = 12): Picture {
  const width = pictures.reduce((sum, picture) => sum + picture.width + gap, -gap)
  const result = new Picture(width, Math.max(...pictures.map(({ height }) => height)), mostChannels(pictures))
  let left = 0
  for (const picture of pictures) {
    result.draw(picture, left, 0)
    left += picture.width + gap
  }
  return result
}

/** Pictures from top to bottom, aligned at the left. */
export function below(pictures: readonly Picture[], gap = 12): Picture {
  const height = pictures.reduce((sum, picture) => sum + picture.height + gap, -gap)
  const result = new Picture(Math.max(...pictures.map(({ width }) => width)), height, mostChannels(pictures))
  let top = 0
  for (const picture of pictures) {
    result.draw(picture, 0, top)
    top += picture.height + gap
  }
  return result
}

function mostChannels(pictures: readonly Picture[]): Channels {
  return Math.max(...pictures.map(({ channels }) => channels)) as Channels
}
