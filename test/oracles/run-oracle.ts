import {
  type CaptureKey,
  type CapturePlan,
  type DecisionPart,
  type DecisionValue,
  keyKind,
  type Policy,
  type ReasonCode,
} from '../../dist/entry/planner.js';
import type { Shape } from './key-oracle.js';
import type { UbatchAgreement } from './ubatch-oracle.js';
import type { VoteRecord } from './vote-oracle.js';

/** A table with what it comes to. */
export interface Step {
  readonly votes: readonly VoteRecord[];
  readonly plan: CapturePlan;
  readonly policy: Policy;
  readonly shape: Shape;
  readonly ubatch: UbatchAgreement;
  /** What every decision of this table says, however it runs. */
  readonly base: DecisionValue;
}

/** The step on a captured graph, whose parts come from it alone; a piecewise one may be cut into `wanted`. */
export function graph(step: Step, key: CaptureKey, reason: ReasonCode, wanted = 1): DecisionValue {
  const { policy, shape, base, plan } = step;
  const kind = keyKind(key);
  const parts = kind === 'decode' ? key.parts : key.tokens >= wanted * policy.tokenAlignment ? wanted : 1;
  const requests = key.prefillRequests + key.decodeRequests;
  const sizes: [tokens: number, requests: number][] =
    kind === 'decode'
      ? partRequests(key, policy).map((count) => [count * key.queryLen, count])
      : equalShares(key.tokens, parts, policy).map((tokens) => [tokens, requests]);
  return {
    ...base,
    run: kind === 'piecewise' ? 'piecewise' : 'full',
    reason,
    captureKey: plan.keys.indexOf(key),
    paddedTokens: key.tokens,
    paddedRequests: requests,
    paddedPrefillRequests: key.prefillRequests,
    paddedDecodeRequests: key.decodeRequests,
    queryLen: key.queryLen,
    overlap: overlaps(parts, policy),
    parts: sizes.map(([tokens, count]) => paddedPart(tokens, count, shape.ranks)),
  };
}

/** Requests of each part of a key: equal shares, each cut lowered to whole requests of aligned tokens. */
function partRequests(key: CaptureKey, policy: Policy): number[] {
  const cuts = Array.from({ length: key.parts + 1 }, (_, part) => {
    let cut = Math.floor((key.decodeRequests * part) / key.parts);
    while (part < key.parts && (cut * key.queryLen) % policy.tokenAlignment !== 0) cut -= 1;
    return cut;
  });
  return Array.from({ length: key.parts }, (_, part) => cuts[part + 1] - cuts[part]);
}

/** Tokens of each of several parts of a batch: equal aligned shares, the last with what is left. */
function equalShares(tokens: number, parts: number, policy: Policy): number[] {
  if (parts === 1) return [tokens];
  let share = Math.floor(tokens / parts);
  while (share % policy.tokenAlignment !== 0) share -= 1;
  return [...Array.from({ length: parts - 1 }, () => share), tokens - share * (parts - 1)];
}

function overlaps(parts: number, policy: Policy): boolean {
  const serialized = policy.exclusiveResources.length > 0 && policy.onSharedResource === 'serialize';
  return parts > 1 && !serialized;
}

function paddedPart(paddedTokens: number, paddedRequests: number, ranks: number): DecisionPart {
  const tokensPerRank = Array.from({ length: ranks }, () => paddedTokens);
  return { paddedTokens, paddedRequests, gather: { kind: ranks === 1 ? 'none' : 'padded', tokensPerRank } };
}

/** The step eager on every rank, in the agreed micro-batches where those may run. */
export function eager(step: Step, reason: ReasonCode, reasonRank: number, reasonDetail: number): DecisionValue {
  const { policy, base } = step;
  const cut = eagerCut(step);
  const parts = cut ?? [eagerWhole(step)];
  const paddedTokens = parts.reduce((sum, part) => sum + part.paddedTokens, 0);
  const overlap = overlaps(parts.length, policy);
  return { ...base, run: 'eager', reason, reasonRank, reasonDetail, paddedTokens, overlap, parts };
}

const aligned = (tokens: number, policy: Policy): number =>
  Math.ceil(tokens / policy.tokenAlignment) * policy.tokenAlignment;

/** Eager micro-batches, everybody the same sizes; undefined where the step is not cut. */
function eagerCut({ votes, policy, shape, ubatch }: Step): DecisionPart[] | undefined {
  if (ubatch.parts === 1) return undefined;
  const ofPart = (vote: VoteRecord, part: number): number => vote[`part${part}Tokens` as 'part0Tokens'];
  const indices = Array.from({ length: ubatch.parts }, (_, part) => part);
  const shares = policy.eagerParts === 'equal-shares';
  const least = ubatch.parts * policy.tokenAlignment;
  const sizes = shares
    ? equalShares(aligned(Math.max(shape.size, least), policy), ubatch.parts, policy)
    : indices.map((part) => aligned(Math.max(1, ...votes.map((vote) => ofPart(vote, part))), policy));
  const beforeLast = sizes.slice(0, -1).reduce((sum, size) => sum + size, 0);
  const empty = shares
    ? votes.some((vote) => vote.tokens <= beforeLast)
    : votes.some((vote) => indices.some((part) => ofPart(vote, part) === 0));
  if (policy.eagerEmptyPart === 'plain' && empty) return undefined;
  return sizes.map((tokens) => paddedPart(tokens, 0, votes.length));
}

/** One eager part: each rank its own count, or everybody the largest, as the policy says. An idle rank runs a token. */
function eagerWhole({ votes, policy, shape }: Step): DecisionPart {
  const counts = votes.map((vote) =>
    aligned(Math.max(1, policy.eagerGather === 'own-padded' ? vote.paddedTokens : vote.tokens), policy),
  );
  const most = Math.max(...counts);
  if (votes.length === 1) return { ...paddedPart(most, 0, 1) };
  const own = (kind: 'variable' | 'sum'): DecisionPart => ({
    paddedTokens: most,
    paddedRequests: 0,
    gather: { kind, tokensPerRank: counts },
  });
  const decodes = shape.phase === 'decode';
  switch (policy.eagerGather) {
    case 'variable':
    case 'own-padded':
      return own('variable');
    case 'padded-decode':
      return decodes ? paddedPart(most, 0, votes.length) : own('variable');
    case 'max-or-sum': {
      const sum = votes.reduce((total, vote) => total + aligned(vote.tokens, policy), 0);
      return decodes && 2 * sum >= most * votes.length ? paddedPart(most, 0, votes.length) : own('sum');
    }
  }
}
