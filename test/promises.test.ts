/**
 * convkit/promises and prepared.async: the same results, never a throw, aborting, and operands that change while the
 * work runs.
 */

import { describe, expect, test } from 'vitest'
import * as promises from '../lib/promises.js'
import { backends } from './support/backends.js'
import { detach, resizableBuffer } from './support/buffers.js'
import { expectSameBits } from './support/compare.js'
import {
  caseCount,
  integers,
  plain,
  Random,
  reals,
  seed,
  toLayout,
  toWeightLayout,
  type Plain,
} from './support/data.js'
import {
  loose,
  operator,
  operatorOf,
  type Operator,
  type OperatorName,
  type TensorResult,
} from './support/operators.js'
import { randomProblem } from './support/problems.js'

type Async<F> = F extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : never
type AsyncOperator = Async<Operator> & Pick<{ [K in keyof Operator]: Async<Operator[K]> }, 'gradInput' | 'gradWeight'>

const asyncOperator = (name: OperatorName): AsyncOperator => promises[name] as unknown as AsyncOperator
const asyncGradBias = promises.gradBias as unknown as (g: unknown, options?: unknown) => Promise<TensorResult>
const conv2d = asyncOperator('conv2d')

/** A layer of some milliseconds natively: long enough to interfere with. */
const layer = (random: Random): { input: Plain; weight: Plain } => ({
  input: integers(random, [2, 24, 40, 40]),
  weight: integers(random, [24, 24, 3, 3]),
})

/** What a call rejects with; a throw in place of a rejection fails the test. */
const rejection = async (call: () => Promise<unknown>): Promise<Error & { code?: string }> => {
  const promise = call()
  return promise.then(
    () => {
      throw new Error('expected a rejection')
    },
    (error: unknown) => error as Error,
  )
}

