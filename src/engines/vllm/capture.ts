import { LockstepError } from '../../errors.js';
import { type CaptureKey, decodeKey, mixedKey, piecewiseKey } from '../../keys/index.js';
import { ascending, steps } from '../../numbers.js';
import type { Captured } from '../profile/captured.js';
import { draftQueryLens } from '../profile/drafts.js';
import { type CompleteProfile, isBefore } from '../profile/engine-profile.js';
import { vllmDecodeSizes, vllmLadder, vllmSpecAlign } from './ladder.js';
import { fullDecodes, runsPiecewise, vllmMode } from './modes.js';

/**
 * What vLLM captures: of its list a piecewise graph each, and full ones of decodes at whole requests of each query length, as the mode
 * says; of each a graph for every LoRA case. Errors: ERR_INPUT_INVALID for what vLLM refuses.
 * Source: vLLM `_set_cudagraph_sizes`, `CudagraphDispatcher` (V1), `CudaGraphManager` (V2).
 */
export function captureVllm(profile: CompleteProfile): Captured {
  const { mode, notes } = vllmMode(profile);
  if (mode === 'NONE') return { sizes: [], keys: [], mode, notes };
  const { maxNumSeqs, queryLen, runner } = profile;
  const { sizes: listed, truncated } = vllmSizes(profile);
  const aligned = runner === 'v1' && queryLen > 1 && fullDecodes(mode);
  const sizes = aligned ? alignedSizes(listed, profile) : listed;
  const lengths = draftQueryLens(profile);
  const decodes = fullDecodes(mode)
    ? lengths.map((length) => ({ length, sizes: vllmDecodeSizes(sizes, { maxNumSeqs, queryLen: length }) }))
    : [];
  const keys: CaptureKey[] = [];
  for (const { length, sizes: own } of decodes) {
    for (const size of own) {
      const requests = size / length;
      keys.push(decodeKey(requests, length, 1));
    }
  }
  if (mode === 'FULL') keys.push(...sizes.map((size) => mixedKey(size, Math.min(size, maxNumSeqs), 0, queryLen)));
  if (runsPiecewise(mode)) keys.push(...sizes.map(piecewiseKey));
  const whole = new Set(decodes.flatMap(({ sizes: own }) => own));
  return {
    sizes,
    keys: withVariants(keys, profile),
    mode,
    dropped: fullDecodes(mode) ? sizes.filter((size) => !whole.has(size)) : [],
    truncated,
    // One graph of a size holds any step. Here it is two keys: one of decodes, shortened ones too, and one with slots for prefills.
    choices: mode === 'FULL' ? { mixedGraphs: 'agreed', decodeMatch: 'padded' } : {},
    notes: [
      ...notes,
      ...(truncated === null
        ? []
        : [`the largest size asked for, ${truncated}, is not on the grid: the list ends at ${sizes.at(-1)}`]),
    ],
  };
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
