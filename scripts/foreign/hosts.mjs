// Emulators, and the Node that each runs:
//
//   linux-arm64    qemu          another CPU; the C library is that of Debian's cross compiler
//   old-x64        qemu          an x64 CPU without AVX: the kernels for any CPU must serve, and nothing else be executed
//   win32-x64      wine          another system
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fail, onPath, root } from '../run.mjs'
import { capture } from '../package/smoke.mjs'
import { nodeOf } from '../package/node.mjs'

const NODE = 22

export const hosts = {
  'linux-arm64': {
    target: 'linux-arm64',
    isas: ['neon', 'portable'],
    emulator: ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu'],
    packages: 'qemu-user-static g++-aarch64-linux-gnu',
  },
  'old-x64': {
    target: 'linux-x64',
    isas: ['portable'],
    emulator: ['qemu-x86_64-static', '-cpu', 'Nehalem'],
    packages: 'qemu-user-static',
  },
  'win32-x64': {
    target: 'win32-x64',
    emulator: ['/usr/lib/wine/wine64'],
    packages: 'wine64',
    environment: wine,
  },
}

/** Node under the emulator, as the words of a command, and the environment it needs. */
export function start({ target, emulator, packages, environment }) {
  if (!existsSync(emulator[0]) && !onPath(emulator[0])) fail(`found no ${emulator[0]}: apt-get install ${packages}`)
  const env = { PATH: process.env.PATH, HOME: process.env.HOME }
  return { node: [...emulator, nodeOf(target, NODE)], env: { ...env, ...environment?.(emulator[0]) } }
}

/** Wine keeps its Windows in a folder, which must be one that Node supports. */
function wine(program) {
  const prefix = join(root, 'build-foreign/wine')
  mkdirSync(prefix, { recursive: true })
  const env = { WINEPREFIX: prefix, WINEDEBUG: '-all', WINEDLLOVERRIDES: 'mscoree,mshtml=' }
  const version = ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f']
  capture(program, version, { env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env } })
  return env
}
