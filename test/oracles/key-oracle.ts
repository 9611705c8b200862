import {
  type CaptureKey,
  type CapturePlan,
  keyKind,
  type Phase,
  type Policy,
  type Verdict,
} from '../../dist/entry/planner.js';
import { ENUMS } from '../../dist/layout/layout.js';
import type { CheckedPolicy } from '../../dist/policy/index.js';
import type { VoteRecord } from './vote-oracle.js';

/** What all ranks' batches come to: maxima over the busy ranks, and what they have in common. */
export interface Shape {
  readonly ranks: number;
  readonly phase: Phase;
  readonly tokens: number;
  /** Tokens of each rank, idle ones too. */
  readonly sizes: readonly number[];
  /** Tokens that a key must hold. */
  readonly size: number;
  readonly prefills: number;
  readonly decodes: number;
  /** Most requests of both phases on one rank: less than the sum of two maxima. */
  readonly requests: number;
  readonly maxQueryLen: number;
  readonly maxDecodeQueryLen: number;
  /** Tokens of every request of every rank; 0 where they differ. */
  readonly uniformQueryLen: number;
  /** Of all ranks, or -1. */
  readonly variant: number;
  /** Least `ENUMS.MODE` of any rank. */
  readonly mode: number;
}

export function phaseName(prefills: number, decodes: number): Phase {
  if (prefills > 0) return decodes > 0 ? 'mixed' : 'prefill';
  return decodes > 0 ? 'decode' : 'idle';
}

export function shapeOf(votes: readonly VoteRecord[], policy: Policy): Shape {
  const busy = votes.filter(({ tokens }) => tokens > 0);
  const most = (count: (vote: VoteRecord) => number): number => Math.max(0, ...busy.map(count));
  const common = (name: 'uniformQueryLen' | 'variant', otherwise: number): number => {
    const values = new Set(busy.map((vote) => vote[name]));
    return values.size > 1 ? otherwise : ([...values][0] ?? 0);
  };
  const prefills = most((vote) => vote.prefillRequests);
  const decodes = most((vote) => vote.decodeRequests);
  const tokens = most((vote) => vote.tokens);
  return {
    ranks: votes.length,
    phase: phaseName(prefills, decodes),
    tokens,
    sizes: votes.map((vote) => vote.tokens),
    size: policy.graphAgreement === 'min-mode-padded' ? most((vote) => vote.paddedTokens) : tokens,
    prefills,
    decodes,
    requests: most((vote) => vote.prefillRequests + vote.decodeRequests),
    maxQueryLen: most((vote) => vote.maxQueryLen),
    maxDecodeQueryLen: most((vote) => vote.maxDecodeQueryLen),
    uniformQueryLen: common('uniformQueryLen', 0),
    variant: common('variant', -1),
    // Where modes are agreed, an idle rank's dummy batch has one like any.
    mode: Math.min(
      ENUMS.MODE.full,
      ...(policy.graphAgreement === 'shape' ? busy : votes).map((vote) => vote.graphMode),
    ),
  };
}

/** One thing a key must have to hold a step, and how much of it is lacking. */
export interface Condition {
  readonly verdict: Verdict;
  readonly holds: boolean;
  readonly lacking: number;
}

/** What a key must have, in the order in which it is told. */
function conditions(key: CaptureKey, shape: Shape, plan: CapturePlan, policy: CheckedPolicy): Condition[] {
  const is = (verdict: Verdict, holds: boolean, lacking = 0): Condition => ({ verdict, holds, lacking });
  const enough = (verdict: Verdict, has: number, needed: number): Condition => is(verdict, has >= needed, needed - has);
  const mode = is('mode', ENUMS.MODE[key.mode] <= shape.mode);
  const variant = is('variant', key.variant === shape.variant);
  const tokens = enough('tokens', key.tokens, shape.size);
  const { prefillRequests, decodeRequests, queryLen, maxQueryLen } = key;
  switch (keyKind(key)) {
    case 'decode': {
      const agreed = decodeQueryLen(shape, plan, policy);
      const missing = Math.max(0, shape.maxQueryLen - queryLen);
      return [
        is('phase', shape.phase === 'decode'),
        mode,
        is('query-length', queryLen === agreed, missing),
        variant,
        tokens,
        enough('requests', decodeRequests, shape.decodes),
        exact(key, shape, policy),
      ];
    }
    case 'mixed': {
      const decodes = shape.phase === 'decode';
      const run = {
        never: false,
        'one-rank': !decodes && shape.ranks === 1,
        agreed: !decodes,
        'any-step': true,
        decodes,
      }[policy.mixedGraphs];
      const { mixedMatch } = policy;
      return [
        is('phase', run),
        mode,
        variant,
        tokens,
        ...(mixedMatch === 'slot-count' ? [] : [enough('prefill-requests', prefillRequests, shape.prefills)]),
        ...(mixedMatch === 'strict' ? [enough('requests', decodeRequests, shape.decodes)] : []),
        enough('requests', prefillRequests + decodeRequests, shape.requests),
        ...(decodeRequests > 0 ? [enough('query-length', queryLen, shape.maxDecodeQueryLen)] : []),
        enough('query-length', maxQueryLen, shape.maxQueryLen),
        withinPadding(key, shape, policy),
      ];
    }
    case 'piecewise':
      return [mode, variant, tokens, withinPadding(key, shape, policy)];
  }
}

