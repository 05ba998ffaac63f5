/** Pictures and matrices as rows of numbers, as papers print them. */

import { plain, type Plain } from './data.js'

/** A matrix as a tensor [1, 1, rows, columns]. */
export const image = (rows: readonly (readonly number[])[]): Plain =>
  plain(rows.flat(), [1, 1, rows.length, rows[0].length])

/** The rows of the first channel of the first image. */
export const rowsOf = ({ data, shape }: Plain): number[][] => {
  const [height, width] = shape.slice(-2)
  return Array.from({ length: height }, (_, y) => Array.from(data.subarray(y * width, (y + 1) * width)))
}
