import { draftQueryLen } from '../../config.js';
import { type CaptureKey, decodeKey, mixedKey } from '../../keys/index.js';
import { ascending } from '../../numbers.js';
import type { Captured } from '../profile/captured.js';
import type { CompleteProfile } from '../profile/engine-profile.js';
import { TRTLLM_DEFAULT_MAX_BATCH, trtllmDecodeSizes, trtllmEngineFilter, trtllmPiecewiseFilter } from './ladder.js';

/**
 * What TensorRT-LLM captures: decode graphs of its list as far as the engine's batch and tokens reach, with the drafts of each batch's tier, and
 * graphs of the profile's `prefillSizes` (its piecewise `capture_num_tokens`) for steps with a prefill.
 * Source: TensorRT-LLM `CudaGraphConfig`, `get_draft_len_for_batch_size`, `_filter_cuda_graph_batch_sizes`, `_filter_piecewise_capture_num_tokens`.
 */
export function captureTrtllm(profile: CompleteProfile): Captured {
  const { enforceEager, graphMode, padding, maxNumSeqs, maxNumBatchedTokens, maxModelLen, queryLen } = profile;
  if (enforceEager || graphMode === 'NONE') return { sizes: [], keys: [], mode: 'NONE' };
  const { draftSchedule } = profile;
  const given = profile.sizes?.length ? profile.sizes : defaultSizes(profile);
  const kept = trtllmEngineFilter({
    sizes: given,
    maxBatch: maxNumSeqs,
    maxNumTokens: maxNumBatchedTokens,
    tokensPerRequest: queryLen,
    padding,
  });
  // A batch of each size is captured with the drafts of its tier alone.
  const lengthOf = (requests: number): number =>
    draftSchedule === null ? queryLen : draftQueryLen(draftSchedule, requests);
  const keys: CaptureKey[] = kept.map((requests) => decodeKey(requests, lengthOf(requests), 1));
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
    sizes: ascending(kept.map((requests) => requests * lengthOf(requests))),
    keys,
    mode: pieces.length > 0 ? 'FULL_AND_PIECEWISE' : 'FULL_DECODE_ONLY',
    dropped: given.filter((size) => !kept.includes(size)).map((size) => size * queryLen),
    choices: {
      ...(pieces.length > 0 && { mixedGraphs: 'agreed' }),
      // maybe_get_cuda_graph: nothing is padded, and the batches of all attention DP ranks are equal.
      ...(!padding && { decodeMatch: 'exact-all' }),
    },
    notes: notesOf(profile),
  };
}

/** The list that follows from the largest batch, and where a schedule of drafts changes. */
function defaultSizes({ maxSize, padding, draftSchedule }: CompleteProfile): number[] {
  const sizes = trtllmDecodeSizes({ maxBatch: maxSize ?? 0, padding });
  const most = sizes.at(-1) ?? 0;
  const ends = (draftSchedule ?? []).flatMap(({ maxRequests }) => (maxRequests === null ? [] : [maxRequests]));
  return ascending([...sizes, ...ends.filter((end) => end <= most)]);
}

function notesOf({ sizes, maxSize, padding }: CompleteProfile): string[] {
  const exact = padding ? [] : ['without enable_padding only batches of exactly a captured size run as a graph'];
  if (sizes !== null) return exact;
  return [
    ...exact,
    ...(padding
      ? ['with enable_padding, which is off by default: then only batches of exactly a captured size run as a graph']
      : []),
    ...(maxSize === null
      ? [`up to ${TRTLLM_DEFAULT_MAX_BATCH} requests, the default max_batch_size of its graphs`]
      : []),
  ];
}
