#!/usr/bin/env node
/** The command line: `npx convkit info` and `npx convkit bench`. Exit status 1: the self-test failed; 2: wrong usage. */

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { info } from '../../index.js'
import { bench, printBench } from './bench.js'
import { chart } from './chart.js'
import { makeInfo, printInfo } from './info.js'

const help = `convkit <command> [options]

  info              version, platform, the binary in use and why, instruction sets, threads, and a self-test of every operator
  bench             times some well-known layers on this machine, beside the TypeScript reference
    --chart <file>  also draws the table, as SVG

  --json            machine-readable output
  -h, --help        this text
  -v, --version     the version

CONVKIT_BACKEND, CONVKIT_ISA and CONVKIT_THREADS hold here as everywhere.`

const options = {
  json: { type: 'boolean' },
  chart: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const

class UsageError extends Error {}

function main(): void {
  const { values, positionals } = parse()
  const [command, ...rest] = positionals
  if (values.help || values.version) {
    print(values.help ? help : info().version)
    return
  }
  if (command === undefined) throw new UsageError(`a command is missing: info or bench`)
  if (command !== 'info' && command !== 'bench') {
    throw new UsageError(`there is no command '${command}': expected info or bench`)
  }
  if (rest.length > 0) throw new UsageError(`${command} takes no argument, received '${rest.join(' ')}'`)
  if (command === 'info') {
    if (values.chart !== undefined) throw new UsageError('--chart belongs to bench')
    const report = makeInfo()
    print(values.json ? JSON.stringify(report, null, 2) : printInfo(report))
    if (!report.passed) process.exitCode = 1
  } else {
    const rows = bench()
    const { version, backend, isa, threads } = info()
    print(values.json ? JSON.stringify({ version, backend, isa, threads, rows }, null, 2) : printBench(rows))
    if (values.chart !== undefined)
      writeFileSync(values.chart, chart(rows, `convkit ${version}, ${isa}, threads: ${threads}`))
  }
}

function parse() {
  try {
    return parseArgs({ options, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

try {
  main()
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`convkit: ${message}\n${error instanceof UsageError ? 'convkit --help tells more\n' : ''}`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
