/**
 * What the prebuilt binaries are told apart by: `<platform>-<arch>`, with `-musl` where Node runs on musl (Alpine) and
 * not on glibc.
 */

import { closeSync, openSync, readSync } from 'node:fs'

/** The targets that the package has binaries for; scripts/prebuild/targets.mjs builds the same ones. */
export const PREBUILT = [
  'linux-x64',
  'linux-arm64',
  'linux-x64-musl',
  'linux-arm64-musl',
  'win32-x64',
  'darwin-arm64',
  'darwin-x64',
] as const

/** The name of this process's platform, whether or not there is a binary for it. */
export function platformName(): string {
  const name = `${process.platform}-${process.arch}`
  return process.platform === 'linux' && runsOnMusl() ? `${name}-musl` : name
}

/**
 * Which C library Node itself is linked to: a system may have both. The beginning of its file names the loader,
 * `/lib/ld-musl-x86_64.so.1` or `/lib64/ld-linux-x86-64.so.2`; where it names none, Node's report knows.
 */
function runsOnMusl(): boolean {
  const loader = /\/ld-(musl|linux)[-.\w]*\.so/.exec(beginning(process.execPath))
  return loader === null ? reportsNoGlibc() : loader[1] === 'musl'
}

function beginning(file: string): string {
  try {
    const descriptor = openSync(file, 'r')
    try {
      const buffer = Buffer.alloc(4096)
      return buffer.toString('latin1', 0, readSync(descriptor, buffer, 0, buffer.length, 0))
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return ''
  }
}

/** `excludeNetwork`, because a report otherwise asks name servers who is at the other end of each connection. */
function reportsNoGlibc(): boolean {
  const report = process.report as (NodeJS.ProcessReport & { excludeNetwork?: boolean }) | undefined
  if (typeof report?.getReport !== 'function') return false
  const before = report.excludeNetwork
  try {
    report.excludeNetwork = true
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
    return header !== undefined && header.glibcVersionRuntime === undefined
  } catch {
    return false
  } finally {
    if (before !== undefined) report.excludeNetwork = before
  }
}
