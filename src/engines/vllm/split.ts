import type { RawBatch } from '../../batch/index.js';
import { checkArguments } from '../../checks.js';
import { LockstepError } from '../../errors.js';

/** Half-open. */
export type SliceRange = readonly [begin: number, end: number];

/** One of vLLM's ubatch slices, over the packed batch. */
export interface VllmUbatchSlice {
  /** Real requests of the slice, by their places in the batch. */
  readonly requests: SliceRange;
  /** Real tokens of the slice, by their places in the batch. */
  readonly tokens: SliceRange;
  /** Requests of the slice, with the batch's padding in the last one: what a full graph's attention and every model input use. */
  readonly paddedRequests: SliceRange;
  /** Tokens of the slice, with the batch's padding in the last one. */
  readonly paddedTokens: SliceRange;
  /** First token of each real request within the slice: i32[requests + 1]. */
  readonly queryStartLoc: Int32Array;
  /** Tokens of each real request when the slice has run: i32[requests]. */
  readonly seqLens: Int32Array;
}

/** How a batch is padded and cut. */
export interface VllmSplitOptions {
  /** Tokens of the batch, padding included. */
  readonly paddedTokens: number;
  /** Requests of the batch, padding included. */
  readonly paddedRequests: number;
  /** Its `num_ubatches`, from 1 to 4. */
  readonly numUbatches: number;
}

/**
 * Cuts a scheduled batch as vLLM does: at equal shares of the padded tokens, the last slice to their end, so that a request
 * may lie in several. A slice past the last real token is empty (vLLM's guard prevents such a step). Overwrites the
 * batch's tensors. Errors: ERR_INPUT_INVALID. Source: vLLM `ubatch_utils`.
 */
export function vllmUbatchSlices(batch: RawBatch, options: VllmSplitOptions): VllmUbatchSlice[] {
  checkArguments('vllmUbatchSlices', {
    batch: [batch, 'object', 'maxParts', 'localCuts'],
    options: [options, 'object'],
  });
  const { paddedTokens, paddedRequests, numUbatches } = options;
  if (!Number.isInteger(numUbatches) || numUbatches < 1 || numUbatches > batch.maxParts) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `numUbatches is ${numUbatches}; this batch can be cut into 1 to ${batch.maxParts} parts`,
      { numUbatches, maxParts: batch.maxParts },
    );
  }
  batch.buildPadded(paddedTokens, paddedRequests);
  const share = Math.floor(paddedTokens / numUbatches);
  return Array.from({ length: numUbatches }, (_, index) => {
    const last = index + 1 === numUbatches;
    const begin = index * share;
    const end = last ? paddedTokens : begin + share;
    const { local, tensors } = batch.buildCut(index, begin, end);
    const [first, stop] = local.requests;
    return {
      requests: local.requests,
      tokens: local.tokens,
      paddedRequests: last ? [first, paddedRequests] : local.requests,
      paddedTokens: [begin, end],
      queryStartLoc: tensors.queryStartLoc.slice(0, stop - first + 1),
      seqLens: tensors.seqLens.slice(0, stop - first),
    };
  });
}
