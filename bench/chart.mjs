// @ts-check
// The result as a picture, drawn by Apache ECharts without a browser: GFLOP/s of every contestant in the forward pass on the
// left; on the right convkit's three passes, and its forward pass with more threads. The measured peak is a line through
// both; where the bytes of a layer bound it to less, a mark beside its bars says so.
import { writeFileSync } from 'node:fs'
import { requirePeer } from './peers.mjs'
import { subject, threadsText } from './report.mjs'
import { median } from './statistics.mjs'

/** @typedef {import('./types.js').Contestant} Contestant */
/** @typedef {import('./types.js').Result} Result */

const width = 1400
const barHeight = 9
const top = 100
const colors = ['#0b7285', '#e8590c', '#868e96', '#74b816', '#9c36b5', '#f08c00', '#1971c2', '#c2255c']
const limitColor = '#c92a2a'

/**
 * @param {string} file
 * @param {Result} result
 * @param {Contestant[]} contestants
 */
export function drawChart(file, result, contestants) {
  const layers = [...new Set(result.rows.map((row) => row.layer))]
  const [fewest, ...more] = result.threads
  const find = (/** @type {string} */ layer, /** @type {string} */ pass, /** @type {number} */ threads) =>
    result.rows.find((row) => row.layer === layer && row.pass === pass && row.threads === threads)

  // convkit's forward pass stands in both panels, under one name and hence in one color.
  const forward = contestants.map(({ name, title }) => ({
    name: name === subject ? 'convkit forward' : title,
    contestant: name,
    pass: 'forward',
    threads: fewest,
    panel: 0,
  }))
  const passes = ['forward', 'gradInput', 'gradWeight'].map((pass) => ({
    name: `convkit ${pass}`,
    contestant: subject,
    pass,
    threads: fewest,
    panel: 1,
  }))
  const scaling = more.map((threads) => ({
    name: `convkit forward, ${threads} threads`,
    contestant: subject,
    pass: 'forward',
    threads,
    panel: 1,
  }))
  const bars = [...forward, ...passes, ...scaling]
    .map((bar) => ({
      ...bar,
      data: layers.map((layer) => find(layer, bar.pass, bar.threads)?.figures[bar.contestant]?.gflops ?? null),
    }))
    .filter(({ data }) => data.some((gflops) => gflops !== null))
  const panels = [0, 1].filter((panel) => bars.some((bar) => bar.panel === panel))

  const most = Math.max(1, ...panels.map((panel) => bars.filter((bar) => bar.panel === panel).length))
  const height = top + 60 + layers.length * (most * barHeight + 6)
  const peaks = result.rows.flatMap(({ peakGflops, threads }) => (threads === fewest ? (peakGflops ?? []) : []))
  const limits = layers.flatMap((layer) => {
    const row = find(layer, 'forward', fewest)
    return row?.bound?.by === 'bytes' ? [[row.flops / row.bound.ms / 1e6, layer]] : []
  })
  // One scale for both panels, with room for the peak, which does not widen an axis by itself.
  const greatest = Math.max(...peaks, ...bars.flatMap(({ data }) => data.map((gflops) => gflops ?? 0)))
  const max = greatest > 10 ? Math.ceil((greatest * 1.02) / 10) * 10 : null
  const peakLine = peaks.length > 0 && {
    silent: true,
    symbol: 'none',
    lineStyle: { color: limitColor, type: 'dashed' },
    label: { formatter: 'peak', color: limitColor, position: 'start' },
    data: [{ xAxis: Math.round(median(peaks)) }],
  }

  const { machine, dtype, date } = result
  const chart = requirePeer('echarts').init(null, null, { renderer: 'svg', ssr: true, width, height })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: colors,
    title: {
      text: `convkit: GFLOP/s, ${dtype}, ${threadsText([fewest])}`,
      subtext: `${machine.cpu}, ${date.slice(0, 10)}`,
      left: 'center',
    },
    legend: { top: 62, itemGap: 30 },
    grid: panels.map((_, i) => ({
      top,
      bottom: 40,
      left: i === 0 ? 130 : '53%',
      right: i === panels.length - 1 ? 30 : '50%',
    })),
    xAxis: panels.map((_, gridIndex) => ({
      type: 'value',
      gridIndex,
      max,
      name: 'GFLOP/s',
      nameLocation: 'middle',
      nameGap: 24,
    })),
    yAxis: panels.map((_, gridIndex) => ({
      type: 'category',
      gridIndex,
      inverse: true,
      data: layers,
      axisLabel: { interval: 0, show: gridIndex === 0 },
      axisTick: { show: false },
    })),
    series: [
      ...bars.map((bar) => {
        const axis = panels.indexOf(bar.panel)
        const first = bars.find(({ panel }) => panel === bar.panel) === bar
        return {
          type: 'bar',
          name: bar.name,
          xAxisIndex: axis,
          yAxisIndex: axis,
          data: bar.data,
          barGap: '0%',
          barCategoryGap: '15%',
          ...(first && peakLine && { markLine: peakLine }),
        }
      }),
      ...(limits.length === 0 || !panels.includes(0)
        ? []
        : [
            {
              type: 'scatter',
              name: 'bound of its bytes',
              xAxisIndex: 0,
              yAxisIndex: 0,
              data: limits,
              symbol: 'rect',
              symbolSize: [2, most * barHeight],
              color: limitColor,
              silent: true,
            },
          ]),
    ],
  })
  writeFileSync(file, chart.renderToSVGString())
  chart.dispose()
}
