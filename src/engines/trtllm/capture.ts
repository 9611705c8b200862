import { type CaptureKey, decodeKey, mixedKey } from '../../keys/index.js';
import { ascending } from '../../numbers.js';
import { inTokens } from '../engine-limits.js';
import type { Captured } from '../profile/captured.js';
import { draftQueryLens } from '../profile/drafts.js';
import type { CompleteProfile } from '../profile/engine-profile.js';
import { TRTLLM_DEFAULT_MAX_BATCH, trtllmDecodeSizes, trtllmEngineFilter, trtllmPiecewiseFilter } from './ladder.js';

/**
 * What TensorRT-LLM captures: decode graphs of its list as far as the engine's batch and tokens reach, for each number of drafts, and
 * graphs of the profile's `prefillSizes` (its piecewise `capture_num_tokens`) for steps with a prefill.
 * Source: TensorRT-LLM `CudaGraphConfig`, `_filter_cuda_graph_batch_sizes`, `_filter_piecewise_capture_num_tokens`.
 */
export function captureTrtllm(profile: CompleteProfile): Captured {
  const { enforceEager, graphMode, padding, maxNumSeqs, maxNumBatchedTokens, maxModelLen, queryLen } = profile;
  if (enforceEager || graphMode === 'NONE') return { sizes: [], keys: [], mode: 'NONE' };
  const given = profile.sizes?.length ? profile.sizes : trtllmDecodeSizes({ maxBatch: profile.maxSize ?? 0, padding });
  const keys: CaptureKey[] = [];
  const tokens: number[] = [];
  let kept: number[] = [];
  for (const length of draftQueryLens(profile)) {
    kept = trtllmEngineFilter({
      sizes: given,
      maxBatch: maxNumSeqs,
      maxNumTokens: maxNumBatchedTokens,
      tokensPerRequest: length,
      padding,
    });
    tokens.push(...inTokens(kept, length));
    keys.push(...kept.map((requests) => decodeKey(requests, length, 1)));
  }
  const pieces =
    profile.prefillSizes === null
      ? []
      : trtllmPiecewiseFilter({
          sizes: profile.prefillSizes,
          maxNumTokens: maxNumBatchedTokens,
          maxBatch: maxNumSeqs,
          maxSequenceLength: maxModelLen,
        }).sizes;
  keys.push(...pieces.map((size) => mixedKey(size, Math.min(size, maxNumSeqs), 0, queryLen)));
  return {
    sizes: ascending(tokens),
    keys,
    mode: pieces.length > 0 ? 'FULL_AND_PIECEWISE' : 'FULL_DECODE_ONLY',
    dropped: given.filter((size) => !kept.includes(size)).map((size) => size * queryLen),
    choices: pieces.length > 0 ? { mixedGraphs: 'agreed' } : {},
    notes: notesOf(profile),
  };
}

function notesOf({ sizes, maxSize, padding }: CompleteProfile): string[] {
  if (sizes !== null) return [];
  return [
    ...(padding
      ? ['with enable_padding, which is off by default: then only batches of exactly a captured size run as a graph']
      : []),
    ...(maxSize === null
      ? [`up to ${TRTLLM_DEFAULT_MAX_BATCH} requests, the default max_batch_size of its graphs`]
      : []),
  ];
}
