// @ts-check
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

/** @returns {import('./types.js').Machine} */
export function describeMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: process.platform,
    arch: process.arch,
    loadAverage: loadavg()[0],
  }
}