/** A policy that pads no decode wants the size of the largest batch, or of every one. */
function exact(key: CaptureKey, { size, sizes }: Shape, { decodeMatch }: CheckedPolicy): Condition {
  const largest = !decodeMatch.startsWith('exact') || key.tokens === size;
  const every = decodeMatch !== 'exact-all' || new Set(sizes).size === 1;
  return { verdict: 'not-exact', holds: largest && every, lacking: key.tokens - size };
}

function withinPadding(key: CaptureKey, shape: Shape, policy: CheckedPolicy): Condition {
  const bounded = policy.graphAgreement === 'shape';
  const most = bounded ? Math.floor((shape.tokens * Math.round(policy.maxPaddingFactor * 1000)) / 1000) : key.tokens;
  return { verdict: 'padding-factor', holds: key.tokens <= most, lacking: key.tokens - most };
}

/** Query length of the decode keys that a step of decodes looks among: the smallest that holds the longest, or exactly all's. */
function decodeQueryLen(shape: Shape, plan: CapturePlan, policy: CheckedPolicy): number {
  if (policy.decodeMatch !== 'padded') return shape.uniformQueryLen;
  const lengths = plan.keys.filter((key) => keyKind(key) === 'decode').map((key) => key.queryLen);
  return Math.min(...lengths.filter((length) => length >= shape.maxQueryLen));
}

/** The first condition that a key fails, whatever its parts; undefined where it holds the step. */
export function firstLack(key: CaptureKey, shape: Shape, plan: CapturePlan, policy: Policy): Condition | undefined {
  return conditions(key, shape, plan, policy).find(({ holds }) => !holds);
}

/** The keys that hold the step, smallest first. */
export function keysThatHold(shape: Shape, plan: CapturePlan, policy: Policy): CaptureKey[] {
  const order = ['tokens', 'prefillRequests', 'decodeRequests', 'queryLen', 'maxQueryLen'] as const;
  const apart = (a: CaptureKey, b: CaptureKey): number =>
    order.map((name) => a[name] - b[name]).find((difference) => difference !== 0) ?? 0;
  return plan.keys.filter((key) => firstLack(key, shape, plan, policy) === undefined).sort(apart);
}

/** The key that came nearest to holding a step that none holds: it passes most conditions, and of the next lacks least. */
export function nearestKey(
  shape: Shape,
  plan: CapturePlan,
  policy: Policy,
): { readonly key: CaptureKey; readonly lack: Condition } | undefined {
  const mixed = policy.mixedGraphs === 'any-step' || policy.mixedGraphs === 'decodes';
  const ofDecodes = plan.keys.filter((key) => keyKind(key) === 'decode' || (mixed && keyKind(key) === 'mixed'));
  const own = shape.phase === 'decode' && shape.mode === ENUMS.MODE.full && ofDecodes.length > 0;
  const orderOf = (key: CaptureKey): Verdict[] =>
    keyKind(key) === 'decode'
      ? ['phase', 'mode', 'query-length', 'variant', 'tokens', 'requests', 'not-exact']
      : ['phase', 'mode', 'variant', 'tokens', 'prefill-requests', 'requests', 'query-length', 'padding-factor'];
  const near = (own ? ofDecodes : plan.keys).flatMap((key) => {
    const lack = firstLack(key, shape, plan, policy);
    return lack === undefined ? [] : [{ key, lack }];
  });
  const passed = ({ key, lack }: { readonly key: CaptureKey; readonly lack: Condition }): number =>
    orderOf(key).indexOf(lack.verdict);
  return near.sort((a, b) => passed(b) - passed(a) || a.lack.lacking - b.lack.lacking)[0];
}
