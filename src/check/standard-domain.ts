import { completeLimits, type Limits } from '../config.js';
import { type CaptureKey, keyKind, mixedKey, piecewiseKey } from '../planner/capture-key.js';
import { type CapturePlan, decodePlan } from '../planner/capture-plan.js';
import { checkPlan } from '../planner/check-plan.js';
import { completePolicy, type Policy } from '../planner/policy.js';

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

/** Engines that cut steps. Their records, and ours, leave that off; it is explored on. */
const CUTTING: readonly string[] = ['lockstep', 'vllm-v1', 'vllm-v2', 'sglang', 'atom'];
/** Engines whose piecewise graphs are left out: their steps with prefills are explored eager, or on mixed graphs. */
const NO_PIECEWISE: readonly string[] = ['trtllm', 'megatron', 'atom'];

/** What a standard domain has besides its policy. */
export interface StandardDomainOptions {
  /** Mixed keys. Default: two sizes with 1 and 3 prefill slots each, where the policy uses them. */
  readonly mixed?: readonly CaptureKey[];
  /** Name of the policy whose kinds of graphs are captured. Default: the policy's own. */
  readonly like?: string;
}

/**
 * The standard domain of a policy: ladder 2, 4, 8, 16 with decodes of two tokens, thresholds of at most 8, and small mixed and
 * piecewise keys. The records of engines that can cut steps, and our own, are explored with two micro-batches; a policy that
 * says how many it has, with those.
 */
export function standardDomain(given: Partial<Policy>, options: StandardDomainOptions = {}): CheckedPair {
  const complete = completePolicy(given);
  const { like = complete.name, mixed } = options;
  const cut = CUTTING.includes(complete.name) ? Math.max(2, complete.ubatches) : complete.ubatches;
  const policy = completePolicy({
    ...given,
    ubatches: cut,
    ubatchThresholdDecode: Math.min(complete.ubatchThresholdDecode, STANDARD_THRESHOLD),
    ubatchThresholdPrefill: Math.min(complete.ubatchThresholdPrefill, STANDARD_THRESHOLD),
  });
  const { keys } = decodePlan({ sizes: STANDARD_LADDER, limits: LIMITS, policy });
  const prefill = mixed ?? (policy.mixedGraphs === 'never' ? [] : mixedGrid(policy));
  const piecewise = NO_PIECEWISE.includes(like) ? [] : PIECEWISE.map((tokens) => piecewiseKey(aligned(tokens, policy)));
  return { policy, limits: LIMITS, plan: { keys: [...keys, ...prefill, ...piecewise] } };
}

/** The next multiple of the policy's token alignment. */
function aligned(tokens: number, { tokenAlignment }: Policy): number {
  return Math.ceil(tokens / tokenAlignment) * tokenAlignment;
}

/** Sizes 8 and 16 with 1 and 3 prefill slots, and decodes of two tokens in what is left. */
function mixedGrid(policy: Policy): CaptureKey[] {
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
  checkPlan(plan, complete, policy);
  return { policy, plan, limits: complete };
}
