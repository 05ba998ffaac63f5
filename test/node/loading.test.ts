/** What happens where native code is missing, broken or of another version. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { info } from '../../lib/index.js'
import { platformName } from '../../lib/node/platform.js'
import { VERSION } from '../../lib/version.js'
import { root, runChild } from './child.js'

let from = ''

/** The package as published, without its binary. */
beforeAll(() => {
  from = mkdtempSync(join(tmpdir(), 'convkit-'))
  cpSync(join(root, 'package.json'), join(from, 'package.json'))
  cpSync(join(root, 'dist'), join(from, 'dist'), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(from, 'node_modules'))
})

afterAll(() => {
  rmSync(from, { recursive: true, force: true })
})

const convolve = `
  const ones = () => ({ data: new Float32Array(9).fill(1), shape: [1, 1, 3, 3] })
  const attempt = (call) => { try { return call() } catch (error) { return [error.name, error.code, error.message] } }
  const results = [1, 2].map(() => convkit.conv2d(ones(), ones()).data[0])
  results.push((await promises.conv2d(ones(), ones())).data[0])
  report({ info: convkit.info(), results, native: attempt(() => convkit.conv2d(ones(), ones(), { backend: 'native' })) })`

describe.each(['esm', 'cjs'] as const)('without native code, %s', (module) => {
  const script = module === 'esm' ? convolve : `;(async () => { ${convolve} })()`

  test('the TypeScript backend serves, with one warning that says why and what to do', async () => {
    const { code, reported, stderr } = await runChild(script, { from, module })
    expect(code).toBe(0)
    expect(reported.results).toEqual([9, 9, 9])
    expect(reported.info).toMatchObject({
      backend: 'typescript',
      isa: 'typescript',
      isas: [],
      algorithms: ['fft', 'depthwise', 'winograd', 'direct', 'im2col'],
    })
    expect(reported.info.reason).toBe(
      `no convkit.node in ${join(from, 'prebuilds', platformName())}; install convkit again`,
    )
    expect(reported.info).not.toHaveProperty('binary')
    expect(stderr.match(/CONVKIT_NO_NATIVE/g)).toHaveLength(1)
    expect(stderr).toContain(reported.info.reason)
  })

  test("backend: 'native' throws", async () => {
    const { reported } = await runChild(script, { from, module })
    expect(reported.native).toEqual(['Error', 'ERR_CONVKIT_BACKEND', expect.stringContaining('no convkit.node in')])
  })

  test('CONVKIT_BACKEND=typescript is silent', async () => {
    const { reported, stderr } = await runChild(script, { from, module, env: { CONVKIT_BACKEND: 'typescript' } })
    expect(reported.results).toEqual([9, 9, 9])
    expect(stderr).toBe('')
  })

  test.each([{ CONVKIT_BACKEND: 'native' }, { CONVKIT_ISA: 'portable' }])('%o makes operators throw', async (env) => {
    const { reported } = await runChild(
      `const x = { data: new Float32Array(1), shape: [1, 1, 1, 1] }
       const codes = []
       for (let i = 0; i < 2; i++) try { convkit.conv2d(x, x) } catch (error) { codes.push(error.code) }
       report({ codes, info: convkit.info() })`,
      { from, module, env },
    )
    expect(reported.codes).toEqual(['ERR_CONVKIT_BACKEND', 'ERR_CONVKIT_BACKEND'])
    expect(reported.info.reason).toContain('no convkit.node in')
  })
})

describe('a binary that is no use is no worse than none', () => {
  const folder = (): string => join(from, 'prebuilds', platformName())

  const install = (file: string, bytes: string | Buffer): void => {
    writeFileSync(file, bytes)
    writeFileSync(join(folder(), 'convkit.json'), JSON.stringify({ bytes: bytes.length }))
  }

  /** Puts a binary in its place, calls, and hands back the reason; the results have been looked at. */
  const reasonWith = async (place: (file: string) => void): Promise<string> => {
    mkdirSync(folder(), { recursive: true })
    place(join(folder(), 'convkit.node'))
    try {
      const { code, reported, stderr } = await runChild(convolve, { from })
      expect(code).toBe(0)
      expect(reported.results).toEqual([9, 9, 9])
      expect(reported.info.backend).toBe('typescript')
      expect(reported.info).not.toHaveProperty('binary')
      expect(stderr).toContain(reported.info.reason)
      expect(stderr.match(/CONVKIT_NO_NATIVE/g)).toHaveLength(1)
      return String(reported.info.reason)
    } finally {
      rmSync(folder(), { recursive: true })
    }
  }

  test('text', async () => {
    const reason = await reasonWith((file) => {
      install(file, 'no library')
    })
    expect(reason).toMatch(/convkit\.node.*; install convkit again$/)
  })

  const built = info().binary

  test.runIf(built)('cut off', async () => {
    const reason = await reasonWith((file) => {
      install(file, readFileSync(built!))
      truncateSync(file, 100_000)
    })
    expect(reason).toMatch(/convkit\.node has 100000 bytes and should have \d+; install convkit again$/)
  })

  test.runIf(built)('of another version', async () => {
    const reason = await reasonWith((file) => {
      install(file, readFileSync(built!))
      for (const module of ['esm', 'cjs']) {
        const version = join(from, 'dist', module, 'version.js')
        writeFileSync(version, readFileSync(version, 'utf8').replace(`'${VERSION}'`, "'99.0.0'"))
      }
    })
    cpSync(join(root, 'dist'), join(from, 'dist'), { recursive: true })
    expect(reason).toBe(
      `${join(folder(), 'convkit.node')} is of version ${VERSION}, and convkit of version 99.0.0; install convkit again`,
    )
  })

  test.runIf(built)('the right one runs', async () => {
    mkdirSync(folder(), { recursive: true })
    install(join(folder(), 'convkit.node'), readFileSync(built!))
    const { reported, stderr } = await runChild(convolve, { from })
    rmSync(folder(), { recursive: true })
    expect(reported.info).toMatchObject({ backend: 'native', binary: join(folder(), 'convkit.node') })
    expect(stderr).toBe('')
  })
})

test('a folder that is not the package, as a bundle sees it', async () => {
  const manifest = join(from, 'package.json')
  writeFileSync(manifest, JSON.stringify({ name: 'application', type: 'module' }))
  const { code, reported } = await runChild(convolve, { from })
  cpSync(join(root, 'package.json'), manifest)
  expect(code).toBe(0)
  expect(reported.results).toEqual([9, 9, 9])
  expect(reported.info.reason).toContain('bundle')
})

test('importing loads nothing and reads no variable', async () => {
  const { code, reported, stderr } = await runChild('report(null)', {
    from,
    env: { CONVKIT_BACKEND: 'nonsense' },
  })
  expect({ code, reported, stderr }).toEqual({ code: 0, reported: null, stderr: '' })
})
