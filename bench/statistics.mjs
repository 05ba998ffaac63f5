// @ts-check

/**
 * Linear interpolation between the order statistics, as most tools do it.
 *
 * @param {readonly number[]} values
 * @param {number} fraction
 */
export function quantile(values, fraction) {
  const sorted = [...values].sort((a, b) => a - b)
  const position = (sorted.length - 1) * fraction
  const below = Math.floor(position)
  const above = Math.ceil(position)
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below)
}

/** @param {readonly number[]} values */
export const median = (values) => quantile(values, 0.5)

/**
 * Half the distance between the quartiles, as a fraction of the median.
 *
 * @param {readonly number[]} values
 */
export const spread = (values) => (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median(values)

/** @param {readonly number[]} values */
export const geometricMean = (values) =>
  Math.exp(values.reduce((total, value) => total + Math.log(value), 0) / values.length)
