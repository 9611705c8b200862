// The policy's words, and the small rules that a rank's own vote and the reduction of all votes share.
import { Decision, Phase, Policy, Region } from './layout';
import { get, region } from './words';

export function policy(word: i32): i32 {
  return get(region(Region.Policy), word);
}

/** Least tokens of its own with which a rank wishes micro-batches. Source: vLLM's dbo_*_token_threshold (>=, unpadded). */
export function ubatchThreshold(phase: i32): i32 {
  return policy(phase == Phase.Decode ? Policy.UbatchThresholdDecode : Policy.UbatchThresholdPrefill);
}

/** Tokens by which the thresholds are lower after decision `previous` (0: none), because it ran in micro-batches. */
export function hysteresisAfter(previous: usize): i32 {
  return previous != 0 && get(previous, Decision.Parts) > 1 ? policy(Policy.UbatchHysteresis) : 0;
}

export function phaseOf(prefills: i32, decodes: i32): i32 {
  if (prefills > 0) return decodes > 0 ? Phase.Mixed : Phase.Prefill;
  return decodes > 0 ? Phase.Decode : Phase.Idle;
}
