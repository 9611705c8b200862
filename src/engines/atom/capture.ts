import { LockstepError } from '../../errors.js';
import { decodeKey, piecewiseKey } from '../../keys/index.js';
import { inTokens } from '../engine-limits.js';
import type { Captured } from '../profile/captured.js';
import type { CompleteProfile } from '../profile/engine-profile.js';
import { atomCaptureSizes } from './ladder.js';

/**
 * What ATOM captures: decode graphs of its list; under PIECEWISE graphs of the
 * pieces, in tokens. Errors: ERR_INPUT_INVALID where no size is left, as the engine then refuses to start.
 * Source: ATOM `EngineArgs`, `ModelRunner`.
 */
export function captureAtom(profile: CompleteProfile): Captured {
  const { enforceEager, graphMode, maxNumSeqs, maxNumBatchedTokens, queryLen } = profile;
  // An empty list turns graphs off.
  if (enforceEager || graphMode === 'NONE' || profile.sizes?.length === 0) return { sizes: [], keys: [], mode: 'NONE' };
  const version = profile.version as '2025-12' | '2026-08';
  const sizes = profile.sizes ?? undefined;
  const batches = atomCaptureSizes({ maxNumSeqs, maxNumBatchedTokens, queryLen, defaults: 'server', version, sizes });
  if (batches.length === 0 && sizes !== undefined) {
    const most = Math.min(maxNumSeqs, Math.floor(maxNumBatchedTokens / queryLen));
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `atom would refuse these flags: all of ${sizes.join(', ')} are above the ${most} requests that a step can have, and it does not start without a size`,
      { engine: 'atom', sizes: [...sizes], most },
    );
  }
  const tokens = inTokens(batches, queryLen);
  if (graphMode === 'PIECEWISE') return { sizes: tokens, keys: tokens.map(piecewiseKey), mode: 'PIECEWISE' };
  return {
    sizes: tokens,
    keys: batches.map((requests) => decodeKey(requests, queryLen, 1)),
    mode: 'FULL_DECODE_ONLY',
    dropped: inTokens(
      (sizes ?? []).filter((size) => !batches.includes(size)),
      queryLen,
    ),
  };
}
