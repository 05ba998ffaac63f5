// What a binary asks of a system, read from the file itself, so that every target is looked at wherever it was built:
//
//   inspect(file) -> { format, cpu, libraries, glibc }     glibc: the highest version of a symbol, such as '2.14'
//
// ELF: dynamic section and version needs. PE: import directory. Mach-O: load commands. All are little-endian, 64 bits.
import { readFileSync } from 'node:fs'

export function inspect(file) {
  const bytes = readFileSync(file)
  const magic = bytes.readUInt32LE(0)
  if (magic === 0x464c457f && bytes[4] === 2 && bytes[5] === 1) return elf(bytes)
  if ((magic & 0xffff) === 0x5a4d) return pe(bytes)
  if (magic === 0xfeedfacf) return machO(bytes)
  throw new Error(`${file}: neither ELF nor PE nor Mach-O of 64 bits`)
}

const text = (bytes, at) => bytes.toString('latin1', at, bytes.indexOf(0, at))
const u64 = (bytes, at) => Number(bytes.readBigUInt64LE(at))
const nameOf = (names, number) => names[number] ?? `unknown (${number})`

function elf(bytes) {
  const segments = table(bytes, u64(bytes, 32), bytes.readUInt16LE(56), bytes.readUInt16LE(54), (at) => ({
    type: bytes.readUInt32LE(at),
    offset: u64(bytes, at + 8),
    address: u64(bytes, at + 16),
    size: u64(bytes, at + 32),
  }))
  const place = (address) => {
    const segment = segments.find((s) => s.type === 1 && address >= s.address && address < s.address + s.size)
    return address - segment.address + segment.offset
  }
  const dynamic = segments.find(({ type }) => type === 2)
  const entries = table(bytes, dynamic.offset, dynamic.size / 16, 16, (at) => [u64(bytes, at), u64(bytes, at + 8)])
  const value = (tag) => entries.find(([t]) => t === tag)?.[1]
  const strings = place(value(5))
  const libraries = entries.filter(([tag]) => tag === 1).map(([, offset]) => text(bytes, strings + offset))

  const versions = []
  let need = value(0x6ffffffe) === undefined ? -1 : place(value(0x6ffffffe))
  while (need >= 0) {
    let at = need + bytes.readUInt32LE(need + 8)
    for (let i = 0; i < bytes.readUInt16LE(need + 2); i++) {
      versions.push(text(bytes, strings + bytes.readUInt32LE(at + 8)))
      at += bytes.readUInt32LE(at + 12)
    }
    const next = bytes.readUInt32LE(need + 12)
    need = next === 0 ? -1 : need + next
  }
  const glibc = versions
    .flatMap((version) => /^GLIBC_([\d.]+)$/.exec(version)?.[1] ?? [])
    .sort(compareVersions)
    .at(-1)
  return { format: 'elf', cpu: nameOf({ 62: 'x64', 183: 'arm64' }, bytes.readUInt16LE(18)), libraries, glibc }
}

function pe(bytes) {
  const header = bytes.readUInt32LE(60) + 4
  const optional = header + 20
  const sections = table(
    bytes,
    optional + bytes.readUInt16LE(header + 16),
    bytes.readUInt16LE(header + 2),
    40,
    (at) => ({
      address: bytes.readUInt32LE(at + 12),
      size: Math.max(bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 16)),
      offset: bytes.readUInt32LE(at + 20),
    }),
  )
  const place = (address) => {
    const section = sections.find((s) => address >= s.address && address < s.address + s.size)
    return address - section.address + section.offset
  }
  const libraries = []
  const imports = bytes.readUInt32LE(optional + 112 + 8)
  for (let at = place(imports); bytes.readUInt32LE(at + 12) !== 0; at += 20) {
    libraries.push(text(bytes, place(bytes.readUInt32LE(at + 12))))
  }
  return { format: 'pe', cpu: nameOf({ 0x8664: 'x64', 0xaa64: 'arm64' }, bytes.readUInt16LE(header)), libraries }
}

function machO(bytes) {
  const libraries = []
  let at = 32
  for (let i = 0; i < bytes.readUInt32LE(16); i++) {
    // LC_LOAD_DYLIB, and its weak and re-exported kinds
    if ([0xc, 0x80000018, 0x8000001f].includes(bytes.readUInt32LE(at))) {
      libraries.push(text(bytes, at + bytes.readUInt32LE(at + 8)))
    }
    at += bytes.readUInt32LE(at + 4)
  }
  return { format: 'mach-o', cpu: nameOf({ 0x1000007: 'x64', 0x100000c: 'arm64' }, bytes.readUInt32LE(4)), libraries }
}

function table(bytes, start, count, size, read) {
  return Array.from({ length: count }, (_, i) => read(start + i * size))
}

/** By their numbers: 2.4 comes before 2.14. */
export function compareVersions(a, b) {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number))
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) - (y[i] ?? 0)
  }
  return 0
}
