/** `convkit info`: what runs here and why, and whether it computes what it should. */

import { arch, cpus, release } from 'node:os'
import { info } from '../../index.js'
import { platformName } from '../platform.js'
import { selfTest, type Check } from './self-test.js'

export interface InfoReport {
  readonly version: string
  readonly node: string
  readonly platform: string
  readonly system: string
  readonly cpu: string
  readonly backend: string
  readonly binary: string | null
  readonly why: string
  readonly isa: string
  readonly isas: readonly string[]
  readonly threads: number
  readonly algorithms: readonly string[]
  readonly checks: readonly Check[]
  readonly passed: boolean
}

export function makeInfo(): InfoReport {
  const { version, backend, binary, isa, isas, threads, reason, algorithms } = info()
  const platform = platformName()
  const checks = selfTest()
  return {
    version,
    node: process.version,
    platform,
    system: `${process.platform} ${release()} ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    backend,
    binary: binary ?? null,
    why: reason ?? whyThis(binary ?? '', platform),
    isa,
    isas,
    threads,
    algorithms,
    checks,
    passed: checks.every(({ passed }) => passed),
  }
}

function whyThis(binary: string, platform: string): string {
  return /[\\/]prebuilds[\\/]/.test(binary)
    ? `prebuilt for ${platform}; there is no local build`
    : 'built here, which goes before a prebuilt one'
}

export function printInfo(report: InfoReport): string {
  const failed = report.checks.filter(({ passed }) => !passed)
  const worst = Math.max(...report.checks.map(({ error }) => error))
  const verdict =
    failed.length === 0
      ? `${report.checks.length} operators and gradients agree with the TypeScript reference (largest relative difference ${worst.toExponential(1)})`
      : `FAILED: ${failed.map(({ name, error }) => `${name} (${error.toExponential(1)})`).join(', ')}`
  const lines: [string, string][] = [
    ['convkit', report.version],
    ['node', report.node],
    ['platform', `${report.platform} (${report.system})`],
    ['cpu', report.cpu],
    ['backend', report.backend],
    ['binary', report.binary ?? 'none'],
    ['why', report.why],
    ['isa', report.isas.length === 0 ? report.isa : `${report.isa} (of ${report.isas.join(', ')})`],
    ['threads', String(report.threads)],
    ['self-test', verdict],
  ]
  return lines.map(([name, value]) => `${name.padEnd(10)} ${value}`).join('\n')
}
