import { checkArguments, checkHas, checkList } from '../checks.js';
import { completeLimits, type Limits } from '../config.js';
import {
  type CaptureKey,
  type CapturePlan,
  checkPlan,
  decodePlan,
  keyKind,
  mixedKey,
  piecewiseKey,
} from '../keys/index.js';
import { roundUp } from '../numbers.js';
import { type CheckedPolicy, completeCheckedPolicy, todaysPolicy } from '../policy/index.js';

/** What the checker explores: a policy and a plan, and the limits that bound the local states. */
export interface CheckedPair {
  /** The policy. */
  readonly policy: CheckedPolicy;
  /** The graphs. */
  readonly plan: CapturePlan;
  /** The limits. */
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

/** Least micro-batches of the standard domain: a policy leaves the number to the deployment. */
export const STANDARD_UBATCHES = 2;

/** What a standard domain has besides its policy. */
export interface StandardDomainOptions {
  /** Micro-batches a step may be cut into. Default: the policy's, and at least 2. */
  readonly ubatches?: number;
  /** Mixed keys. Default: two sizes with 1 and 3 prefill slots each, where the policy uses them. */
  readonly mixed?: readonly CaptureKey[];
  /** Whether piecewise keys are captured. Default true. */
  readonly piecewise?: boolean;
}

/**
 * The standard domain of a policy, whatever its name: ladder 2, 4, 8, 16 with decodes of two tokens, thresholds of at most 8, at
 * least two micro-batches, and small mixed and piecewise keys. Errors: ERR_CONFIG_INVALID.
 */
export function standardDomain(given: Partial<CheckedPolicy>, options: StandardDomainOptions = {}): CheckedPair {
  checkArguments('standardDomain', { options: [options, 'object'] });
  const complete = completeCheckedPolicy(given);
  const { ubatches = Math.max(STANDARD_UBATCHES, complete.ubatches), mixed, piecewise = true } = options;
  const policy = completeCheckedPolicy({
    ...complete,
    ubatches,
    ubatchThresholdDecode: Math.min(complete.ubatchThresholdDecode, STANDARD_THRESHOLD),
    ubatchThresholdPrefill: Math.min(complete.ubatchThresholdPrefill, STANDARD_THRESHOLD),
  });
  // Where slots hold decodes of any length, those are the graphs of decodes.
  const decodes =
    policy.mixedGraphs === 'decodes'
      ? []
      : decodePlan({ sizes: STANDARD_LADDER, limits: LIMITS, policy: todaysPolicy(policy) }).keys;
  const withPrefills = mixed ?? (policy.mixedGraphs === 'never' ? [] : mixedGrid(policy));
  const cutOpen = piecewise ? PIECEWISE.map((tokens) => piecewiseKey(aligned(tokens, policy))) : [];
  return { policy, limits: LIMITS, plan: { keys: [...decodes, ...withPrefills, ...cutOpen] } };
}

/** The next multiple of the policy's token alignment. */
function aligned(tokens: number, { tokenAlignment }: CheckedPolicy): number {
  return roundUp(tokens, tokenAlignment);
}

/** Sizes 8 and 16 with 1 and 3 prefill slots, and decodes of two tokens in what is left; of decodes alone the ladder with a slot for each token. */
function mixedGrid(policy: CheckedPolicy): CaptureKey[] {
  if (policy.mixedGraphs === 'decodes') {
    const { maxNumSeqs, queryLen } = LIMITS;
    return [...new Set(STANDARD_LADDER.map((tokens) => aligned(tokens, policy)))].map((tokens) => ({
      ...mixedKey(tokens, Math.min(tokens, maxNumSeqs), 0, queryLen),
      maxQueryLen: queryLen,
    }));
  }
  const sizes = new Set([8, 16].map((tokens) => aligned(tokens, policy)));
  return [...sizes].flatMap((tokens) =>
    PREFILL_SLOTS.map((slots) =>
      mixedKey(tokens, slots, Math.floor((tokens - slots) / LIMITS.queryLen), LIMITS.queryLen),
    ),
  );
}

/**
 * The domain of a plan that was made for a run: its own sizes and the policy's own thresholds, with batches up to one beyond the
 * largest key. Errors: ERR_CONFIG_INVALID for a plan that no planner with this policy would run.
 */
export function planDomain(policy: CheckedPolicy, plan: CapturePlan, limits: Partial<Limits> = {}): CheckedPair {
  checkHas('a policy', policy, ['ubatchThresholdPrefill']);
  checkHas('a capture plan', plan, ['keys']);
  checkList('keys', plan.keys);
  const most = (pick: (key: CaptureKey) => number): number => Math.max(1, ...plan.keys.map(pick));
  const queryLen = limits.queryLen ?? most((key) => key.queryLen);
  const requests = most((key) => (keyKind(key) === 'piecewise' ? 1 : key.prefillRequests + key.decodeRequests)) + 1;
  const tokens = Math.max(most((key) => key.tokens) + 1, requests * queryLen, policy.ubatchThresholdPrefill + 1);
  const complete = completeLimits({
    maxNumSeqs: limits.maxNumSeqs ?? requests,
    maxNumBatchedTokens: limits.maxNumBatchedTokens ?? tokens,
    queryLen,
  });
  checkPlan(plan, complete, policy);
  return { policy, plan, limits: complete };
}
