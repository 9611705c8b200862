import { checkArguments, Faults } from '../../checks.js';
import { LockstepError } from '../../errors.js';
import { ascending, roundUp, steps } from '../../numbers.js';
import { type RuleVersion, ruleVersion } from '../rule-versions.js';

/** What vLLM derives its default capture sizes from. */
export interface VllmCaptureSizesOptions {
  /** Its `max_num_seqs`. */
  readonly maxNumSeqs: number;
  /** Its `max_num_batched_tokens`. */
  readonly maxNumBatchedTokens: number;
  /** Tokens of one decode request: 1 + speculative tokens. Default 1. */
  readonly queryLen?: number;
  /** Largest default size in tokens: 512, or 1024 on data-centre Blackwell. Default 512. */
  readonly ceiling?: number;
  /** The user's `max_cudagraph_capture_size`: the last grid value at or below it ends the list. Default: none. */
  readonly maxSize?: number | null;
  /** `performance_mode` "interactivity": every size up to 32. Default false. */
  readonly interactive?: boolean;
  /** Which rule: '2026-09' adds `maxNumSeqs` where nothing is drafted (pull request 57355), '2026-08' does not. Default the newest. */
  readonly version?: RuleVersion<'vllm'>;
}

/** vLLM's capture sizes, and the maximum if the list ends below it. */
export interface VllmLadder {
  /** In tokens, ascending. */
  readonly sizes: number[];
  /** The maximum, the user's or the default, that is not on the grid: the list ends below it. Null where it ends at it. */
  readonly truncated: number | null;
}

/**
 * vLLM's default capture sizes, in tokens, ascending. Errors: ERR_CONFIG_INVALID with every fault at once.
 * Source: vLLM `_set_cudagraph_sizes`.
 */
export function vllmCaptureSizes(options: VllmCaptureSizesOptions): number[] {
  return vllmLadder(options).sizes;
}

/** The same sizes with what they leave out: batches from the last size up to `truncated` have no graph (vLLM issue 54933). */
export function vllmLadder(options: VllmCaptureSizesOptions): VllmLadder {
  checkArguments('vllmLadder', { options: [options, 'object'] });
  const { maxNumSeqs, maxNumBatchedTokens, queryLen = 1, ceiling = 512, interactive = false } = options;
  const userMax = options.maxSize ?? undefined;
  const version = ruleVersion('vllm', options.version);
  const faults = new Faults();
  const most = 2 ** 31 - 1;
  faults.integer('maxNumSeqs', maxNumSeqs, 1, most);
  faults.integer('maxNumBatchedTokens', maxNumBatchedTokens, 1, most);
  faults.integer('queryLen', queryLen, 1, most);
  faults.integer('ceiling', ceiling, 1, 1 << 20);
  if (userMax !== undefined) faults.integer('maxSize', userMax, 1, 1 << 20);
  faults.throwIfAny('These vLLM capture sizes');

  const wanted = userMax ?? Math.min(maxNumSeqs * queryLen * 2, ceiling);
  const largest = Math.min(maxNumBatchedTokens, wanted);
  const sizes = new Set(grid(largest, interactive));
  if (maxNumBatchedTokens <= wanted) sizes.add(maxNumBatchedTokens);
  if (queryLen > 1 && userMax === undefined) {
    for (const requests of [...grid(Math.min(maxNumSeqs, ceiling), false), maxNumSeqs]) {
      if (requests * queryLen <= largest) sizes.add(requests * queryLen);
    }
  }
  if (version !== '2026-08' && queryLen === 1 && userMax === undefined && maxNumSeqs <= largest) sizes.add(maxNumSeqs);
  return { sizes: ascending(sizes), truncated: sizes.has(largest) ? null : largest };
}

