// The small rules that a rank's own vote and the reduction of all votes share.
import { Decision, Phase, Policy } from './layout';
import { get, policy } from './words';

/** Least tokens of its own at which a rank wants micro-batches. Source: vLLM's dbo_*_token_threshold (>=, unpadded). */
export function ubatchThreshold(phase: i32): i32 {
  return policy(phase == Phase.Decode ? Policy.UbatchThresholdDecode : Policy.UbatchThresholdPrefill);
}

/** Tokens by which the thresholds are lowered in this step: some if the decision `previous` (0: none) ran micro-batches. */
export function hysteresisAfter(previous: usize): i32 {
  return previous != 0 && get(previous, Decision.Parts) > 1 ? policy(Policy.UbatchHysteresis) : 0;
}

export function phaseOf(prefills: i32, decodes: i32): i32 {
  if (prefills > 0) return decodes > 0 ? Phase.Mixed : Phase.Prefill;
  return decodes > 0 ? Phase.Decode : Phase.Idle;
}
