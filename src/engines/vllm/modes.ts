import {
  type AttentionSupport,
  type CompleteProfile,
  type GraphModeName,
  isBefore,
} from '../profile/engine-profile.js';

const LEVELS: readonly AttentionSupport[] = ['never', 'uniform-single', 'uniform-batch', 'always'];

/**
 * The mode that vLLM ends up with, and why it is not the one asked for: what it changes by itself before and after it knows its
 * attention. Source: vLLM `VllmConfig.__post_init__`, `resolve_cudagraph_mode_and_sizes`, `resolve_adaptive_cudagraph_mode`.
 */
export function vllmMode(profile: CompleteProfile): { mode: GraphModeName; notes: string[] } {
  const { sequenceParallel, tensorParallelSize, attentionSupport, queryLen, enforceEager, draftSchedule } = profile;
  const uncut = sequenceParallel && tensorParallelSize > 1;
  const notes: string[] = [];
  // Before 0.11 full graphs had to be asked for.
  const early = profile.release !== null && isBefore(profile.release, '0.11');
  let mode = profile.graphMode ?? (early ? 'PIECEWISE' : 'FULL_AND_PIECEWISE');
  const change = (to: GraphModeName, why: string): void => {
    if (to === mode) return;
    notes.push(`${mode} becomes ${to}: ${why}`);
    mode = to;
  };
  if (enforceEager) change('NONE', 'enforce_eager');
  if (uncut && (mode === 'PIECEWISE' || mode === 'FULL_AND_PIECEWISE')) {
    change('FULL', 'sequence parallelism cannot be cut into pieces');
  }
  if (draftSchedule !== null && profile.runner === 'v1' && fullDecodes(mode)) {
    change('PIECEWISE', 'the number of drafts changes from step to step');
  }
  const level = attentionSupport === null ? LEVELS.length : LEVELS.indexOf(attentionSupport);
  if (mode === 'FULL' && level < LEVELS.indexOf('always')) {
    change('FULL_AND_PIECEWISE', `attention supports ${attentionSupport} graphs only`);
  }
  if (profile.adaptiveVerification && mode === 'FULL') {
    change(uncut ? 'FULL_DECODE_ONLY' : 'FULL_AND_PIECEWISE', 'adaptive verification has graphs of decodes of its own');
  }
  if (fullDecodes(mode) && level === 0) change('PIECEWISE', 'attention supports no full graph');
  if (fullDecodes(mode) && queryLen > 1 && level < LEVELS.indexOf('uniform-batch')) {
    change('PIECEWISE', 'attention supports full graphs of single tokens only');
  }
  return { mode, notes };
}

/** Whether decodes run on full graphs. */
export function fullDecodes(mode: GraphModeName): boolean {
  return mode === 'FULL' || mode === 'FULL_DECODE_ONLY' || mode === 'FULL_AND_PIECEWISE';
}

/** Whether any step may run on piecewise graphs. */
export function runsPiecewise(mode: GraphModeName): boolean {
  return mode === 'PIECEWISE' || mode === 'FULL_AND_PIECEWISE';
}
