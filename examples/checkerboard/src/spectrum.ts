/**
 * The spectrum of pictures, in which a checkerboard shows: a pattern that repeats every two pixels along an axis has its
 * power at that axis' highest frequency, half a wave per pixel, which is named after Nyquist.
 *
 *     (h, 0) ──── (h, h)          h = side / 2: columns alternate at (0, h), rows at (h, 0), both at (h, h)
 *       │            │
 *     (0, 0) ──── (0, h)
 */
import { Tensor } from 'convkit'

/** Power per frequency `[side, side]`, the mean over square pictures `[N, 1, side, side]`, each taken without its mean. */
export function powerSpectrum({ data, shape }: Tensor): Tensor {
  const [count, , side] = shape
  const cosine = Float64Array.from({ length: side }, (_, i) => Math.cos((2 * Math.PI * i) / side))
  const sine = Float64Array.from({ length: side }, (_, i) => Math.sin((2 * Math.PI * i) / side))
  const power = new Float32Array(side * side)
  const [real, imaginary] = [new Float64Array(side * side), new Float64Array(side * side)]
  for (let n = 0; n < count; n++) {
    const picture = data.subarray(n * side * side, (n + 1) * side * side)
    // Along the rows, then along the columns.
    for (let y = 0; y < side; y++) {
      for (let v = 0; v < side; v++) {
        let [re, im] = [0, 0]
        for (let x = 0; x < side; x++) {
          re += picture[y * side + x] * cosine[(v * x) % side]
          im -= picture[y * side + x] * sine[(v * x) % side]
        }
        real[y * side + v] = re
        imaginary[y * side + v] = im
      }
    }
    for (let u = 0; u < side; u++) {
      for (let v = 0; v < side; v++) {
        let [re, im] = [0, 0]
        for (let y = 0; y < side; y++) {
          const [c, s] = [cosine[(u * y) % side], sine[(u * y) % side]]
          re += real[y * side + v] * c + imaginary[y * side + v] * s
          im += imaginary[y * side + v] * c - real[y * side + v] * s
        }
        power[u * side + v] += (re * re + im * im) / count
      }
    }
  }
  power[0] = 0
  return new Tensor(power, [side, side])
}

/**
 * How far the power at the three Nyquist points stands out: the greatest of its ratios to the mean power of the
 * frequencies around, one and two steps away. About 1 or less where nothing repeats every two pixels, as spectra of
 * pictures fall towards high frequencies.
 */
export function nyquistPeak(spectrum: Tensor): number {
  const side = spectrum.shape[0]
  const half = side / 2
  const at = (u: number, v: number): number => spectrum.data[((u + side) % side) * side + ((v + side) % side)]
  const ratios = [
    [half, 0],
    [0, half],
    [half, half],
  ].map(([u, v]) => {
    const around = [-2, -1, 0, 1, 2].flatMap((a) => [-2, -1, 0, 1, 2].map((b) => [a, b]))
    // Not the frequencies on the axes themselves: much of a digit's power lies there.
    const others = around.filter(([a, b]) => a !== 0 && b !== 0)
    return at(u, v) / (others.reduce((sum, [a, b]) => sum + at(u + a, v + b), 0) / others.length)
  })
  return Math.max(...ratios)
}

/** For a picture: the logarithm of the power, zero frequency, −∞, in the middle, `[1, 1, side, side]`. */
export function logarithmicPicture(spectrum: Tensor): Tensor {
  const side = spectrum.shape[0]
  const half = side / 2
  const shifted = spectrum.data.map((_, i) => {
    const [u, v] = [(Math.floor(i / side) + half) % side, ((i % side) + half) % side]
    return Math.log10(spectrum.data[u * side + v])
  })
  return new Tensor(shifted, [1, 1, side, side])
}