/** 1, 2, 4, then by 8 below 256, then by 16; with `interactive`, every size up to 32 first. */
function grid(largest: number, interactive: boolean): number[] {
  const small = interactive ? steps(1, 32, 1) : [1, 2, 4];
  return [...small, ...steps(8, 248, 8), ...steps(256, largest, 16)].filter((size) => size <= largest);
}

/** The inputs of vLLM's V1 runner for aligning capture sizes with speculative decoding. */
export interface VllmSpecAlignOptions {
  /** Captured sizes in tokens, any order. */
  readonly sizes: readonly number[];
  /** Tokens of one decode request: 1 + speculative tokens. */
  readonly queryLen: number;
  /** Ranks of tensor parallelism. */
  readonly tensorParallelSize: number;
  /** Whether token counts are split over those ranks. */
  readonly sequenceParallel: boolean;
}

/**
 * Sizes rounded up to whole requests, ascending, none above the largest one given. Errors: ERR_CONFIG_INVALID when query
 * length and tensor parallel size do not divide the larger of them under sequence parallelism, or no size is left.
 * Source: vLLM V1 `adjust_cudagraph_sizes_for_spec_decode`.
 */
export function vllmSpecAlign(options: VllmSpecAlignOptions): number[] {
  checkArguments('vllmSpecAlign', { options: [options, 'object', 'sizes'] });
  checkArguments('vllmSpecAlign', { sizes: [options.sizes, 'list'] });
  const { sizes, queryLen, tensorParallelSize, sequenceParallel } = options;
  const faults = new Faults();
  for (const size of sizes) faults.integer('a size', size, 1, 1 << 20);
  faults.integer('queryLen', queryLen, 1, 1 << 20);
  faults.integer('tensorParallelSize', tensorParallelSize, 1, 1 << 16);
  faults.check(sizes.length > 0, 'there are no sizes to align');
  faults.throwIfAny('This alignment');

  let multiple = queryLen;
  if (sequenceParallel && tensorParallelSize > 1) {
    multiple = Math.max(queryLen, tensorParallelSize);
    if (multiple % queryLen !== 0 || multiple % tensorParallelSize !== 0) {
      throw new LockstepError(
        'ERR_CONFIG_INVALID',
        `vLLM cannot align capture sizes to queryLen ${queryLen} and tensorParallelSize ${tensorParallelSize} at once: one must divide the other`,
        { queryLen, tensorParallelSize },
      );
    }
  }
  const largest = Math.max(...sizes);
  const aligned = new Set(sizes.map((size) => roundUp(size, multiple)).filter((size) => size <= largest));
  if (aligned.size === 0 && multiple <= largest) aligned.add(multiple);
  if (aligned.size === 0) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `No capture size up to ${largest} holds ${multiple} tokens: raise the largest size to ${multiple} or more`,
      { largest, multiple },
    );
  }
  return ascending(aligned);
}

/**
 * Tokens of the decode graphs that vLLM's V2 runner captures from a list: each size rounded up to whole requests, none above
 * the list's last or `maxNumSeqs` requests. Ascending. Errors: ERR_CONFIG_INVALID. Source: vLLM V2 `CudaGraphManager`.
 */
export function vllmDecodeSizes(
  sizes: readonly number[],
  limits: { readonly maxNumSeqs: number; readonly queryLen: number },
): number[] {
  checkArguments('vllmDecodeSizes', { sizes: [sizes, 'list'], limits: [limits, 'object'] });
  const { maxNumSeqs, queryLen } = limits;
  const faults = new Faults();
  for (const size of sizes) faults.integer('a size', size, 1, 2 ** 31 - 1);
  faults.integer('maxNumSeqs', maxNumSeqs, 1, 2 ** 31 - 1);
  faults.integer('queryLen', queryLen, 1, 1 << 20);
  faults.throwIfAny('These vLLM capture sizes');
  const most = Math.min(Math.max(0, ...sizes), maxNumSeqs * queryLen);
  return ascending(sizes.map((size) => roundUp(size, queryLen))).filter((size) => size <= most);
}
