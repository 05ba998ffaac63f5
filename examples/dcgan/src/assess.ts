/** Whether the generator has learned to write: what the classifier says about its samples. */
import type { Tensor } from 'convkit'
import type { Sequential } from 'convkit-examples-shared/layer.js'
import { classify } from './classifier.js'

/** A sample counts as recognised if the classifier gives one digit at least this probability. */
export const CONFIDENT = 0.9

export interface Assessment {
  /** The share of samples that are recognised. */
  readonly recognised: number
  /** How many of the recognised samples are a 0, a 1, … */
  readonly counts: readonly number[]
  /** How many of the ten digits make at least one in a hundred of the recognised samples. */
  readonly digits: number
}

export function assess(judge: Sequential, samples: Tensor, confident = CONFIDENT): Assessment {
  const sure = classify(judge, samples).filter(({ confidence }) => confidence >= confident)
  const counts = Array.from({ length: 10 }, (_, digit) => sure.filter((answer) => answer.digit === digit).length)
  const digits = counts.filter((count) => count > 0 && count >= sure.length / 100).length
  return { recognised: sure.length / samples.shape[0], counts, digits }
}
