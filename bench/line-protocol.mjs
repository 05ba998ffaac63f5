// @ts-check
// Driver and contestants talk in lines of JSON over the contestant's standard input and output:
//
//   driver      {"do":"load","layer":{...},"pass":"forward","dtype":"float32","resultFile":"/tmp/..."}
//   contestant  {"elements":200704,"plan":"..."}
//   driver      {"do":"run","budgetMs":40}
//   contestant  {"times":[1.31,1.29,1.30]}                      milliseconds a call
//
// One request at a time; a failure is answered with {"error":"..."}. A contestant may therefore be written in any language.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/**
 * The contestant's side: answers each line with what the handler of that name returns.
 *
 * @param {Record<string, (request: any) => any>} handlers
 */
export async function serve(handlers) {
  for await (const line of createInterface({ input: process.stdin })) {
    /** @type {unknown} */
    let answer
    try {
      const request = JSON.parse(line)
      answer = await handlers[request.do](request)
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : String(error) }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

/** The driver's side: a child process that is started when it is first asked, and again after it has died. */
export class Child {
  #command
  #args
  #env
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process
  /** @type {((answer: any) => void) | undefined} */
  #pending

  /**
   * @param {string} command
   * @param {string[]} args
   * @param {Record<string, string>} [env]
   */
  constructor(command, args, env = {}) {
    this.#command = command
    this.#args = args
    this.#env = env
  }

  /**
   * @param {Record<string, unknown>} request
   * @returns {Promise<any>}
   */
  async ask(request) {
    const child = (this.#process ??= this.#start())
    const answer = await new Promise((resolve) => {
      this.#pending = resolve
      child.stdin?.write(JSON.stringify(request) + '\n')
    })
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }

  stop() {
    this.#process?.stdin?.end()
    this.#process = undefined
  }

  #start() {
    const child = spawn(this.#command, this.#args, {
      env: { ...process.env, ...this.#env },
      stdio: 'pipe',
    })
    let complaints = ''
    child.stderr.on('data', (text) => (complaints = (complaints + text).slice(-8192)))
    const ended = (/** @type {string} */ how) => {
      if (this.#process === child) this.#process = undefined
      this.#pending?.({ error: how })
    }
    child.on('error', (error) => ended(error.message))
    child.on('close', (code, signal) => {
      const reason = /^.*Error.*$/m.exec(complaints)?.[0] ?? complaints.trim().split('\n').at(-1)
      ended(`the process ended (${signal ?? `exit code ${code}`}) ${reason}`.trim())
    })
    child.stdin.on('error', () => {}) // a write to a process that has just ended: its exit is reported above
    createInterface({ input: child.stdout }).on('line', (line) => this.#pending?.(JSON.parse(line)))
    return child
  }
}
