import type { Chunk } from '../workload/index.js';
import type { Drafter, EngineRequest } from './engine-request.js';

/**
 * The ids of a chunk, i32[queryLen]: known ones, and drafts after the last of them. A decode has as many as were scheduled, good guesses or not. Where the
 * step before samples its first token, the device puts it there, and drafts are looked up beyond it.
 */
export function chunkIds(request: EngineRequest, { phase, start, queryLen }: Chunk, drafter: Drafter): Int32Array {
  const known = request.ids.subarray(start, Math.min(request.length, start + queryLen));
  if (known.length === queryLen) return known;
  if (phase === 'prefill') {
    throw new RangeError(`request ${request.id} has ${request.length} tokens, not ${start + queryLen}`);
  }
  const ids = new Int32Array(queryLen);
  ids.set(known);
  if (queryLen === 1) return ids;
  const count = queryLen - 1;
  const drafts = known.length === 0 ? request.lookBeyond(count) : drafter(request, count);
  for (let at = 1; at < queryLen; at++) {
    const draft = drafts[at - 1];
    ids[at] = draft === undefined ? ids[at - 1] : draft;
  }
  return ids;
}
