/** Curves and bars as SVG, drawn by Apache ECharts without a browser. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { BarChart, LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components'
import { init, use, type EChartsCoreOption } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

export interface Chart {
  readonly title: string
  readonly x: string
  readonly y: string
  /** Whether the y axis is logarithmic; default false. */
  readonly logarithmic?: boolean
  readonly curves: Readonly<Record<string, [x: number, y: number][]>>
}

export function saveChart(file: string, { title, x, y, logarithmic = false, curves }: Chart): void {
  const axis = { nameLocation: 'middle', nameGap: 28 } as const
  draw(file, title, {
    grid: { top: 60, bottom: 50, left: 70, right: 30 },
    xAxis: { type: 'value', name: x, ...axis, max: 'dataMax' },
    yAxis: { type: logarithmic ? 'log' : 'value', name: y, ...axis, nameGap: 50, scale: true },
    series: Object.entries(curves).map(([name, data]) => ({ type: 'line', name, data, showSymbol: false })),
  })
}

export interface Bars {
  readonly title: string
  readonly categories: string[]
  /** A value for each category; null where there is none. */
  readonly bars: Readonly<Record<string, (number | null)[]>>
}

/** Bars from left to right on a logarithmic axis, with their values. */
export function saveBars(file: string, { title, categories, bars }: Bars): void {
  const label = {
    show: true,
    position: 'right',
    formatter: ({ value }: { value: unknown }) => rounded(Number(value)),
  } as const
  draw(file, title, {
    grid: { top: 60, bottom: 30, left: 190, right: 60 },
    xAxis: { type: 'log', min: 0.1 },
    yAxis: { type: 'category', data: categories, inverse: true, axisTick: { show: false } },
    series: Object.entries(bars).map(([name, data]) => ({ type: 'bar', name, data, label })),
  })
}

/** Two digits, thousands separated. */
function rounded(value: number): string {
  return Number(value.toPrecision(2)).toLocaleString('en-US')
}

function draw(file: string, title: string, option: EChartsCoreOption): void {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 640, height: 360 })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: ['#0b7285', '#e8590c', '#868e96', '#74b816'],
    title: { text: title, left: 'center', textStyle: { fontSize: 15 } },
    legend: { top: 28, itemGap: 30 },
    ...option,
  })
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, chart.renderToSVGString())
  chart.dispose()
}
