// What can be wrong with an installed binary; after each, the fallback must run and say so.
import { cpSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @param {string} installed  the folder of the package
 * @param {() => { reason: string }} run  runs the smoke program, which must fall back
 */
export function breakages(installed, run) {
  const name = `${process.platform}-${process.arch}`
  const folder = join(installed, 'prebuilds', name)
  const binary = join(folder, 'convkit.node')
  const facts = join(folder, 'convkit.json')
  const kept = [binary, facts].map((file) => readFileSync(file))
  const say = (bytes) => {
    writeFileSync(facts, JSON.stringify({ bytes }))
  }
  // The head of the file names the CPU: e_machine of ELF.
  const otherCpu = () => {
    const bytes = Buffer.from(kept[0])
    bytes.writeUInt16LE(process.arch === 'x64' ? 183 : 62, 18)
    writeFileSync(binary, bytes)
  }
  const elsewhere = join(installed, 'dist/cjs/version.js')
  const version = readFileSync(elsewhere, 'utf8')
  const cases = {
    removed: [() => rmSync(binary), /^no convkit\.node in .*prebuilds/],
    truncated: [() => truncateSync(binary, 100_000), /has 100000 bytes and should have/],
    'without its facts': [() => rmSync(facts), /cannot be trusted/],
    'not a library': [() => (writeFileSync(binary, 'text'), say(4)), /convkit\.node/],
    'built for another CPU': [otherCpu, /convkit\.node/],
    'of another version': [
      () => writeFileSync(elsewhere, version.replace(/VERSION = '[^']*'/, "VERSION = '99.0.0'")),
      /is of version .*, and convkit of version 99\.0\.0/,
    ],
  }
  for (const [what, [breakIt, expected]] of Object.entries(cases)) {
    breakIt()
    const { reason } = run()
    if (!expected.test(reason) || !reason.endsWith('; install convkit again')) throw new Error(`${what}: ${reason}`)
    writeFileSync(binary, kept[0])
    writeFileSync(facts, kept[1])
    writeFileSync(elsewhere, version)
  }
  const foreign = join(installed, 'prebuilds/linux-arm64/convkit.node')
  if (name === 'linux-x64' && existsSync(foreign)) {
    cpSync(foreign, binary)
    say(statSync(foreign).size)
    run()
    writeFileSync(binary, kept[0])
    writeFileSync(facts, kept[1])
  }
}
