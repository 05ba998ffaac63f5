/** `convkit info` and `convkit bench`, as programs. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chart } from '../../lib/node/cli/chart.js'
import { selfTest } from '../../lib/node/cli/self-test.js'
import { info } from '../../lib/index.js'
import { VERSION } from '../../lib/version.js'
import { root } from './child.js'

const convkit = (...args: string[]) =>
  spawnSync(process.execPath, [join(root, 'dist/esm/node/cli/main.js'), ...args], { encoding: 'utf8' })

test('info --json', () => {
  const { status, stdout, stderr } = convkit('info', '--json')
  expect(stderr).toBe('')
  expect(status).toBe(0)
  const report = JSON.parse(stdout)
  expect(report).toMatchObject({ version: VERSION, node: process.version, passed: true })
  expect(report.checks).toHaveLength(19)
  expect(report.why).not.toBe('')
})

test('info, for people', () => {
  const { status, stdout } = convkit('info')
  expect(status).toBe(0)
  expect(stdout).toMatch(new RegExp(`^convkit +${VERSION.replaceAll('.', '\\.')}$`, 'm'))
  expect(stdout).toMatch(/^why +\S/m)
  expect(stdout).toMatch(/^self-test +19 operators and gradients agree/m)
})

test('the self-test checks every operator and gradient', () => {
  const names = selfTest().map(({ name }) => name)
  for (const rank of [1, 2, 3]) {
    for (const op of [`conv${rank}d`, `convTranspose${rank}d`]) {
      expect(names).toEqual(expect.arrayContaining([op, `${op}.gradInput`, `${op}.gradWeight`]))
    }
  }
  expect(names).toContain('gradBias')
  expect(info().version).toBe(VERSION)
})

test('--help and --version', () => {
  expect(convkit('--help')).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('--chart <file>') })
  expect(convkit('--version')).toMatchObject({ status: 0, stdout: `${VERSION}\n` })
})

describe('wrong usage', () => {
  test.each([
    [[], 'a command is missing'],
    [['inof'], "there is no command 'inof': expected info or bench"],
    [['info', 'more'], "info takes no argument, received 'more'"],
    [['info', '--chart', 'x.svg'], '--chart belongs to bench'],
    [['info', '--jsno'], '--jsno'],
  ])('%j', (args, message) => {
    const { status, stdout, stderr } = convkit(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).toContain('convkit --help')
  })
})

test('bench --json, with shares of a peak that the machine can have', () => {
  const { status, stdout } = convkit('bench', '--json')
  expect(status).toBe(0)
  const { backend, rows } = JSON.parse(stdout)
  expect(rows).toHaveLength(7)
  for (const { layer, gflops, percentOfPeak, speedup } of rows) {
    expect(gflops, layer).toBeGreaterThan(0)
    expect(speedup, layer).toBeGreaterThan(0)
    if (backend === 'native') expect(gflops / (percentOfPeak / 100), layer).toBeGreaterThan(1)
    else expect(percentOfPeak, layer).toBeNull()
  }
})

test('a chart is SVG with a bar for each figure, and its texts are escaped', () => {
  const row = {
    what: '',
    algorithm: 'direct',
    milliseconds: 1,
    gflops: 100,
    percentOfPeak: 85.2,
    typescriptMilliseconds: 100,
    speedup: 100,
  }
  const svg = chart(
    [
      { ...row, layer: 'a<b' },
      { ...row, layer: 'c', gflops: 10, percentOfPeak: null },
    ],
    'x & y',
  )
  expect(svg.match(/<rect x=/g)).toHaveLength(4)
  expect(svg).toContain('a&lt;b')
  expect(svg).toContain('x &amp; y')
  expect(svg.match(/85 % of the peak/g)).toHaveLength(1)
  expect(svg).not.toMatch(/NaN|undefined|null/)
})
