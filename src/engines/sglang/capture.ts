import { LockstepError } from '../../errors.js';
import { type CaptureKey, decodeKey, mixedKey } from '../../keys/index.js';
import { inTokens } from '../engine-limits.js';
import type { Captured } from '../profile/captured.js';
import { draftQueryLens } from '../profile/drafts.js';
import type { CompleteProfile } from '../profile/engine-profile.js';
import { sglangAlignSizes, sglangDecodeSizes, sglangMaxBatch } from './ladder.js';

/**
 * What SGLang captures: decode graphs of its list as overlap, gathering ranks and the pool leave it; and graphs of prefills of the profile's `prefillSizes`, unless overlap or pipeline parallelism turns them off. Errors:
 * ERR_INPUT_INVALID for what SGLang refuses. Source: SGLang `get_batch_sizes_to_capture`, ServerArgs.
 */
export function captureSglang(profile: CompleteProfile): Captured {
  const { enforceEager, graphMode, padding, gpu, memoryGb, tensorParallelSize } = profile;
  if (enforceEager || graphMode === 'NONE') return { sizes: [], keys: [], mode: 'NONE' };
  const version = profile.version as '2026-08' | '2026-09';
  const derived = profile.sizes === null && profile.maxSize === null;
  const maxBatch = profile.maxSize ?? sglangMaxBatch({ memoryGb, tensorParallelSize, version });
  const lengths = draftQueryLens(profile);
  const speculative = profile.queryLen > 1;
  const given = profile.sizes ?? sglangDecodeSizes({ maxBatch, speculative, padding });
  const keys: CaptureKey[] = [];
  const tokens: number[] = [];
  let batches: number[] = [];
  for (const queryLen of lengths) {
    batches = alignedBatches(given, queryLen, profile);
    tokens.push(...inTokens(batches, queryLen));
    keys.push(...batches.map((requests) => decodeKey(requests, queryLen, 1)));
  }
  const prefills = prefillSizes(profile);
  keys.push(...prefills.map((size) => mixedKey(size, Math.min(size, profile.maxNumSeqs), 0, profile.queryLen)));
  const of = gpu === null ? `a GPU of ${memoryGb} GB` : `${gpu} (${memoryGb} GB)`;
  return {
    sizes: [...new Set(tokens)].sort((a, b) => a - b),
    keys,
    mode: prefills.length > 0 ? 'FULL_AND_PIECEWISE' : 'FULL_DECODE_ONLY',
    dropped: given.filter((size) => !batches.includes(size)).map((size) => size * profile.queryLen),
    choices: {
      ...(prefills.length > 0 && { mixedGraphs: 'agreed' }),
      // can_run_graph with disable_padding: the largest rank's batch is a captured one.
      ...(!padding && { decodeMatch: 'exact' }),
    },
    notes: [
      ...(padding ? [] : ['without padding only batches of exactly a captured size run as a graph']),
      ...(derived ? [defaultNote(maxBatch, of, tensorParallelSize, profile)] : []),
      ...offNotes(profile),
    ],
  };
}

function defaultNote(maxBatch: number, of: string, ranks: number, { gpu, memoryGb }: CompleteProfile): string {
  if (gpu === null && memoryGb === 80 && ranks < 4) {
    return `up to ${maxBatch} requests, the default on a GPU of 60 to 160 GB with fewer than 4 tensor parallel ranks`;
  }
  const shards = ranks < 4 ? 'fewer than 4' : '4 or more';
  return `up to ${maxBatch} requests, the default on ${of} with ${shards} tensor parallel ranks`;
}

function alignedBatches(sizes: readonly number[], queryLen: number, profile: CompleteProfile): number[] {
  const { maxNumSeqs, ubatches, attentionTpSize, contextParallelSize, gathered } = profile;
  try {
    return sglangAlignSizes({
      sizes,
      poolSize: maxNumSeqs,
      queryLen,
      twoBatchOverlap: ubatches > 1,
      attentionTpSize,
      attentionCpSize: contextParallelSize,
      gathered,
    });
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    throw new LockstepError('ERR_INPUT_INVALID', `sglang would refuse these flags: ${error.message}`, error.details, {
      cause: error,
    });
  }
}

/** Tokens of the graphs of prefills. */
function prefillSizes({
  prefillSizes: sizes,
  ubatches,
  pipelineParallelSize,
  maxNumBatchedTokens,
}: CompleteProfile): number[] {
  if (sizes === null || ubatches > 1 || pipelineParallelSize > 1) return [];
  return [...new Set(sizes)].filter((size) => size <= maxNumBatchedTokens).sort((a, b) => a - b);
}

function offNotes({ prefillSizes: sizes, ubatches, pipelineParallelSize }: CompleteProfile): string[] {
  if (sizes === null) return [];
  if (ubatches > 1) return ['two-batch overlap turns the graphs of prefills off'];
  if (pipelineParallelSize > 1) return ['pipeline parallelism turns the graphs of prefills off'];
  return [];
}
