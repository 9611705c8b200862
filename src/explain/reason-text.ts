import type { DecisionValue, ReasonCode } from '../agreement/index.js';
import { checkArguments } from '../checks.js';
import { type CapturePlan, keyKind } from '../keys/index.js';
import { nameOf } from '../layout/index.js';
import { LOCKSTEP_POLICY, type Policy } from '../policy/index.js';
import { countOf } from '../text.js';
import type { VoteRecord } from './explain-batch.js';

/** The choices of a policy that reasons speak of. */
type Choices = Pick<Policy, 'ubatchAgreement' | 'mixedGraphs'>;

interface Context {
  readonly decision: DecisionValue;
  readonly votes: readonly VoteRecord[];
  readonly plan: CapturePlan;
  readonly policy: Choices;
}

/** What each way of agreeing asks of the ranks, where they agree and where they do not, and what a rank that refuses lacks. */
const AGREEMENTS: Readonly<Record<Policy['ubatchAgreement'], { all: string; none: string; refusal: string }>> = {
  'busy-wish': {
    all: 'every busy rank wants micro-batches',
    none: 'not every busy rank wants micro-batches',
    refusal: 'does not want micro-batches',
  },
  'all-wish': {
    all: 'every rank wants micro-batches, and no last one would be all padding',
    none: 'not every rank wants micro-batches, or the last one would be all padding on some rank',
    refusal: 'does not want micro-batches, or has no token for the last one',
  },
  'min-tokens': {
    all: 'every rank can be cut, and the least tokens of any rank reach the threshold',
    none: 'not every rank can be cut and reaches the threshold, or there is one rank alone',
    refusal: 'cannot be cut, or is below the threshold',
  },
  'any-minimum': {
    all: 'every rank can be cut, one has its least tokens, and all hold a prefill or none does',
    none: 'some rank cannot be cut, or none has its least tokens, or some ranks hold a prefill and others do not',
    refusal: 'cannot be cut',
  },
  'same-phase': {
    all: 'every busy rank can be cut, and all are in one phase',
    none: 'some busy rank cannot be cut, or the busy ranks are not in one phase',
    refusal: 'cannot be cut',
  },
};

/** What a reason means under a policy, where that depends on it. */
const MEANINGS_BY_POLICY: Readonly<Partial<Record<ReasonCode, (context: Context) => string>>> = {
  'graph-ubatched': ({ policy }) => `${AGREEMENTS[policy.ubatchAgreement].all}, and the graph is captured with them`,
  'plain-twin': ({ policy }) =>
    `${AGREEMENTS[policy.ubatchAgreement].none}, so the plain graph of the same size runs on all`,
  'no-plain-twin': ({ policy }) =>
    `${AGREEMENTS[policy.ubatchAgreement].none}, and the graph is captured with them only`,
  'no-key-for-phase': ({ policy, plan, decision, votes }) => {
    const has = plan.keys.some((key) => keyKind(key) === 'mixed');
    if (decision.phase === 'decode' || !has || policy.mixedGraphs === 'agreed' || policy.mixedGraphs === 'any-step')
      return REASON_MEANINGS['no-key-for-phase'];
    if (policy.mixedGraphs === 'decodes') return 'the policy runs decodes alone on the graphs there are';
    return policy.mixedGraphs === 'never'
      ? 'the policy runs no graph that has places for prefills'
      : `the policy runs graphs that have places for prefills on one rank alone, and there are ${votes.length}`;
  },
};

