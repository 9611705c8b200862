import {
  type CaptureKey,
  type CapturePlan,
  type DecisionValue,
  type KeyCandidate,
  keyKind,
  type Policy,
  type Verdict,
} from '../../dist/entry/planner.js';
import { ENUMS } from '../../dist/layout/layout.js';
import { firstLack, keysThatHold, nearestKey, shapeOf } from './key-oracle.js';
import { eager, graph, type Step } from './run-oracle.js';
import { agreeOnUbatches } from './ubatch-oracle.js';
import type { VoteRecord } from './vote-oracle.js';

/** The decision of a table that is not refused, and what became of every key. `lastParts`: parts of the last decision. */
export function resolvePlain(
  votes: readonly VoteRecord[],
  plan: CapturePlan,
  policy: Policy,
  lastParts = 0,
): DecisionValue {
  return decide(stepOf(votes, plan, policy, lastParts));
}

function stepOf(votes: readonly VoteRecord[], plan: CapturePlan, policy: Policy, lastParts: number): Step {
  const shape = shapeOf(votes, policy);
  const ubatch = agreeOnUbatches(votes, shape, policy, lastParts);
  const base: DecisionValue = {
    step: votes[0].step,
    run: 'park',
    reason: 'all-idle',
    reasonRank: -1,
    reasonDetail: 0,
    captureKey: -1,
    phase: shape.phase,
    paddedTokens: 0,
    paddedRequests: 0,
    paddedPrefillRequests: 0,
    paddedDecodeRequests: 0,
    queryLen: 0,
    busyRanks: votes.filter(({ tokens }) => tokens > 0).length,
    ubatchWishes: ubatch.wishes,
    heldWishes: ubatch.held,
    overlap: false,
    plainTwin: false,
    leave: false,
    maxTokens: shape.tokens,
    variant: shape.variant,
    parts: [],
  };
  return { votes, plan, policy, shape, ubatch, base };
}

function decide(step: Step): DecisionValue {
  const { votes, policy, shape, base } = step;
  const busyRank = (test: (vote: VoteRecord) => boolean): number =>
    votes.findIndex((vote) => vote.tokens > 0 && test(vote));
  if (base.busyRanks === 0) {
    const leave = votes.every(({ control }) => control === ENUMS.CONTROL.leave);
    return { ...base, leave, reason: leave ? 'leave' : 'all-idle' };
  }
  const vetoing = busyRank(({ graphVeto }) => graphVeto !== 0);
  if (vetoing >= 0) return eager(step, 'vetoed', vetoing, votes[vetoing].graphVeto);
  const byMode = policy.graphAgreement !== 'shape';
  const refusing = votes.findIndex(({ tokens, graphMode }) => (byMode || tokens > 0) && graphMode === ENUMS.MODE.none);
  if (refusing >= 0) return eager(step, byMode && !policy.enforceEager ? 'rank-eager' : 'enforce-eager', refusing, 0);

  const holding = keysThatHold(shape, step.plan, policy);
  const full = holding.filter((key) => keyKind(key) !== 'piecewise');
  const piecewise = holding.find((key) => keyKind(key) === 'piecewise');
  const plain = full.find((key) => key.parts === 1);
  const ubatched = full.find((key) => key.parts > 1);
  const cut = step.ubatch.parts > 1;

  const worth = byMode || plain === undefined || (ubatched !== undefined && ubatched.tokens <= plain.tokens);
  if (cut && ubatched !== undefined && worth) return ubatchedGraph(step, ubatched);
  if (byMode && full.length > 0 && (cut || plain === undefined)) {
    // Its runners look for the agreed number of parts alone.
    const reason = cut ? 'no-ubatched-key' : 'no-plain-twin';
    return eager(step, reason, step.ubatch.refusal, full[0].tokens);
  }
  if (plain !== undefined) return plainGraph(step, plain, ubatched);
  if (piecewise !== undefined && cut && policy.graphAgreement === 'min-mode')
    return eager(step, 'no-ubatched-key', -1, piecewise.tokens);
  if (piecewise !== undefined) return graph(step, piecewise, 'graph-piecewise', byMode ? step.ubatch.parts : 1);
  if (ubatched !== undefined) return eager(step, 'no-plain-twin', step.ubatch.refusal, ubatched.tokens);
  return withoutKey(step);
}

function plainGraph(step: Step, key: CaptureKey, ubatched: CaptureKey | undefined): DecisionValue {
  const { ubatch, policy } = step;
  if (keyKind(key) === 'mixed') return graph(step, key, 'graph-mixed');
  const wished = ubatch.wishes + ubatch.held > 0;
  if (!wished || policy.graphAgreement !== 'shape') return graph(step, key, 'graph');
  const plainTwin = ubatched?.tokens === key.tokens;
  const reasonRank = ubatch.parts > 1 ? -1 : ubatch.refusal;
  return { ...graph(step, key, plainTwin ? 'plain-twin' : 'plain-only'), plainTwin, reasonRank };
}

