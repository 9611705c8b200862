// The policy's words, and the small rules that a rank's own vote and the reduction of all votes share.
import {
  DECISION_PARTS,
  PHASE_DECODE,
  PHASE_IDLE,
  PHASE_MIXED,
  PHASE_PREFILL,
  POLICY_UBATCH_HYSTERESIS,
  POLICY_UBATCH_THRESHOLD_DECODE,
  POLICY_UBATCH_THRESHOLD_PREFILL,
  REGION_POLICY,
} from './layout';
import { get, region } from './words';

export function policy(word: i32): i32 {
  return get(region(REGION_POLICY), word);
}

/** Least tokens of its own with which a rank wishes micro-batches. Source: vLLM's dbo_*_token_threshold (>=, unpadded). */
export function ubatchThreshold(phase: i32): i32 {
  return policy(phase == PHASE_DECODE ? POLICY_UBATCH_THRESHOLD_DECODE : POLICY_UBATCH_THRESHOLD_PREFILL);
}

/** Tokens by which the thresholds are lower after decision `previous` (0: none), because it ran in micro-batches. */
export function hysteresisAfter(previous: usize): i32 {
  return previous != 0 && get(previous, DECISION_PARTS) > 1 ? policy(POLICY_UBATCH_HYSTERESIS) : 0;
}

export function phaseOf(prefills: i32, decodes: i32): i32 {
  if (prefills > 0) return decodes > 0 ? PHASE_MIXED : PHASE_PREFILL;
  return decodes > 0 ? PHASE_DECODE : PHASE_IDLE;
}
