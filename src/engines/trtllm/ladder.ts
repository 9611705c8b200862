import { checkArguments, Faults } from '../../checks.js';
import { ascending, steps } from '../../numbers.js';

const MOST = 1 << 20;

/** The `max_batch_size` of TensorRT-LLM's CudaGraphConfig where none is given. */
export const TRTLLM_DEFAULT_MAX_BATCH = 128;

/** What TensorRT-LLM derives its captured decode batches from. */
export interface TrtllmDecodeSizesOptions {
  /** Its `max_batch_size`, in requests; 0 means the default. Default 128. */
  readonly maxBatch?: number;
  /** Its `enable_padding`: batches are rounded up to a captured one. Default false, as there. */
  readonly padding?: boolean;
}

/**
 * Batches TensorRT-LLM captures for decodes, in requests, ascending; the largest is always among them. Errors:
 * ERR_CONFIG_INVALID. Source: TensorRT-LLM `CudaGraphConfig`; above 128 by 64 since pull request 12895.
 */
export function trtllmDecodeSizes(options: TrtllmDecodeSizesOptions = {}): number[] {
  checkArguments('trtllmDecodeSizes', { options: [options, 'object'] });
  const { padding = false } = options;
  const maxBatch = options.maxBatch || TRTLLM_DEFAULT_MAX_BATCH;
  const faults = new Faults();
  faults.integer('maxBatch', maxBatch, 1, MOST);
  faults.throwIfAny('These TensorRT-LLM capture sizes');
  const grid = padding
    ? [1, 2, 4, ...steps(8, 128, 8), ...steps(192, maxBatch, 64)]
    : [...steps(1, 32, 1), 64, 128, ...powersOfTwo(256, maxBatch)];
  return ascending([...grid.filter((size) => size <= maxBatch), maxBatch]);
}

/** The limits by which TensorRT-LLM's engine filters a list of decode batches. */
export interface TrtllmEngineFilterOptions {
  /** Batches in requests, any order. */
  readonly sizes: readonly number[];
  /** Most requests of the engine. */
  readonly maxBatch: number;
  /** Most tokens of one forward. */
  readonly maxNumTokens: number;
  /** Tokens of one decode request: 1 + drafts. Default 1. */
  readonly tokensPerRequest?: number;
  /** Default false. */
  readonly padding?: boolean;
}

/**
 * The batches of a list that fit the engine, ascending. Where padding is on and the list goes beyond, the largest that
 * fits is captured too (pull request 4843). Empty when not one request fits. Errors: ERR_CONFIG_INVALID. Source: TensorRT-LLM
 * `_filter_cuda_graph_batch_sizes`.
 */
export function trtllmEngineFilter(options: TrtllmEngineFilterOptions): number[] {
  checkArguments('trtllmEngineFilter', { options: [options, 'object', 'sizes'] });
  checkArguments('trtllmEngineFilter', { sizes: [options.sizes, 'list'] });
  const { sizes, maxBatch, maxNumTokens, tokensPerRequest = 1, padding = false } = options;
  const faults = new Faults();
  for (const size of sizes) faults.integer('a size', size, 1, MOST);
  faults.integer('maxBatch', maxBatch, 1, MOST);
  faults.integer('maxNumTokens', maxNumTokens, 1, 2 ** 31 - 1);
  faults.integer('tokensPerRequest', tokensPerRequest, 1, MOST);
  faults.throwIfAny('This TensorRT-LLM engine');
  const largest = Math.min(maxBatch, Math.floor(maxNumTokens / tokensPerRequest));
  if (largest < 1) return [];
  const kept = sizes.filter((size) => size <= largest);
  return ascending(padding && kept.length < sizes.length ? [...kept, largest] : kept);
}

/** Token counts TensorRT-LLM captures in pieces where no list is given: powers of two to 128, then by 256 to 3072. */
export const TRTLLM_PIECEWISE_SIZES: readonly number[] = Object.freeze([
  ...powersOfTwo(1, 128),
  ...steps(256, 3072, 256),
]);

/** The limits by which TensorRT-LLM's engine filters a list of piecewise sizes. */
export interface TrtllmPiecewiseFilterOptions {
  /** Token counts, any order. Default `TRTLLM_PIECEWISE_SIZES`. */
  readonly sizes?: readonly number[];
  /** Most tokens of one forward. */
  readonly maxNumTokens: number;
  /** Most requests of the engine. */
  readonly maxBatch: number;
  /** Longest request, prompt and output, in tokens. */
  readonly maxSequenceLength: number;
  /** Decode steps beyond the first that one forward takes. Default 0. */
  readonly extraTokens?: number;
}

/** What the piecewise filter keeps, and what it cannot reach. */
export interface TrtllmPiecewiseSizes {
  /** Token counts that are captured, ascending. */
  readonly sizes: number[];
  /** Token counts of the list within `maxNumTokens` that no batch can have, ascending: they were lowered to the largest reachable one. */
  readonly unreachable: number[];
}

/**
 * Token counts of piecewise graphs that a batch can have. Every request leaves room for its decode steps, which bounds the
 * tokens of all; larger counts are lowered to that bound, and no other size is added. Errors: ERR_CONFIG_INVALID.
 * Source: TensorRT-LLM `_filter_piecewise_capture_num_tokens`.
 */
export function trtllmPiecewiseFilter(options: TrtllmPiecewiseFilterOptions): TrtllmPiecewiseSizes {
  checkArguments('trtllmPiecewiseFilter', { options: [options, 'object'] });
  const { sizes = TRTLLM_PIECEWISE_SIZES, maxNumTokens, maxBatch, maxSequenceLength, extraTokens = 0 } = options;
  checkArguments('trtllmPiecewiseFilter', { sizes: [sizes, 'list'] });
  const faults = new Faults();
  for (const size of sizes) faults.integer('a size', size, 1, 2 ** 31 - 1);
  faults.integer('maxNumTokens', maxNumTokens, 1, 2 ** 31 - 1);
  faults.integer('maxBatch', maxBatch, 1, MOST);
  faults.integer('maxSequenceLength', maxSequenceLength, 1, 2 ** 31 - 1);
  faults.integer('extraTokens', extraTokens, 0, MOST);
  faults.throwIfAny('This TensorRT-LLM engine');
  const reachable = maxBatch * (maxSequenceLength - 1 - extraTokens);
  const within = ascending(sizes).filter((size) => size <= maxNumTokens);
  return {
    sizes: reachable < 1 ? [] : ascending(within.map((size) => Math.min(size, reachable))),
    unreachable: within.filter((size) => size > reachable),
  };
}

function powersOfTwo(low: number, high: number): number[] {
  const powers: number[] = [];
  for (let power = low; power <= high; power *= 2) powers.push(power);
  return powers;
}
