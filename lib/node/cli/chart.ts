/** The table of `convkit bench` as a picture: two bars a layer on a logarithmic scale of GFLOP/s. */

import type { BenchRow } from './bench.js'

const rowHeight = 44
const left = 170
const width = 560
const colors = { native: '#0b7285', typescript: '#e8590c' }

export function chart(rows: readonly BenchRow[], title: string): string {
  const reference = (row: BenchRow): number => row.gflops / row.speedup
  const values = rows.flatMap((row) => [row.gflops, reference(row)])
  const [low, high] = [Math.floor(Math.log10(Math.min(...values))), Math.ceil(Math.log10(Math.max(...values)))]
  const x = (gflops: number): number => left + ((Math.log10(gflops) - low) / (high - low)) * width
  const bottom = 60 + rows.length * rowHeight
  const bar = (y: number, gflops: number, color: string, percent: number | null = null): string =>
    `<rect x="${left}" y="${y}" width="${(x(gflops) - left).toFixed(1)}" height="15" fill="${color}"/>` +
    `<text x="${(x(gflops) + 5).toFixed(1)}" y="${y + 12}">${gflops.toPrecision(3)}${percent === null ? '' : `, ${percent.toFixed(0)} % of the peak`}</text>`
  const decades = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 150}" height="${bottom + 30}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="10" y="22" font-size="15">${escape(title)}</text>`,
    `<text x="${left}" y="44" fill="${colors.native}">this backend</text><text x="${left + 100}" y="44" fill="${colors.typescript}">TypeScript reference</text><text x="${left + 250}" y="44">GFLOP/s</text>`,
    ...decades.map(
      (value) =>
        `<path d="M${x(value)} 52V${bottom}" stroke="#dee2e6"/><text x="${x(value)}" y="${bottom + 16}" text-anchor="middle">${value}</text>`,
    ),
    ...rows.map((row, i) => {
      const y = 58 + i * rowHeight
      const name = `<text x="${left - 8}" y="${y + 20}" text-anchor="end">${escape(row.layer)}</text>`
      return (
        name + bar(y, row.gflops, colors.native, row.percentOfPeak) + bar(y + 17, reference(row), colors.typescript)
      )
    }),
    '</svg>',
    '',
  ].join('\n')
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
