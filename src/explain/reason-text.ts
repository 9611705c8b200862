import type { CapturePlan } from '../planner/capture-plan.js';
import type { DecisionValue, ReasonCode } from '../planner/decision.js';
import { nameOf } from '../planner/layout.js';
import type { VoteRecord } from './explain-batch.js';

interface Context {
  readonly decision: DecisionValue;
  readonly votes: readonly VoteRecord[];
  readonly plan: CapturePlan;
}

const SENTENCES: Readonly<Record<ReasonCode, (context: Context) => string>> = {
  'all-idle': () => 'no rank has a request, so all of them wait until one does',
  leave: () => 'no rank has a request and every one wishes to end',
  graph: (context) => `${largest(context)}, and this is the smallest graph that holds that`,
  'graph-ubatched': ({ decision }) =>
    `all ${decision.busyRanks} busy ranks wish micro-batches, and a graph of this size is captured with ${decision.parts.length} of them`,
  'plain-twin': (context) => `${wishes(context)}; the plain graph of the same size runs on all`,
  'plain-only': (context) => `${wishes(context)}; no graph with micro-batches fits, so a plain one runs on all`,
  'no-key-for-phase': ({ decision: { reasonDetail, reasonRank }, plan }) =>
    plan.keys.length === 0
      ? 'no graph is captured at all'
      : `rank ${reasonRank} holds a prefill, and no graph is captured for a ${nameOf('PHASE', reasonDetail)} step`,
  'no-key-for-query-length': ({ decision: { reasonDetail, reasonRank } }) =>
    `rank ${reasonRank} decodes ${count(reasonDetail, 'token')} of one request, more than any captured graph has places for`,
  'no-key-for-variant': ({ decision: { reasonDetail } }) =>
    reasonDetail < 0
      ? 'the ranks hold batches of different kernel variants'
      : `no graph is captured for kernel variant ${reasonDetail}`,
  'above-ladder': (context) =>
    `${largest(context)}, ${context.decision.reasonDetail} more than the largest captured graph holds`,
  'no-plain-twin': ({ decision: { reasonDetail, reasonRank } }) =>
    `rank ${reasonRank} does not wish micro-batches, and the graph of ${count(reasonDetail, 'token')} is captured with them only`,
  vetoed: ({ decision: { reasonDetail, reasonRank } }) =>
    `rank ${reasonRank} vetoes graphs in this step (${nameOf('VETO', reasonDetail)})`,
  'enforce-eager': ({ decision: { reasonRank } }) => `the policy of rank ${reasonRank} allows no graph`,
};

/** Why a step runs as it does, in words, with the rank that forced it. */
export function reasonText(decision: DecisionValue, votes: readonly VoteRecord[], plan: CapturePlan): string {
  return SENTENCES[decision.reason]({ decision, votes, plan });
}

/** How a step runs, in words: kind, key, padded counts, parts and what the collectives move. */
export function runText(decision: DecisionValue, plan: CapturePlan): string {
  const { run, parts, paddedTokens, paddedRequests, queryLen, captureKey } = decision;
  if (run === 'park') return decision.leave ? 'leave: this was the last step' : 'park';
  const cut =
    parts.length > 1 ? `, in ${parts.length} parts of ${parts.map((part) => part.paddedTokens).join(' + ')}` : '';
  if (run === 'eager') return `eager on all ranks, up to ${count(paddedTokens, 'token')}${cut}`;
  const drafts = queryLen > 1 ? ` of ${queryLen} tokens` : '';
  const places = paddedRequests > 0 ? ` (${count(paddedRequests, 'request')}${drafts})` : '';
  return `${run} graph, key ${captureKey} of ${plan.keys.length}: ${count(paddedTokens, 'token')}${places}${cut}`;
}

/** What the MoE layer's collectives move, part by part. */
export function gatherText(decision: DecisionValue): string {
  return decision.parts
    .map(({ gather: { kind, tokensPerRank } }) => {
      if (kind === 'none') return 'none (one rank)';
      if (kind === 'padded') return `padded, ${count(tokensPerRank[0], 'row')} from every rank`;
      return `${kind}, ${tokensPerRank.join(' + ')} rows by rank`;
    })
    .join('; ');
}

function largest({ decision, votes }: Context): string {
  const requests = Math.max(...votes.map((vote) => vote.decodeRequests));
  const rank = votes.findIndex((vote) => vote.decodeRequests === requests);
  return `every ${decision.busyRanks < votes.length ? 'busy ' : ''}rank decodes; rank ${rank} holds the most, ${count(requests, 'request')}`;
}

function wishes({ decision: { ubatchWishes, busyRanks, reasonRank } }: Context): string {
  const refusal = reasonRank >= 0 ? `, rank ${reasonRank} does not` : '';
  return `${ubatchWishes} of ${count(busyRanks, 'busy rank')} wish micro-batches${refusal}`;
}

/** "1 token", "2 tokens". */
function count(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? '' : 's'}`;
}
