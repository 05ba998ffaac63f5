/** Grey pictures: grids of small images, written as PNG. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { PNG } from 'pngjs'
import type { Tensor } from 'convkit'

export class Picture {
  /** One byte for each pixel, from 0 (black) to 255 (white). */
  readonly pixels: Uint8ClampedArray

  constructor(
    readonly width: number,
    readonly height: number,
    background: number,
  ) {
    this.pixels = new Uint8ClampedArray(width * height).fill(background)
  }

  draw(other: Picture, left: number, top: number): void {
    for (let y = 0; y < other.height; y++) {
      const row = other.pixels.subarray(y * other.width, (y + 1) * other.width)
      this.pixels.set(row, (top + y) * this.width + left)
    }
  }

  save(file: string): void {
    const { width, height } = this
    const grey = { colorType: 0, inputColorType: 0, inputHasAlpha: false, bitDepth: 8, deflateLevel: 9 } as const
    const png = new PNG({ width, height, ...grey })
    png.data = Buffer.from(this.pixels)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, PNG.sync.write(png, grey))
  }
}

export interface GridOptions {
  readonly columns: number
  /** The values that become black and white; default: 0 and 1. */
  readonly range?: readonly [number, number]
  /** Each value becomes a square of so many pixels; default 1. */
  readonly magnify?: number
  /** Pixels between images; default 2. */
  readonly gap?: number
  /** Between images, a byte; default 128. */
  readonly background?: number
}

/** The images of a tensor `[N, 1, height, width]` in rows, from the top left. */
export function grid({ data, shape }: Tensor, options: GridOptions): Picture {
  const { columns, range = [0, 1], magnify = 1, gap = 2, background = 128 } = options
  const [count, , height, width] = shape
  const rows = Math.ceil(count / columns)
  const extent = (images: number, size: number): number => images * (size * magnify + gap) - gap
  const picture = new Picture(extent(columns, width), extent(rows, height), background)
  const scale = 255 / (range[1] - range[0])
  for (let n = 0; n < count; n++) {
    const left = (n % columns) * (width * magnify + gap)
    const top = Math.floor(n / columns) * (height * magnify + gap)
    for (let y = 0; y < height * magnify; y++) {
      for (let x = 0; x < width * magnify; x++) {
        const value = data[(n * height + Math.floor(y / magnify)) * width + Math.floor(x / magnify)]
        picture.pixels[(top + y) * picture.width + left + x] = (value - range[0]) * scale
      }
    }
  }
  return picture
}

/** Pictures from left to right, aligned at the top. */
export function beside(pictures: readonly Picture[], gap = 12): Picture {
  const width = pictures.reduce((sum, picture) => sum + picture.width + gap, -gap)
  const result = new Picture(width, Math.max(...pictures.map(({ height }) => height)), 255)
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
  const result = new Picture(Math.max(...pictures.map(({ width }) => width)), height, 255)
  let top = 0
  for (const picture of pictures) {
    result.draw(picture, 0, top)
    top += picture.height + gap
  }
  return result
}
