/** One row of layers.json. Every array has one entry per spatial axis; channels-first throughout. */
export interface Layer {
  name: string
  op: 'conv' | 'convTranspose'
  batch: number
  inChannels: number
  outChannels: number
  input: number[]
  kernel: number[]
  stride: number[]
  padding: number[]
  dilation: number[]
  groups: number
  outputPadding?: number[]
}

export type Pass = 'forward' | 'gradInput' | 'gradWeight'
export type DType = 'float32' | 'float64'

/** What one line of the table measures. */
export interface Case {
  layer: Layer
  pass: Pass
  dtype: DType
}

/** What a contestant answers to `load`. */
export interface Loaded {
  /** Elements of the result. */
  elements: number
  /** Instead: why the contestant does not know such a layer. It then has no figure there. */
  unable?: string
  /** The plan's id, where the contestant can tell it. */
  plan?: string | undefined
}

/** One program that takes part: a child process that speaks the line protocol of line-protocol.mjs. */
export interface Contestant {
  name: string
  /** How many it computes with. */
  threads: number
  /** What the table calls it. */
  title: string
  command: string
  args: string[]
  env?: Record<string, string>
  passes: readonly Pass[]
  dtypes: readonly DType[]
  /** Layers of more floating-point operations than this are left out. */
  maxFlops: number
  maxRounds: number
  /** True for the subject of the benchmark, whose failures make the run fail. */
  ours: boolean
}

/** What one contestant did on one case. */
export interface Figure {
  /** Median over the rounds of each round's median, in milliseconds a call. */
  ms: number
  /** Half the distance between the quartiles over the rounds, as a fraction of the median. */
  spread: number
  gflops: number
  /** Of the FMA peak, and of the row's bound, measured in the same rounds; null where there was no measurement. */
  percentOfPeak: number | null
  percentOfBound: number | null
  /** Largest difference from the first contestant's result, as a fraction of that result's root mean square. */
  difference: number
  plan?: string | undefined
  /** Each round's median, in milliseconds. */
  rounds: number[]
}

/** No call can take less time than the machine needs for its multiply-adds, nor than it needs for its bytes. */
export interface Bound {
  by: 'multiply-adds' | 'bytes'
  ms: number
}

export interface Row {
  layer: string
  op: Layer['op']
  pass: Pass
  threads: number
  flops: number
  /** Both operands and the result once: the least that has to move through memory. */
  bytes: number
  /** GFLOP/s of the machine, measured in the same rounds; null without a compiler. */
  peakGflops: number | null
  /** GB/s of the machine for as many bytes as the layer has, from the cache that holds them. */
  readGBs: number | null
  copyGBs: number | null
  bound: Bound | null
  figures: Record<string, Figure>
  failures: Record<string, string>
}

export interface Machine {
  cpu: string
  cores: number
  memoryGiB: number
  platform: string
  arch: string
  loadAverage: number
}

export interface Peak {
  isa: string
  /** GFLOP/s on as many threads as the run uses at first. */
  float32: number
  float64: number
  /** GB/s on the same threads, from main memory: bytes read, and bytes read plus bytes written. */
  read: number
  copy: number
}

export interface Result {
  format: 2
  date: string
  machine: Machine
  versions: Record<string, string>
  threads: number[]
  dtype: DType
  rounds: number
  quick: boolean
  peak: Peak | null
  notes: string[]
  rows: Row[]
  summary: Summary[]
}

/** Geometric mean of (contestant's time / convkit native's time): above 1 convkit is the faster one. */
export interface Summary {
  op: Layer['op']
  pass: Pass
  threads: number
  against: string
  layers: number
  ratio: number
  worst: { layer: string; ratio: number }
}