/** What each reason means, independent of the batches. */
export const REASON_MEANINGS: Readonly<Record<ReasonCode, string>> = Object.freeze({
  'all-idle': 'no rank has a request, so all of them wait until one does',
  leave: 'no rank has a request and every one votes to leave',
  graph: 'the smallest graph that holds the largest batch runs on all',
  'graph-ubatched': 'every busy rank wants micro-batches, and the graph is captured with them',
  'plain-twin': 'not every busy rank wants micro-batches, so the plain graph of the same size runs on all',
  'plain-only': 'no graph of this size is captured with micro-batches, so the plain one runs on all',
  'no-key-for-phase': 'no graph is captured for a step of this phase',
  'no-key-for-query-length': 'no graph has places for so many tokens of one request',
  'no-key-for-variant': 'no graph is captured for kernel variants like these',
  'above-ladder': 'no captured graph holds so much',
  'no-plain-twin': 'not every busy rank wants micro-batches, and the graph is captured with them only',
  vetoed: 'a rank vetoes graphs',
  'enforce-eager': 'the policy allows no graph',
  'graph-mixed': "the smallest graph whose slots hold every rank's prefills and decodes runs on all",
  'graph-piecewise': 'the smallest piecewise graph that holds the largest batch runs on all; attention runs eager',
  'above-padding-factor': "the smallest graph that holds the batch would pad it beyond the policy's maxPaddingFactor",
  'no-exact-key': 'no graph has exactly the size of these decodes, and the policy pads none',
  'rank-eager': 'a rank found no graph for its own batch, and the policy takes the least of all ranks',
  'no-ubatched-key': 'the ranks agree to micro-batches, and no graph of this size is captured with them',
  'empty-part': 'the last micro-batch would be all padding on the smallest rank',
});

/** The ranks and numbers behind a reason, where it has any. */
const CIRCUMSTANCES: Readonly<Partial<Record<ReasonCode, (context: Context) => string>>> = {
  graph: largest,
  'graph-ubatched': ({ decision }) =>
    `${countOf(decision.busyRanks, 'busy rank')}, ${countOf(decision.parts.length, 'micro-batch', 'micro-batches')}`,
  'plain-twin': wishes,
  'plain-only': wishes,
  'no-key-for-phase': ({ decision: { reasonDetail, reasonRank }, plan }) =>
    `rank ${reasonRank} holds a ${nameOf('PHASE', reasonDetail) === 'decode' ? 'decode' : 'prefill'}${plan.keys.length === 0 ? ', and the plan is empty' : ''}`,
  'no-key-for-query-length': ({ decision: { reasonDetail, reasonRank } }) =>
    `rank ${reasonRank} holds a request of ${countOf(reasonDetail, 'token')}`,
  'no-key-for-variant': ({ decision: { reasonDetail } }) =>
    reasonDetail < 0 ? 'the ranks hold batches of different variants' : `all hold batches of variant ${reasonDetail}`,
  'above-ladder': (context) =>
    `${context.decision.phase === 'decode' ? largest(context) : held(context)}, ${context.decision.reasonDetail} more than the nearest graph holds`,
  'above-padding-factor': (context) =>
    `${held(context)}, and the graph is that of ${countOf(context.decision.reasonDetail, 'token')}`,
  'no-exact-key': (context) =>
    `${held(context)}, and the nearest graph is that of ${countOf(context.decision.reasonDetail, 'token')}`,
  'graph-mixed': (context) => (context.decision.phase === 'decode' ? largest(context) : slotted(context)),
  'graph-piecewise': largest,
  'no-ubatched-key': ({ decision: { reasonDetail } }) => `the graph is that of ${countOf(reasonDetail, 'token')}`,
  'rank-eager': held,
  'empty-part': (context) =>
    `${held(context)}, and ${countOf(context.decision.reasonDetail, 'token')} come before the last micro-batch`,
  'no-plain-twin': ({ decision: { reasonDetail, reasonRank }, policy }) =>
    `${reasonRank < 0 ? 'the ranks do not agree to micro-batches' : `rank ${reasonRank} ${AGREEMENTS[policy.ubatchAgreement].refusal}`}, and the graph is that of ${countOf(reasonDetail, 'token')}`,
  vetoed: ({ decision: { reasonDetail, reasonRank } }) => `rank ${reasonRank} says ${nameOf('VETO', reasonDetail)}`,
  'enforce-eager': ({ decision: { reasonRank } }) => `rank ${reasonRank}`,
};

/** Why a step runs as it does under a policy, in words, with the rank that forced it. */
export function reasonText(
  decision: DecisionValue,
  votes: readonly VoteRecord[],
  plan: CapturePlan,
  policy: Choices = LOCKSTEP_POLICY,
): string {
  checkArguments('reasonText', {
    decision: [decision, 'object', 'reason', 'parts'],
    votes: [votes, 'objects'],
    plan: [plan, 'object', 'keys'],
    policy: [policy, 'object'],
  });
  const context = { decision, votes, plan, policy };
  const circumstances = CIRCUMSTANCES[decision.reason]?.(context);
  const meaning = MEANINGS_BY_POLICY[decision.reason]?.(context) ?? REASON_MEANINGS[decision.reason];
  return circumstances === undefined ? meaning : `${circumstances}: ${meaning}`;
}

