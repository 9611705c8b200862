import type { CapturePlan, Policy } from '../../dist/planner/index.js';
import { ENUMS, LAYOUT_VERSION, VOTE_WORDS } from '../../dist/planner/layout.js';

/** What of a batch a vote depends on: its chunks, decodes first, each with the tokens it has after the step. */
export interface VotedChunk {
  readonly phase: 'decode' | 'prefill';
  readonly queryLen: number;
  readonly seqLen: number;
}

export interface VoteContext {
  readonly step: number;
  readonly planHash: number;
  readonly plan: CapturePlan;
  readonly policy: Policy;
  readonly leave?: boolean;
  readonly fault?: number;
  readonly graphVeto?: keyof typeof ENUMS.VETO;
  readonly ubatchVeto?: keyof typeof ENUMS.VETO;
  readonly variant?: number;
}

export type VoteRecord = Record<(typeof VOTE_WORDS)[number], number>;

/** A rank's vote by name. */
export function votePlain(chunks: readonly VotedChunk[], context: VoteContext): VoteRecord {
  const { plan, policy } = context;
  const vote = Object.fromEntries(VOTE_WORDS.map((name) => [name, 0])) as VoteRecord;
  const prefills = chunks.filter(({ phase }) => phase === 'prefill').length;
  const decodes = chunks.length - prefills;
  const lengths = chunks.map(({ queryLen }) => queryLen);
  const longest = Math.max(0, ...lengths);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const parts = partTokens(chunks, policy.ubatches, policy);
  vote.version = LAYOUT_VERSION;
  vote.step = context.step;
  vote.planHash = context.planHash;
  vote.control = ENUMS.CONTROL[context.fault !== undefined ? 'fault' : context.leave === true ? 'leave' : 'run'];
  vote.faultCode = context.fault ?? 0;
  vote.phase = ENUMS.PHASE[prefills > 0 ? (decodes > 0 ? 'mixed' : 'prefill') : decodes > 0 ? 'decode' : 'idle'];
  vote.tokens = tokens;
  vote.prefillRequests = prefills;
  vote.decodeRequests = decodes;
  vote.uniformQueryLen = new Set(lengths).size === 1 ? longest : 0;
  vote.maxQueryLen = longest;
  vote.maxSeqLen = Math.max(0, ...chunks.map(({ seqLen }) => seqLen));
  vote.graphMode = ENUMS.MODE[policy.enforceEager ? 'none' : 'full'];
  vote.variant = context.variant ?? 0;
  vote.meetsMinimum = Number(
    policy.ubatches > 1 &&
      tokens > 0 &&
      tokens >= (prefills > 0 ? policy.ubatchThresholdPrefill : policy.ubatchThresholdDecode),
  );
  vote.canSplit = Number(policy.ubatches > 1 && parts.every((count) => count > 0));
  vote.graphVeto = ENUMS.VETO[context.graphVeto ?? 'none'];
  vote.ubatchVeto = ENUMS.VETO[context.ubatchVeto ?? 'none'];
  vote.wantsUbatches = Number(vote.meetsMinimum === 1 && vote.canSplit === 1 && vote.ubatchVeto === 0);
  vote.parts = policy.ubatches;
  for (const [index, count] of parts.entries()) vote[`part${index}Tokens` as 'part0Tokens'] = count;
  vote.paddedTokens = tokens;
  if (prefills === 0 && decodes > 0) {
    const lengthsOfPlan = plan.keys.map((key) => key.queryLen).filter((length) => length >= longest);
    const holds = plan.keys.filter(
      (key) =>
        key.parts === 1 &&
        key.variant === vote.variant &&
        key.queryLen === Math.min(...lengthsOfPlan) &&
        key.decodeRequests >= decodes,
    );
    if (holds.length > 0) vote.paddedTokens = Math.min(...holds.map((key) => key.tokens));
  }
  return vote;
}

/**
 * Where a rank cuts its own batch into `parts`, as tokens of each. Decodes alone: equal shares of requests. With a prefill:
 * equal shares of tokens, except that a cut inside a decode moves to its first token.
 */
export function partTokens(
  chunks: readonly VotedChunk[],
  parts: number,
  { split, tokenAlignment }: Pick<Policy, 'split' | 'tokenAlignment'>,
): number[] {
  const starts = chunks.map((_, index) => chunks.slice(0, index).reduce((sum, { queryLen }) => sum + queryLen, 0));
  const total = chunks.reduce((sum, { queryLen }) => sum + queryLen, 0);
  const boundaries = [...starts, total];
  const decodesOnly = chunks.every(({ phase }) => phase === 'decode');
  const isAtom = split === 'balanced' || split === 'token-midpoint';
  const cuts: number[] = [0];
  for (let part = 1; part < parts; part++) {
    const share = Math.floor((total * part) / parts);
    if (total === 0) cuts.push(0);
    else if (decodesOnly) {
      const each = isAtom ? Math.floor(chunks.length / parts) * part : Math.floor((chunks.length * part) / parts);
      cuts.push(boundaries[each]);
    } else if (split === 'token-midpoint') cuts.push(share);
    else if (split === 'padded-share') {
      const padded = Math.ceil(total / tokenAlignment) * tokenAlignment;
      cuts.push(Math.min(total, Math.floor(padded / parts) * part));
    } else if (split === 'balanced') {
      if (chunks.length < parts) cuts.push(0);
      else {
        // One request at least for this part and for each that follows.
        const first = boundaries.indexOf(cuts[part - 1]) + 1;
        const allowed = boundaries.slice(first, chunks.length - (parts - part) + 1);
        const nearest = Math.min(...allowed.map((boundary) => Math.abs(boundary - share)));
        cuts.push(allowed.findLast((boundary) => Math.abs(boundary - share) === nearest) ?? 0);
      }
    } else {
      const inside = chunks.findIndex(
        ({ queryLen }, index) => starts[index] <= share && share < starts[index] + queryLen,
      );
      cuts.push(chunks[inside].phase === 'decode' ? starts[inside] : share);
    }
  }
  cuts.push(total);
  return Array.from({ length: parts }, (_, part) => cuts[part + 1] - cuts[part]);
}

/** The rows of several votes, one after another. */
export function tableOf(votes: readonly VoteRecord[]): Int32Array {
  return Int32Array.from(votes.flatMap((vote) => VOTE_WORDS.map((name) => vote[name])));
}
