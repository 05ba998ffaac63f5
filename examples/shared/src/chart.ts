/** Curves as SVG, drawn by Apache ECharts without a browser. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

export interface Chart {
  readonly title: string
  readonly x: string
  readonly y: string
  /** Whether the y axis is logarithmic; default false. */
  readonly logarithmic?: boolean
  readonly curves: Readonly<Record<string, [x: number, y: number][]>>
}

export async function saveChart(file: string, { title, x, y, logarithmic = false, curves }: Chart): Promise<void> {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 640, height: 360 })
  const axis = { nameLocation: 'middle', nameGap: 28 } as const
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: ['#0b7285', '#e8590c', '#868e96', '#74b816'],
    title: { text: title, left: 'center', textStyle: { fontSize: 15 } },
    legend: { top: 28 },
    grid: { top: 60, bottom: 50, left: 70, right: 30 },
    xAxis: { type: 'value', name: x, ...axis, max: 'dataMax' },
    yAxis: { type: logarithmic ? 'log' : 'value', name: y, ...axis, nameGap: 50, scale: true },
    series: Object.entries(curves).map(([name, data]) => ({ type: 'line', name, data, showSymbol: false })),
  })
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, chart.renderToSVGString())
  chart.dispose()
}