/** How a step runs, in words: kind, key, padded counts, parts and what the collectives move. */
export function runText(decision: DecisionValue, plan: CapturePlan): string {
  checkArguments('runText', { decision: [decision, 'object', 'run', 'parts'], plan: [plan, 'object', 'keys'] });
  const { run, parts, paddedTokens, paddedRequests, paddedPrefillRequests, queryLen, captureKey } = decision;
  if (run === 'park') return decision.leave ? 'leave: this was the last step' : 'park';
  const cut =
    parts.length > 1 ? `, in ${parts.length} parts of ${parts.map((part) => part.paddedTokens).join(' + ')}` : '';
  if (run === 'eager') return `eager on all ranks, up to ${countOf(paddedTokens, 'token')}${cut}`;
  const drafts = queryLen > 1 ? ` of ${queryLen} tokens` : '';
  // Slots for prefills that hold decodes alone are of requests.
  const slots = decision.phase === 'decode' ? 0 : paddedPrefillRequests;
  const prefills = slots > 0 ? `${countOf(slots, 'prefill')}, ` : '';
  const decodes = countOf(paddedRequests - slots, prefills === '' ? 'request' : 'decode');
  const places = paddedRequests > 0 ? ` (${prefills}${decodes}${drafts})` : '';
  return `${run} graph, key ${captureKey} of ${plan.keys.length}: ${countOf(paddedTokens, 'token')}${places}${cut}`;
}

/** What the MoE layer's collectives move, part by part. */
export function gatherText(decision: DecisionValue): string {
  checkArguments('gatherText', { decision: [decision, 'object', 'parts'] });
  checkArguments('gatherText', { 'decision.parts': [decision.parts, 'objects'] });
  return decision.parts
    .map(({ gather: { kind, tokensPerRank } }) => {
      if (kind === 'none') return 'none (one rank)';
      if (kind === 'padded') return `padded, ${countOf(tokensPerRank[0], 'row')} from every rank`;
      return `${kind}, ${tokensPerRank.join(' + ')} rows by rank`;
    })
    .join('; ');
}

/** The rank that holds the most: requests if all ranks decode, else tokens. */
function largest({ decision, votes }: Context): string {
  const decodes = decision.phase === 'decode';
  const word = decodes ? 'decodeRequests' : 'tokens';
  const held = most(votes, word);
  const rank = votes.findIndex((vote) => vote[word] === held);
  const holds = `rank ${rank} holds the most, ${countOf(held, decodes ? 'request' : 'token')}`;
  return decodes ? `every ${decision.busyRanks < votes.length ? 'busy ' : ''}rank decodes; ${holds}` : holds;
}

function most(votes: readonly VoteRecord[], word: string): number {
  return Math.max(...votes.map((vote) => vote[word]));
}

/** What the ranks hold in the slots of a graph. */
function slotted({ decision: { paddedPrefillRequests, paddedDecodeRequests }, votes }: Context): string {
  return `up to ${countOf(most(votes, 'prefillRequests'), 'prefill')} and ${countOf(most(votes, 'decodeRequests'), 'decode')} on a rank, in slots for ${paddedPrefillRequests} and ${paddedDecodeRequests}`;
}

/** The batch of the rank that a reason names. */
function held({ decision: { reasonRank }, votes }: Context): string {
  const { tokens, prefillRequests, decodeRequests } = votes[reasonRank];
  return `rank ${reasonRank} holds ${countOf(tokens, 'token')} of ${countOf(prefillRequests, 'prefill')} and ${countOf(decodeRequests, 'decode')}`;
}

function wishes({ decision: { ubatchWishes, busyRanks, reasonRank }, policy }: Context): string {
  const refusal = reasonRank >= 0 ? `, rank ${reasonRank} ${AGREEMENTS[policy.ubatchAgreement].refusal}` : '';
  return `${ubatchWishes} of ${countOf(busyRanks, 'busy rank')} want micro-batches${refusal}`;
}