describe.each(backends)('promises, %s', (backend) => {
  test('give the same bits as the synchronous calls', async () => {
    for (let i = 0; i < caseCount(40); i++) {
      const random = new Random(seed + i)
      const drawn = randomProblem(random, { maxWork: 100_000 })
      const what = `CONVKIT_SEED=${seed + i}: ${drawn.text}`
      const name = `${drawn.problem.family}${drawn.problem.rank}d` as OperatorName
      const [sync, later] = [operatorOf(drawn.problem.family, drawn.problem.rank), asyncOperator(name)]
      const options = { ...drawn.options, backend }
      const draw = (shape: readonly number[]): Plain => reals(random, shape, drawn.problem.dtype)
      const input = toLayout(draw(drawn.definition.inputShape), drawn.layout, drawn.problem.rank)
      const weight = toWeightLayout(draw(drawn.definition.weightShape), drawn.weightLayout)
      const gradOutput = toLayout(draw(drawn.definition.outputShape), drawn.layout, drawn.problem.rank)
      const results = await Promise.all([
        later(input, weight, options),
        later.gradInput(input.shape, weight, gradOutput, options),
        later.gradWeight(input, weight.shape, gradOutput, options),
      ])
      expectSameBits(results[0], sync(input, weight, options), what)
      expectSameBits(results[1], sync.gradInput(input.shape, weight, gradOutput, options), what)
      expectSameBits(results[2], sync.gradWeight(input, weight.shape, gradOutput, options), what)
    }
  })

  test('gradBias, and many calls at once', async () => {
    const random = new Random(seed)
    const g = integers(random, [3, 5, 7, 4])
    expectSameBits(await asyncGradBias(g, { backend }), loose.gradBias(g, { backend }), 'gradBias')
    const { weight } = layer(random)
    const inputs = Array.from({ length: 24 }, () => integers(random, [1, 24, 9, 8]))
    const results = await Promise.all(inputs.map((input) => conv2d(input, weight, { backend })))
    results.forEach((y, i) => expectSameBits(y, operator('conv2d')(inputs[i], weight, { backend }), `call ${i}`))
  })

  test('take operands as they are when the call is made', async () => {
    const random = new Random(seed)
    const { input, weight } = layer(random)
    const bias = integers(random, [24])
    const wanted = operator('conv2d')(input, weight, { bias, backend })
    const overwritten = conv2d(input, weight, { bias, backend })
    const kept = [input, weight].map((tensor) => tensor.data.slice())
    for (const tensor of [input, weight, bias]) tensor.data.fill(NaN)
    expectSameBits(await overwritten, wanted, 'overwritten operands')

    const again = [plain([...kept[0]], input.shape), plain([...kept[1]], weight.shape)]
    const detached = conv2d(again[0], again[1], { backend })
    for (const tensor of again) detach(tensor.data.buffer)
    expect(again[0].data.length).toBe(0)
    const expected = operator('conv2d')(plain([...kept[0]], input.shape), plain([...kept[1]], weight.shape), {
      backend,
    })
    expectSameBits(await detached, expected, 'detached operands')
  })

  test('options, too, are read before the call returns', async () => {
    const options: Record<string, unknown> = { stride: [2, 1], backend }
    const x = integers(new Random(seed), [1, 1, 6, 6])
    const w = integers(new Random(seed), [1, 1, 2, 2])
    const pending = conv2d(x, w, options)
    options['stride'] = 'nonsense'
    expect((await pending).shape).toEqual([1, 1, 3, 5])
  })

  test('never throw: every error rejects, the same as the synchronous one', async () => {
    const x = integers(new Random(seed), [1, 2, 4, 4])
    const w = integers(new Random(seed), [3, 2, 3, 3])
    const g = integers(new Random(seed), [1, 3, 2, 2])
    const calls: [string, (op: Operator) => unknown, (op: AsyncOperator) => Promise<unknown>][] = [
      ['no arguments', (op) => op(undefined, undefined), (op) => op(undefined, undefined)],
      ['stride 0', (op) => op(x, w, { stride: 0 }), (op) => op(x, w, { stride: 0 })],
      ['unknown key', (op) => op(x, w, { strides: 1 }), (op) => op(x, w, { strides: 1 })],
      ['options null', (op) => op(x, w, null), (op) => op(x, w, null)],
      ['channels', (op) => op(g, w), (op) => op(g, w)],
      ['short out', (op) => op(x, w, { out: new Float32Array(1) }), (op) => op(x, w, { out: new Float32Array(1) })],
      ['gradInput', (op) => op.gradInput([1], w, g), (op) => op.gradInput([1], w, g)],
      ['gradWeight', (op) => op.gradWeight(x, null, g), (op) => op.gradWeight(x, null, g)],
    ]
    for (const [what, sync, later] of calls) {
      let wanted: unknown
      try {
        sync(operator('conv2d'))
      } catch (error) {
        wanted = error
      }
      const error = await rejection(() => later(conv2d))
      expect(error.code, what).toBe((wanted as { code: string }).code)
      expect(error.name, what).toBe((wanted as Error).name)
      // The list of known keys has one more here.
      if (what !== 'unknown key') expect(error.message, what).toBe((wanted as Error).message)
    }
    const boom = new Error('from a getter')
    const options = {
      get stride(): number {
        throw boom
      },
    }
    expect(await rejection(() => conv2d(x, w, options))).toBe(boom)
  })

  test('a signal that is aborted already, or while the work runs', async () => {
    const { input, weight } = layer(new Random(seed))
    const reason = new Error('enough')
    const early = await rejection(() => conv2d(input, weight, { signal: AbortSignal.abort(reason), backend }))
    expect(early).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason })

    const controller = new AbortController()
    const out = new Float32Array(2 * 24 * 38 * 38).fill(7)
    const pending = rejection(() => conv2d(input, weight, { signal: controller.signal, out, backend }))
    controller.abort(reason)
    expect(await pending).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(out.every((value) => value === 7)).toBe(true)

    const never = await conv2d(input, weight, { signal: new AbortController().signal, backend })
    expect(never.shape).toEqual([2, 24, 38, 38])
    const late = new AbortController()
    const done = await conv2d(input, weight, { signal: late.signal, backend })
    late.abort()
    expectSameBits(done, never, 'aborted after the end')
  })

  test.each([null, 0, 'signal', {}, new Event('abort')])('a signal that is none: %s', async (signal) => {
    const { input, weight } = layer(new Random(seed))
    const error = await rejection(() => conv2d(input, weight, { signal, backend }))
    expect(error.code).toBe('ERR_CONVKIT_OPTION')
    expect(() => operator('conv2d')(input, weight, { signal: new AbortController().signal })).toThrow(/signal/)
  })

  test('out is written in one step, just before the promise resolves', async () => {
    const { input, weight } = layer(new Random(seed))
    const out = new Float32Array(2 * 24 * 38 * 38).fill(7)
    const pending = conv2d(input, weight, { out, backend })
    expect(out.every((value) => value === 7)).toBe(true)
    const y = await pending
    expect(y.data).toBe(out)
    expectSameBits(y, operator('conv2d')(input, weight, { backend }), 'out')
  })

  test('out that is detached or too short by then', async () => {
    const { input, weight } = layer(new Random(seed))
    const out = new Float32Array(2 * 24 * 38 * 38)
    const pending = rejection(() => conv2d(input, weight, { out, backend }))
    detach(out.buffer)
    expect((await pending).code).toBe('ERR_CONVKIT_BUFFER')

    const bytes = Float32Array.BYTES_PER_ELEMENT * 2 * 24 * 38 * 38
    const buffer = resizableBuffer(bytes, bytes)
    const shrinking = rejection(() => conv2d(input, weight, { out: new Float32Array(buffer), backend }))
    buffer.resize(8)
    expect((await shrinking).code).toBe('ERR_CONVKIT_BUFFER')
    expect(Array.from(new Float32Array(buffer))).toEqual([0, 0])
  })

  test('prepared.async: the same result, pending calls survive dispose, later calls do not run', async () => {
    const random = new Random(seed)
    const { input, weight } = layer(random)
    const prepared = operator('conv2d').prepare(weight, { activation: 'relu', backend })
    const wanted = prepared(input)
    expectSameBits(await prepared.async(input), wanted, 'async')
    const out = new Float32Array(wanted.data.length)
    expect((await prepared.async(input, { out })).data).toBe(out)
    expectSameBits({ data: out, shape: wanted.shape }, wanted, 'out')

    const reason = new Error('enough')
    const aborted = await rejection(() => prepared.async(input, { signal: AbortSignal.abort(reason) }))
    expect(aborted).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason })

    const pending = Array.from({ length: 4 }, () => prepared.async(input))
    prepared.dispose()
    prepared.dispose()
    for (const y of await Promise.all(pending)) expectSameBits(y, wanted, 'pending at dispose')
    const late = await rejection(async () => prepared.async(input))
    expect(late).toBeInstanceOf(TypeError)
    expect(late.code).toBe('ERR_CONVKIT_BUFFER')
  })

  test('the event loop keeps turning', async () => {
    const random = new Random(seed)
    const size = backend === 'native' ? 128 : 40
    const input = reals(random, [1, size, 96, 96])
    const weight = reals(random, [size, size, 3, 3])
    let [ticks, turns] = [0, 0]
    const start = performance.now()
    const timer = setInterval(() => ticks++, 2)
    const turn = (): void => {
      turns++
      immediate = setImmediate(turn)
    }
    let immediate = setImmediate(turn)
    await conv2d(input, weight, { backend })
    clearInterval(timer)
    clearImmediate(immediate)
    const elapsed = performance.now() - start
    // Work on this thread would be done before the next turn, however short it is.
    expect(turns).toBeGreaterThan(0)
    // Operands are copied before the call returns; beyond that nothing holds the loop.
    if (elapsed > 60) expect(ticks).toBeGreaterThan(3)
  })
})