function ubatchedGraph(step: Step, key: CaptureKey): DecisionValue {
  const { votes, policy, ubatch } = step;
  const fewest = Math.min(...votes.map(({ tokens }) => tokens));
  const before = Math.floor(key.tokens / ubatch.parts) * (ubatch.parts - 1);
  if (policy.lastPart === 'eager' && fewest <= before) {
    const rank = votes.findIndex(({ tokens }) => tokens === fewest);
    return eager(step, 'empty-part', rank, before);
  }
  return graph(step, key, 'graph-ubatched');
}

/** No key holds the step: what the nearest one lacks, and on which rank. */
function withoutKey(step: Step): DecisionValue {
  const { votes, plan, policy, shape } = step;
  const first = (count: (vote: VoteRecord) => number, most: number): number =>
    votes.findIndex((vote) => vote.tokens > 0 && count(vote) === most);
  const nearest = nearestKey(shape, plan, policy);
  switch (nearest?.lack.verdict) {
    case 'variant':
      return eager(step, 'no-key-for-variant', -1, shape.variant);
    case 'query-length': {
      const { key } = nearest;
      const inSlots = keyKind(key) === 'mixed' && key.decodeRequests > 0 && key.queryLen < shape.maxDecodeQueryLen;
      const name = inSlots ? 'maxDecodeQueryLen' : 'maxQueryLen';
      const rank = first((vote) => vote[name], shape[name]);
      return eager(step, 'no-key-for-query-length', rank, shape[name]);
    }
    case 'padding-factor': {
      const rank = first((vote) => vote.tokens, shape.tokens);
      return eager(step, 'above-padding-factor', rank, nearest.key.tokens);
    }
    case 'not-exact': {
      const { key } = nearest;
      const tokens = key.tokens === shape.size ? Math.min(...shape.sizes) : shape.tokens;
      const rank = votes.findIndex((vote) => vote.tokens === tokens);
      return eager(step, 'no-exact-key', rank, key.tokens);
    }
    case 'tokens': {
      const name = policy.graphAgreement === 'min-mode-padded' ? 'paddedTokens' : 'tokens';
      return eager(
        step,
        'above-ladder',
        first((vote) => vote[name], shape.size),
        nearest.lack.lacking,
      );
    }
    case 'prefill-requests': {
      const rank = first((vote) => vote.prefillRequests, shape.prefills);
      return eager(step, 'above-ladder', rank, nearest.lack.lacking);
    }
    case 'requests': {
      const ofDecodes = keyKind(nearest.key) === 'decode' || policy.mixedMatch === 'strict';
      const short = ofDecodes && nearest.key.decodeRequests < shape.decodes;
      const rank = short
        ? first((vote) => vote.decodeRequests, shape.decodes)
        : first((vote) => vote.prefillRequests + vote.decodeRequests, shape.requests);
      return eager(step, 'above-ladder', rank, nearest.lack.lacking);
    }
    default: {
      const rank = votes.findIndex((vote) => (shape.prefills > 0 ? vote.prefillRequests : vote.decodeRequests) > 0);
      return eager(step, 'no-key-for-phase', rank, ENUMS.PHASE[shape.phase]);
    }
  }
}

/** What became of every key in the decision of this table. */
export function candidatesPlain(
  votes: readonly VoteRecord[],
  plan: CapturePlan,
  policy: Policy,
  lastParts = 0,
): KeyCandidate[] {
  const step = stepOf(votes, plan, policy, lastParts);
  const decision = decide(step);
  const chosen = plan.keys[decision.captureKey];
  const noGraph = decision.run === 'park' || decision.reason === 'vetoed' || decision.reason === 'enforce-eager';
  return plan.keys.map((key, index) => {
    const lack = firstLack(key, step.shape, plan, policy);
    if (index === decision.captureKey) return { key: index, verdict: 'chosen', detail: 0 };
    if (noGraph) return { key: index, verdict: 'step-eager', detail: 0 };
    if (lack !== undefined) return { key: index, verdict: lack.verdict, detail: lack.lacking };
    return { key: index, verdict: passedOver(key, chosen, step.ubatch.parts > 1), detail: 0 };
  });
}

/** Why a key that holds the step does not run it. */
function passedOver(key: CaptureKey, chosen: CaptureKey | undefined, cut: boolean): Verdict {
  const piecewise = keyKind(key) === 'piecewise';
  if (piecewise && chosen?.mode === 'full') return 'full-preferred';
  if (key.parts > 1 && !cut) return 'ubatches-not-agreed';
  if (!piecewise && key.parts === 1 && cut && chosen?.parts !== 1) return 'not-ubatched';
  return chosen === undefined ? 'step-eager' : 'larger';
}
