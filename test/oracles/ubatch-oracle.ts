import type { Policy } from '../../dist/entry/planner.js';
import { ENUMS } from '../../dist/layout/layout.js';
import type { Shape } from './key-oracle.js';
import type { VoteRecord } from './vote-oracle.js';

/** What the ranks say about cutting the step into micro-batches. */
export interface UbatchAgreement {
  /** Parts of the step: the policy's where they agree, else 1. */
  readonly parts: number;
  /** The first rank that alone keeps the step from being cut, or -1. */
  readonly refusal: number;
  /** Busy ranks that wish, and those that still do because the last step ran in micro-batches. */
  readonly wishes: number;
  readonly held: number;
}

/** `lastParts`: parts of the last decision, 0 before the first. */
export function agreeOnUbatches(
  votes: readonly VoteRecord[],
  shape: Shape,
  policy: Policy,
  lastParts: number,
): UbatchAgreement {
  const lower = lastParts > 1 ? policy.ubatchHysteresis : 0;
  const threshold = (phase: number): number =>
    (phase === ENUMS.PHASE.decode ? policy.ubatchThresholdDecode : policy.ubatchThresholdPrefill) - lower;
  const able = (vote: VoteRecord): boolean => vote.canSplit === 1 && vote.ubatchVeto === 0;
  const wishing = (vote: VoteRecord): boolean => vote.wantsUbatches === 1;
  const holding = (vote: VoteRecord): boolean =>
    lower > 0 && !wishing(vote) && vote.tokens > 0 && able(vote) && vote.tokens >= threshold(vote.phase);
  const busy = votes.filter(({ tokens }) => tokens > 0);
  const wishes = busy.filter(wishing).length;
  const held = busy.filter(holding).length;
  const not = { parts: 1, refusal: -1, wishes, held };
  if (policy.ubatches === 1 || busy.length === 0) return not;

  const uniform = shape.phase === 'decode' && shape.uniformQueryLen > 0;
  const least = threshold(ENUMS.PHASE[uniform ? 'decode' : 'prefill']);
  const consents: Record<Policy['ubatchAgreement'], (vote: VoteRecord) => boolean> = {
    'busy-wish': (vote) => vote.tokens === 0 || wishing(vote) || holding(vote),
    'all-wish': (vote) => wishing(vote) || holding(vote),
    'min-tokens': (vote) => able(vote) && vote.tokens >= least,
    'any-minimum': able,
    'same-phase': (vote) => vote.tokens === 0 || able(vote),
  };
  const refusal = votes.findIndex((vote) => !consents[policy.ubatchAgreement](vote));
  if (refusal >= 0) return { ...not, refusal };

  // An idle rank holds no prefill.
  const prefilling = new Set(votes.map((vote) => vote.prefillRequests > 0));
  const phases = new Set(busy.map((vote) => vote.phase));
  const together: Record<Policy['ubatchAgreement'], boolean> = {
    'busy-wish': true,
    'all-wish': votes.length > 1,
    'min-tokens': votes.length > 1,
    'any-minimum': (held > 0 || votes.some((vote) => vote.meetsMinimum === 1)) && prefilling.size === 1,
    'same-phase': phases.size === 1,
  };
  if (!together[policy.ubatchAgreement]) return not;

  const fewest = Math.min(...votes.map(({ tokens }) => tokens));
  const padded = Math.max(...votes.map(({ paddedTokens }) => paddedTokens));
  if (policy.lastPart === 'refuse' && fewest <= Math.floor(padded / policy.ubatches) * (policy.ubatches - 1)) {
    return { ...not, refusal: votes.findIndex(({ tokens }) => tokens === fewest) };
  }
  return { ...not, parts: policy.ubatches };
}
