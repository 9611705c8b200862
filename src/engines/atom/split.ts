import type { RawBatch } from '../../batch/index.js';
import { checkArguments } from '../../checks.js';
import { LockstepError } from '../../errors.js';
import type { SliceRange } from '../vllm/split.js';

/** One of ATOM's ubatches, over the packed batch. A request in several counts its earlier tokens as prefix in the later. */
export interface AtomUbatchSlice {
  /** Requests of the ubatch, by their places in the batch. */
  readonly requests: SliceRange;
  /** Tokens of the ubatch, by their places in the batch. */
  readonly tokens: SliceRange;
}

/** How a batch is cut. */
export interface AtomSplitOptions {
  /** From 2 to 4. */
  readonly numUbatches: number;
  /** Most tokens an ubatch's buffers hold. Default: no limit. */
  readonly maxTokensPerUbatch?: number | undefined;
}

/**
 * Cuts a scheduled batch as ATOM does: decodes by requests, the rest to the last ubatch; prefills as the batch's `split` says, at the
 * nearest request boundary ('balanced') or at exact shares of tokens ('token-midpoint'). Null where ATOM refuses: an ubatch
 * would be empty, or larger than its buffers. Overwrites the batch's tensors. Errors: ERR_INPUT_INVALID. Source: ATOM's TBO split.
 */
export function atomUbatchSlices(batch: RawBatch, options: AtomSplitOptions): AtomUbatchSlice[] | null {
  checkArguments('atomUbatchSlices', {
    batch: [batch, 'object', 'maxParts', 'localCuts'],
    options: [options, 'object'],
  });
  const { numUbatches, maxTokensPerUbatch } = options;
  if (!Number.isInteger(numUbatches) || numUbatches < 2 || numUbatches > batch.maxParts) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `numUbatches is ${numUbatches}; this batch can be cut into 2 to ${batch.maxParts} parts`,
      { numUbatches, maxParts: batch.maxParts },
    );
  }
  const counts = batch.localCuts(numUbatches);
  const most = maxTokensPerUbatch ?? Number.POSITIVE_INFINITY;
  if (counts.some((tokens) => tokens === 0 || tokens > most)) return null;
  batch.buildPadded(batch.tokens, batch.scheduledRequests);
  let begin = 0;
  return counts.map((tokens, index) => {
    const { local } = batch.buildCut(index, begin, begin + tokens);
    begin += tokens;
    return { requests: local.requests, tokens: local.tokens };
  });
}
