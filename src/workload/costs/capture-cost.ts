import { checkHas, checkList } from '../../checks.js';
import { LockstepError, shown } from '../../errors.js';

const GIB = 2 ** 30;

/**
 * The cost of capturing. Graphs are captured largest first into one pool, so the pool is as large as the largest graph needs, and
 * each further graph adds little more than itself.
 */
export interface CaptureCost {
  /** Name of these figures. */
  readonly name: string;
  /** Where the figures come from. */
  readonly source: string;
  /** Bytes the shared pool grows by for each token of the largest graph. */
  readonly poolBytesPerToken: number;
  /** Bytes each graph adds. */
  readonly bytesPerGraph: number;
  /** Seconds the first capture takes beyond the others: kernels are loaded, workspaces grow. */
  readonly firstSeconds: number;
  /** Seconds that each graph takes. */
  readonly secondsPerGraph: number;
}

/** The memory and time of capturing the graphs of a ladder. */
export interface LadderCapture {
  /** Device memory that the graphs take, in bytes. */
  readonly graphBytes: number;
  /** Seconds that capturing them takes. */
  readonly seconds: number;
}

/** Memory and seconds of capturing graphs of these sizes in tokens. */
export function captureOf(cost: CaptureCost, sizes: readonly number[]): LadderCapture {
  checkHas('a capture cost', cost, ['poolBytesPerToken', 'bytesPerGraph', 'firstSeconds', 'secondsPerGraph']);
  checkList('sizes', sizes, 'numbers');
  if (sizes.length === 0) return { graphBytes: 0, seconds: 0 };
  const largest = sizes.reduce((most, size) => Math.max(most, size));
  return {
    graphBytes: cost.poolBytesPerToken * largest + cost.bytesPerGraph * sizes.length,
    seconds: cost.firstSeconds + cost.secondsPerGraph * sizes.length,
  };
}

/**
 * Published figures by name. Published totals are spread over the graphs evenly, and include
 * the pool; a capture log of your own says more (`fitCaptureCost`).
 */
export const CAPTURE_COSTS: Readonly<Record<CaptureCostName, CaptureCost>> = {
  'trtllm-deepseek-r1': {
    name: 'trtllm-deepseek-r1',
    source:
      'TensorRT-LLM blog 20, DeepSeek-R1 on GB200, TP 4: 26 more graphs +260 MB; 23 to 259 graphs 10.8 to 25.9 s (a start-up captures twice)',
    poolBytesPerToken: 0,
    bytesPerGraph: 260e6 / 26,
    firstSeconds: 10.8 - (23 * (25.9 - 10.8)) / (259 - 23),
    secondsPerGraph: (25.9 - 10.8) / (259 - 23),
  },
  'vllm-qwen3-0.6b': {
    name: 'vllm-qwen3-0.6b',
    source: 'vLLM #21146, Qwen3-0.6B: 67 graphs, 0.59 GiB, 2 s with the garbage collector frozen',
    poolBytesPerToken: 0,
    bytesPerGraph: (0.59 * GIB) / 67,
    firstSeconds: 0,
    secondsPerGraph: 2 / 67,
  },
  'vllm-llama-3.2-1b': {
    name: 'vllm-llama-3.2-1b',
    source: 'vLLM #11349, Llama-3.2-1B: 35 graphs, 0.21 GiB, 14 s',
    poolBytesPerToken: 0,
    bytesPerGraph: (0.21 * GIB) / 35,
    firstSeconds: 0,
    secondsPerGraph: 14 / 35,
  },
  'sglang-kimi-k2-prefill': {
    name: 'sglang-kimi-k2-prefill',
    source:
      'SGLang #31203, Kimi-K2.7 on GB300, TP 4, prefill graphs: one of 8192 tokens 0.49 GiB and 31.5 s, four 1.94 GiB and 76.9 s',
    poolBytesPerToken: (0.49 - (1.94 - 0.49) / 3) * (GIB / 8192),
    bytesPerGraph: ((1.94 - 0.49) / 3) * GIB,
    firstSeconds: 31.5 - (76.9 - 31.5) / 3,
    secondsPerGraph: (76.9 - 31.5) / 3,
  },
};

/** Names of the published capture costs, in `CAPTURE_COSTS`. */
export type CaptureCostName = 'trtllm-deepseek-r1' | 'vllm-qwen3-0.6b' | 'vllm-llama-3.2-1b' | 'sglang-kimi-k2-prefill';

/** Published capture costs by name. Throws `ERR_CONFIG_INVALID`. */
export function captureCost(name: CaptureCostName): CaptureCost {
  if (typeof name === 'string' && Object.hasOwn(CAPTURE_COSTS, name)) return CAPTURE_COSTS[name];
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `capture costs ${shown(name)} are not known; there are ${Object.keys(CAPTURE_COSTS).join(', ')}`,
    { name: shown(name), names: Object.keys(CAPTURE_COSTS) },
  );
}
