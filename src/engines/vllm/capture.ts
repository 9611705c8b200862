import { LockstepError } from '../../errors.js';
import { type CaptureKey, decodeKey, mixedKey, piecewiseKey } from '../../keys/index.js';
import { ascending, steps } from '../../numbers.js';
import type { Captured } from '../profile/captured.js';
import { draftQueryLens } from '../profile/drafts.js';
import { type CompleteProfile, type GraphModeName, isBefore } from '../profile/engine-profile.js';
import { vllmDecodeSizes, vllmLadder, vllmSpecAlign } from './ladder.js';
import { fullDecodes, runsPiecewise, vllmMode } from './modes.js';

/**
 * What vLLM captures of its list, as the mode says: piecewise graphs; full ones of decodes at whole requests of each query length, or, where it
 * verifies drafts adaptively, of any mix of lengths; in mode FULL one of each size for every step. Of each a graph for every LoRA case. Errors: ERR_INPUT_INVALID for what vLLM refuses.
 * Source: vLLM `_set_cudagraph_sizes`, `CudagraphDispatcher` (V1), `CudaGraphManager` (V2).
 */
export function captureVllm(profile: CompleteProfile): Captured {
  const { mode, notes } = vllmMode(profile);
  if (profile.adaptiveVerification && !fullDecodes(mode)) {
    throw refused(`adaptive verification needs full graphs of decodes, and the mode is ${mode}`);
  }
  if (mode === 'NONE') return { sizes: [], keys: [], mode, notes };
  const { queryLen, runner } = profile;
  const { sizes: listed, truncated } = vllmSizes(profile);
  const aligned = runner === 'v1' && queryLen > 1 && fullDecodes(mode);
  const sizes = aligned ? alignedSizes(listed, profile) : listed;
  const full = fullKeys(sizes, profile, mode);
  const keys = runsPiecewise(mode) ? [...full, ...sizes.map(piecewiseKey)] : full;
  const whole = new Set(full.map(({ tokens }) => tokens));
  return {
    sizes,
    keys: withVariants(keys, profile),
    mode,
    dropped: fullDecodes(mode) ? sizes.filter((size) => !whole.has(size)) : [],
    truncated,
    choices:
      mode === 'FULL' ? { mixedGraphs: 'any-step' } : profile.adaptiveVerification ? { mixedGraphs: 'decodes' } : {},
    notes: [
      ...notes,
      ...(isUnread(profile)
        ? ['the default list of releases before 0.11.1 is not known here: theirs goes by 8 throughout']
        : []),
      ...(profile.adaptiveVerification && profile.attentionSupport === 'uniform-batch'
        ? ['it refuses attention that cannot take decodes of several lengths in one graph']
        : []),
      ...(truncated === null
        ? []
        : [`the largest size asked for, ${truncated}, is not on the grid: the list ends at ${sizes.at(-1)}`]),
    ],
  };
}

/** Whether the list is the default of a release whose rules were not read. */
function isUnread({ release, sizes, maxSize }: CompleteProfile): boolean {
  return release !== null && isBefore(release, '0.11.1') && sizes === null && maxSize === null;
}

/** The full graphs of a list. One whose requests may have any number of tokens has as many slots as requests that hold a token each. */
function fullKeys(sizes: readonly number[], profile: CompleteProfile, mode: GraphModeName): CaptureKey[] {
  const { maxNumSeqs, queryLen, adaptiveVerification } = profile;
  if (!fullDecodes(mode)) return [];
  const slots = (size: number): CaptureKey => mixedKey(size, Math.min(size, maxNumSeqs), 0, queryLen);
  if (mode === 'FULL') return sizes.map(slots);
  if (adaptiveVerification) {
    return sizes
      .filter((size) => size <= maxNumSeqs * queryLen)
      .map((size) => ({ ...slots(size), maxQueryLen: queryLen }));
  }
  return draftQueryLens(profile).flatMap((length) =>
    vllmDecodeSizes(sizes, { maxNumSeqs, queryLen: length }).map((size) => decodeKey(size / length, length, 1)),
  );
}

/** The list before it is aligned, in tokens. */
function vllmSizes(profile: CompleteProfile): { sizes: number[]; truncated: number | null } {
  const { maxNumSeqs, maxNumBatchedTokens, queryLen, interactive, gpu, release, maxSize } = profile;
  if (profile.sizes === null) {
    const version = profile.version as '2026-08' | '2026-09';
    const ceiling = gpu === 'b200' && (release === null || !isBefore(release, '0.13')) ? 1024 : 512;
    const made = vllmLadder({ maxNumSeqs, maxNumBatchedTokens, queryLen, interactive, ceiling, maxSize, version });
    return { ...made, sizes: dividedSizes(made.sizes, profile) };
  }
  if (profile.sizes.length === 0) throw refused('the list of capture sizes is empty');
  const kept = dividedSizes(ascending(profile.sizes), profile).filter((size) => size <= maxNumBatchedTokens);
  const last = kept.at(-1);
  if (last === undefined)
    throw refused(`no capture size is left that fits maxNumBatchedTokens (${maxNumBatchedTokens})`);
  if (maxSize !== null && maxSize !== last) {
    throw refused(`the largest capture size is ${last} and max_cudagraph_capture_size ${maxSize}; give one of the two`);
  }
  return { sizes: kept, truncated: null };
}

/** Under sequence parallelism sizes that do not divide among the ranks are removed. */
function dividedSizes(sizes: readonly number[], { sequenceParallel, tensorParallelSize }: CompleteProfile): number[] {
  return sequenceParallel ? sizes.filter((size) => size % tensorParallelSize === 0) : [...sizes];
}

function alignedSizes(sizes: readonly number[], profile: CompleteProfile): number[] {
  const { queryLen, tensorParallelSize, sequenceParallel } = profile;
  try {
    return vllmSpecAlign({ sizes, queryLen, tensorParallelSize, sequenceParallel });
  } catch (error) {
    if (error instanceof LockstepError) throw refused(error.message);
    throw error;
  }
}

/** A graph for each LoRA case; the numbers of active adapters that are captured are the variants. */
function withVariants(keys: readonly CaptureKey[], { maxLoras, specializeLoras }: CompleteProfile): CaptureKey[] {
  if (maxLoras === 0 || !specializeLoras) return [...keys];
  const powers = steps(0, 20, 1)
    .map((power) => 2 ** power)
    .filter((power) => power <= maxLoras);
  const variants = ascending([0, ...powers, maxLoras + 1]);
  return keys.flatMap((key) => variants.map((variant) => ({ ...key, variant })));
}

function refused(fault: string): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `vllm would refuse these flags: ${fault}`, { engine: 'vllm', fault });
}
