/**
 * Exact bilinear interpolation with half-pixel centres: sample i covers [i, i + 1), its value belongs to i + ½.
 * Beyond the outermost centres the value stays what it is there.
 */
import { Tensor } from 'convkit'

/** `[batch, height, width, channels]`; only as sharp as it should be where the picture grows or shrinks by less than 2. */
export function resizeBilinear(image: Tensor, size: readonly number[], out?: Float32Array): Tensor {
  const [batch, height, width, channels] = image.shape
  const [rows, columns] = size
  const result = out ?? new Float32Array(batch * rows * columns * channels)
  const { data } = image
  const vertical = positions(height, rows)
  const horizontal = positions(width, columns)
  let to = 0
  for (let n = 0; n < batch; n++) {
    for (const [upper, lower, down] of vertical) {
      for (const [left, right, across] of horizontal) {
        const a = ((n * height + upper) * width + left) * channels
        const b = ((n * height + upper) * width + right) * channels
        const c = ((n * height + lower) * width + left) * channels
        const d = ((n * height + lower) * width + right) * channels
        for (let channel = 0; channel < channels; channel++) {
          const top = data[a + channel] + (data[b + channel] - data[a + channel]) * across
          const bottom = data[c + channel] + (data[d + channel] - data[c + channel]) * across
          result[to++] = top + (bottom - top) * down
        }
      }
    }
  }
  return new Tensor(result, [batch, rows, columns, channels])
}

/** For each sample of the result the two samples between which it lies, and how far it is from the first. */
function positions(from: number, to: number): (readonly [number, number, number])[] {
  return Array.from({ length: to }, (_, i) => {
    const position = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1)
    const first = Math.floor(position)
    return [first, Math.min(first + 1, from - 1), position - first]
  })
}
