import { type CaptureKey, type CapturePlan, keyKind, type Policy } from '../../dist/entry/planner.js';
import { ENUMS, type FACT_WORDS, LAYOUT_VERSION, VOTE_WORDS } from '../../dist/layout/layout.js';
import { keysThatHold, phaseName, shapeOf } from './key-oracle.js';
import { sealTable } from './seal-oracle.js';

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
export type FactRecord = Record<(typeof FACT_WORDS)[number], number>;

/** A rank's vote by name. */
export function votePlain(chunks: readonly VotedChunk[], context: VoteContext): VoteRecord {
  return voteOfFacts(factsOf(chunks, context.policy), context);
}

/** What a batch holds, before any rule. Blocks of requests are not looked at: none is shared. */
export function factsOf(chunks: readonly VotedChunk[], policy: Policy): FactRecord {
  const { ubatches } = policy;
  const lengths = chunks.map(({ queryLen }) => queryLen);
  const decodes = chunks.filter(({ phase }) => phase === 'decode').map(({ queryLen }) => queryLen);
  const parts = partTokens(chunks, ubatches, policy);
  const longest = Math.max(0, ...lengths);
  return {
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    prefillRequests: chunks.length - decodes.length,
    decodeRequests: decodes.length,
    uniformQueryLen: new Set(lengths).size === 1 ? longest : 0,
    maxQueryLen: longest,
    maxSeqLen: Math.max(0, ...chunks.map(({ seqLen }) => seqLen)),
    canSplit: Number(ubatches > 1 && parts.every((count) => count > 0)),
    part0Tokens: parts[0],
    part1Tokens: parts[1] ?? 0,
    part2Tokens: parts[2] ?? 0,
    part3Tokens: parts[3] ?? 0,
    maxDecodeQueryLen: Math.max(0, ...decodes),
    sharedBlock: 0,
  };
}

const NOTHING_SAID = Object.fromEntries(VOTE_WORDS.map((name) => [name, 0])) as VoteRecord;

/** What a rank says of a batch with these facts. */
export function voteOfFacts(facts: FactRecord, context: VoteContext): VoteRecord {
  const { policy } = context;
  const { canSplit, sharedBlock, ...counts } = facts;
  const phase = phaseName(facts.prefillRequests, facts.decodeRequests);
  const threshold = phase === 'decode' ? policy.ubatchThresholdDecode : policy.ubatchThresholdPrefill;
  const meets = policy.ubatches > 1 && facts.tokens > 0 && facts.tokens >= threshold;
  const tooFew = phase === 'decode' && facts.decodeRequests < policy.ubatchMinRequests;
  const halved = policy.ubatches > 1 && phase === 'decode' && policy.ubatchAgreement === 'same-phase';
  const splits = halved || (canSplit === 1 && !tooFew);
  const cascade = context.graphVeto === 'cascade-attention' && policy.graphAgreement !== 'shape';
  const given = context.ubatchVeto ?? 'none';
  const ubatchVeto = given === 'none' && sharedBlock === 1 ? 'shared-block' : given;
  const control = context.fault !== undefined ? 'fault' : context.leave === true ? 'leave' : 'run';
  const vote: VoteRecord = {
    ...NOTHING_SAID,
    ...counts,
    version: LAYOUT_VERSION,
    step: context.step,
    planHash: context.planHash,
    control: ENUMS.CONTROL[control],
    faultCode: context.fault ?? 0,
    phase: ENUMS.PHASE[phase],
    variant: context.variant ?? 0,
    meetsMinimum: Number(meets),
    canSplit: Number(splits),
    wantsUbatches: Number(meets && splits && ubatchVeto === 'none'),
    graphVeto: ENUMS.VETO[cascade ? 'none' : (context.graphVeto ?? 'none')],
    ubatchVeto: ENUMS.VETO[ubatchVeto],
    parts: policy.ubatches,
    paddedTokens: facts.tokens,
    graphMode: ENUMS.MODE[policy.enforceEager ? 'none' : cascade ? 'piecewise' : 'full'],
  };
  if (facts.tokens === 0 || policy.enforceEager) return vote;
  const key = ownKey(vote, context.plan, policy);
  const byMode = policy.graphAgreement !== 'shape';
  return {
    ...vote,
    paddedTokens: key?.tokens ?? facts.tokens,
    graphMode: byMode ? ENUMS.MODE[key?.mode ?? 'none'] : vote.graphMode,
  };
}

/** The graph a rank would run its batch on were it alone: a full one, plain before ubatched; else a piecewise one. */
function ownKey(vote: VoteRecord, plan: CapturePlan, policy: Policy): CaptureKey | undefined {
  const holding = keysThatHold(shapeOf([vote], policy), plan, policy);
  const full = holding.filter((key) => keyKind(key) !== 'piecewise');
  return full.find((key) => key.parts === 1) ?? full[0] ?? holding[0];
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

/** The rows of these votes as the pure rules write them: int32[ranks, 32], without seals. */
export function rowsOf(votes: readonly VoteRecord[]): Int32Array {
  return Int32Array.from(votes.flatMap((vote) => VOTE_WORDS.map((name) => vote[name])));
}

/** The table of these votes as planners gather it, each sealed by its rank after the decision with this hash. */
export function tableOf(votes: readonly VoteRecord[], decisionHash = 0): Int32Array {
  return sealTable(rowsOf(votes), decisionHash);
}
