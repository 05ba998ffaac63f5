/**
 * Memory for the results of all steps, planned before the first picture comes: one array, in which results take the same
 * place if they are not needed at the same time. Less memory is also faster, as more of it stays in the processor's cache.
 *
 *     place
 *       │  ┌────┬──────────────┐
 *       │  │ r1 │      r3      │         each result from the step that writes it to the last one that reads it;
 *       │  ├────┴────┬─────────┼────┐    r4 and r5 are neighbours: what is to be added lies together
 *       │  │   r2    │   r4    │ r6 │
 *       │  └─────────┤   r5    ├────┘
 *       │            └─────────┘
 *       └──────────────────────────── steps
 */
import { Tensor } from 'convkit'
import { sizeOf, type Shape } from './operation.js'

/** What a step gives, before and after it has a place in memory. */
export class Result {
  /** The last step that reads it. */
  last: number
  tensor!: Tensor

  constructor(
    readonly shape: Shape,
    /** The step that writes it. */
    readonly first: number,
  ) {
    this.last = first
  }
}

/** Results that lie one behind the other. */
interface Block {
  readonly results: readonly Result[]
  readonly size: number
  readonly first: number
  readonly last: number
}

/** Gives each result its tensor; each pair lies together unless another pair has torn it apart. */
export function reserve(results: readonly Result[], pairs: readonly (readonly [Result, Result])[]): void {
  const places = new Map<Block, number>()
  // The largest first, each as low as those that are needed at the same time permit: the small ones fill the gaps.
  for (const block of join(results, pairs).sort((a, b) => b.size - a.size)) {
    const others = [...places].filter(([other]) => other.first <= block.last && block.first <= other.last)
    let place = 0
    for (const [other, begin] of others.sort(([, a], [, b]) => a - b)) {
      if (begin >= place + block.size) break
      place = Math.max(place, begin + other.size)
    }
    places.set(block, place)
  }
  const memory = new ArrayBuffer(4 * Math.max(...[...places].map(([{ size }, place]) => place + size)))
  for (const [block, begin] of places) {
    let place = begin
    for (const result of block.results) {
      result.tensor = new Tensor(new Float32Array(memory, 4 * place, sizeOf(result.shape)), result.shape)
      place += sizeOf(result.shape)
    }
  }
}

/** Chains the pairs, end to end. */
function join(results: readonly Result[], pairs: readonly (readonly [Result, Result])[]): Block[] {
  const chains = new Map(results.map((result) => [result, [result]]))
  for (const [a, b] of pairs) {
    const [left, right] = [chains.get(a)!, chains.get(b)!]
    if (left === right) continue
    const inOrder = left.at(-1) === a && right[0] === b
    if (!inOrder && !(right.at(-1) === b && left[0] === a)) continue
    const chain = inOrder ? [...left, ...right] : [...right, ...left]
    for (const result of chain) chains.set(result, chain)
  }
  return [...new Set(chains.values())].map((results) => ({
    results,
    size: results.reduce((size, { shape }) => size + sizeOf(shape), 0),
    first: Math.min(...results.map(({ first }) => first)),
    last: Math.max(...results.map(({ last }) => last)),
  }))
}
