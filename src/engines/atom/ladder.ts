import { Faults } from '../../config.js';
import { ascending, steps } from '../../numbers.js';

/** What ATOM derives its captured decode batches from. */
export interface AtomCaptureSizesOptions {
  /** Its `max_num_seqs`. */
  readonly maxNumSeqs: number;
  /** Its `max_num_batched_tokens`. */
  readonly maxNumBatchedTokens: number;
  /** Tokens of one decode request: 1 + drafts. Default 1. */
  readonly queryLen?: number;
  /** Largest default batch. Default 512. */
  readonly largest?: number;
  /** Batches in requests instead of the default ones, any order. */
  readonly sizes?: readonly number[];
}

/**
 * Batches ATOM captures, in requests, ascending: 1, 2, 4, 8, then by 16, or the given ones, without those that no step can
 * have (a larger one would write past the token buffers). Errors: ERR_CONFIG_INVALID. Source: ATOM `CompilationConfig`,
 * `ModelRunner`.
 */
export function atomCaptureSizes(options: AtomCaptureSizesOptions): number[] {
  const { maxNumSeqs, maxNumBatchedTokens, queryLen = 1, largest = 512 } = options;
  const faults = new Faults();
  faults.integer('maxNumSeqs', maxNumSeqs, 1, 2 ** 31 - 1);
  faults.integer('maxNumBatchedTokens', maxNumBatchedTokens, 1, 2 ** 31 - 1);
  faults.integer('queryLen', queryLen, 1, 1 << 20);
  faults.integer('largest', largest, 1, 1 << 20);
  for (const size of options.sizes ?? []) faults.integer('a size', size, 1, 1 << 20);
  faults.throwIfAny('These ATOM capture sizes');
  const reachable = Math.min(maxNumSeqs, Math.floor(maxNumBatchedTokens / queryLen));
  const sizes = options.sizes ?? [1, 2, 4, 8, ...steps(16, largest, 16)];
  return ascending(sizes).filter((size) => size <= reachable);
}
