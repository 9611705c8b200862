import { completeLimits, type Limits } from '../config.js';
import { type CaptureKey, keyKind, mixedKey, piecewiseKey } from '../planner/capture-key.js';
import { type CapturePlan, decodePlan } from '../planner/capture-plan.js';
import { completePolicy, LOCKSTEP_POLICY, type Policy } from '../planner/policy.js';

/** What the checker explores: a policy and a plan, and the limits that bound the local states. */
export interface CheckedPair {
  readonly policy: Policy;
  readonly plan: CapturePlan;
  readonly limits: Limits;
}

/** Captured sizes of the standard domain, in tokens. */
export const STANDARD_LADDER: readonly number[] = Object.freeze([2, 4, 8, 16]);
/** Threshold for micro-batches of the standard domain, in tokens, for decodes and prefills alike. */
export const STANDARD_THRESHOLD = 8;
/** Prefill slots of the mixed keys. */
const PREFILL_SLOTS: readonly number[] = [1, 3];
/** Piecewise sizes above the ladder. */
const PIECEWISE: readonly number[] = [8, 32];

const LIMITS = completeLimits({ maxNumSeqs: 18, maxNumBatchedTokens: 36, queryLen: 2 });

/**
 * The standard domain of a policy: ladder 2, 4, 8, 16 with decodes of two tokens, a threshold of 8, and small mixed and piecewise
 * keys where the policy uses them. The policy `lockstep`, whose default never cuts a step, is explored with two micro-batches.
 */
export function standardDomain(given: Partial<Policy>, mixed?: readonly CaptureKey[]): CheckedPair {
  const complete = completePolicy(given);
  const policy = completePolicy({
    ...given,
    ubatches: complete.name === LOCKSTEP_POLICY.name ? Math.max(2, complete.ubatches) : complete.ubatches,
    ubatchThresholdDecode: Math.min(complete.ubatchThresholdDecode, STANDARD_THRESHOLD),
    ubatchThresholdPrefill: Math.min(complete.ubatchThresholdPrefill, STANDARD_THRESHOLD),
  });
  const { keys } = decodePlan({ sizes: STANDARD_LADDER, limits: LIMITS, policy });
  const prefill = mixed ?? (policy.mixedGraphs === 'never' ? [] : mixedGrid());
  const piecewise = policy.graphAgreement === 'shape' && policy.name !== LOCKSTEP_POLICY.name ? [] : PIECEWISE;
  return { policy, limits: LIMITS, plan: { keys: [...keys, ...prefill, ...piecewise.map(piecewiseKey)] } };
}

/** Sizes 8 and 16 with 1 and 3 prefill slots, and decodes of two tokens in what is left. */
function mixedGrid(): CaptureKey[] {
  return [8, 16].flatMap((tokens) =>
    PREFILL_SLOTS.map((slots) =>
      mixedKey(tokens, slots, Math.floor((tokens - slots) / LIMITS.queryLen), LIMITS.queryLen),
    ),
  );
}

/**
 * The domain of a plan that was made for a run: its own sizes and the policy's own thresholds, with batches up to one beyond the
 * largest key.
 */
export function planDomain(policy: Policy, plan: CapturePlan, limits: Partial<Limits> = {}): CheckedPair {
  const most = (pick: (key: CaptureKey) => number): number => Math.max(1, ...plan.keys.map(pick));
  const queryLen = limits.queryLen ?? most((key) => key.queryLen);
  const requests = most((key) => (keyKind(key) === 'piecewise' ? 1 : key.prefillRequests + key.decodeRequests)) + 1;
  const tokens = Math.max(most((key) => key.tokens) + 1, requests * queryLen, policy.ubatchThresholdPrefill + 1);
  const complete = completeLimits({
    maxNumSeqs: limits.maxNumSeqs ?? requests,
    maxNumBatchedTokens: limits.maxNumBatchedTokens ?? tokens,
    queryLen,
  });
  return { policy, plan, limits: complete };
}
