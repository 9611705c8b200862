import type {
  CaptureKey,
  CapturePlan,
  DecisionPart,
  DecisionValue,
  Policy,
  ReasonCode,
} from '../../dist/planner/index.js';
import { ENUMS } from '../../dist/planner/layout.js';
import type { VoteRecord } from './vote-oracle.js';

/** The decision of a table that is not refused: the rules of the policy `lockstep`, one after another. */
export function resolvePlain(votes: readonly VoteRecord[], plan: CapturePlan, policy: Policy): DecisionValue {
  const busy = votes.filter(({ tokens }) => tokens > 0);
  const wishes = busy.filter(({ wantsUbatches }) => wantsUbatches === 1).length;
  const most = (name: keyof VoteRecord): number => Math.max(0, ...busy.map((vote) => vote[name]));
  const rankWith = (test: (vote: VoteRecord) => boolean): number =>
    votes.findIndex((vote) => vote.tokens > 0 && test(vote));
  const variants = [...new Set(busy.map(({ variant }) => variant))];
  const prefills = most('prefillRequests');
  const decodes = most('decodeRequests');
  const phase = prefills > 0 ? (decodes > 0 ? 'mixed' : 'prefill') : decodes > 0 ? 'decode' : 'idle';
  const base: DecisionValue = {
    step: votes[0].step,
    run: 'park',
    reason: 'all-idle',
    reasonRank: -1,
    reasonDetail: 0,
    captureKey: -1,
    phase,
    paddedTokens: 0,
    paddedRequests: 0,
    queryLen: 0,
    busyRanks: busy.length,
    ubatchWishes: wishes,
    plainTwin: false,
    leave: false,
    maxTokens: most('tokens'),
    variant: variants.length > 1 ? -1 : (variants[0] ?? 0),
    parts: [],
  };

  if (busy.length === 0) {
    const leave = votes.every(({ control }) => control === ENUMS.CONTROL.leave);
    return { ...base, leave, reason: leave ? 'leave' : 'all-idle' };
  }
  const agreed = policy.ubatches > 1 && wishes === busy.length;
  const eager = (reason: ReasonCode, reasonRank: number, reasonDetail: number): DecisionValue => {
    const parts = eagerParts(votes, policy, agreed);
    const paddedTokens = parts.reduce((sum, part) => sum + part.paddedTokens, 0);
    return { ...base, run: 'eager', reason, reasonRank, reasonDetail, parts, paddedTokens };
  };

  const vetoing = rankWith(({ graphVeto }) => graphVeto !== 0);
  if (vetoing >= 0) return eager('vetoed', vetoing, votes[vetoing].graphVeto);
  const refusing = rankWith(({ graphMode }) => graphMode === ENUMS.MODE.none);
  if (refusing >= 0) return eager('enforce-eager', refusing, 0);
  if (phase !== 'decode' || plan.keys.length === 0) {
    const rank = rankWith((vote) => (prefills > 0 ? vote.prefillRequests > 0 : vote.decodeRequests > 0));
    return eager('no-key-for-phase', rank, ENUMS.PHASE[phase]);
  }

  // Every busy rank decodes. Short drafts are padded to the smallest captured query length that holds the longest.
  const longest = most('maxQueryLen');
  const queryLens = plan.keys.map((key) => key.queryLen).filter((length) => length >= longest);
  if (queryLens.length === 0) {
    return eager(
      'no-key-for-query-length',
      rankWith((vote) => vote.maxQueryLen === longest),
      longest,
    );
  }
  const queryLen = Math.min(...queryLens);
  const ofLength = plan.keys.filter((key) => key.queryLen === queryLen);
  const ofVariant = ofLength.filter((key) => variants.length === 1 && key.variant === variants[0]);
  const usable = ofVariant.filter((key) => key.decodeRequests >= decodes);
  const plain = smallest(usable.filter((key) => key.parts === 1));
  const ubatched = smallest(usable.filter((key) => key.parts > 1));
  const refusal = rankWith(({ wantsUbatches }) => wantsUbatches === 0);

  if (agreed && ubatched !== undefined) return graph(base, plan, policy, votes.length, ubatched, 'graph-ubatched', -1);
  if (plain === undefined) {
    if (ubatched !== undefined) return eager('no-plain-twin', refusal, ubatched.tokens);
    if (ofVariant.length === 0) return eager('no-key-for-variant', -1, base.variant);
    const above = decodes - Math.max(...ofVariant.map((key) => key.decodeRequests));
    return eager(
      'above-ladder',
      rankWith((vote) => vote.decodeRequests === decodes),
      above,
    );
  }
  if (wishes === 0) return graph(base, plan, policy, votes.length, plain, 'graph', -1);
  const twin = ubatched !== undefined && ubatched.tokens === plain.tokens;
  const decision = graph(
    base,
    plan,
    policy,
    votes.length,
    plain,
    twin ? 'plain-twin' : 'plain-only',
    agreed ? -1 : refusal,
  );
  return { ...decision, plainTwin: twin };
}

function smallest(keys: readonly CaptureKey[]): CaptureKey | undefined {
  return [...keys].sort((a, b) => a.decodeRequests - b.decodeRequests)[0];
}

function graph(
  base: DecisionValue,
  plan: CapturePlan,
  policy: Policy,
  ranks: number,
  key: CaptureKey,
  reason: ReasonCode,
  reasonRank: number,
): DecisionValue {
  const kind = ranks === 1 ? 'none' : 'padded';
  const parts = partRequests(key, policy).map((requests) => {
    const paddedTokens = requests * key.queryLen;
    const tokensPerRank = Array.from({ length: ranks }, () => paddedTokens);
    return { paddedTokens, paddedRequests: requests, gather: { kind, tokensPerRank } } satisfies DecisionPart;
  });
  return {
    ...base,
    run: 'full',
    reason,
    reasonRank,
    captureKey: plan.keys.indexOf(key),
    paddedTokens: key.tokens,
    paddedRequests: key.decodeRequests,
    queryLen: key.queryLen,
    parts,
  };
}

/** Requests of each part of a key: equal shares, each cut lowered to whole requests of aligned tokens. */
export function partRequests(key: CaptureKey, policy: Policy): number[] {
  const cuts = Array.from({ length: key.parts + 1 }, (_, part) => {
    let cut = Math.floor((key.decodeRequests * part) / key.parts);
    while (part < key.parts && (cut * key.queryLen) % policy.tokenAlignment !== 0) cut -= 1;
    return cut;
  });
  return Array.from({ length: key.parts }, (_, part) => cuts[part + 1] - cuts[part]);
}

/** Each rank its own count, or, cut into parts, everybody the largest; at least one token, aligned. */
function eagerParts(votes: readonly VoteRecord[], policy: Policy, agreed: boolean): DecisionPart[] {
  const aligned = (tokens: number): number =>
    Math.ceil(Math.max(1, tokens) / policy.tokenAlignment) * policy.tokenAlignment;
  const single = votes.length === 1;
  const ofPart = (vote: VoteRecord, part: number): number => vote[`part${part}Tokens` as 'part0Tokens'];
  const parts = Array.from({ length: policy.ubatches }, (_, part) => part);
  const someEmpty = votes.some((vote) => parts.some((part) => ofPart(vote, part) === 0));
  if (agreed && !(policy.eagerEmptyPart === 'plain' && someEmpty)) {
    return parts.map((part) => {
      const paddedTokens = aligned(Math.max(...votes.map((vote) => ofPart(vote, part))));
      const tokensPerRank = votes.map(() => paddedTokens);
      return { paddedTokens, paddedRequests: 0, gather: { kind: single ? 'none' : 'padded', tokensPerRank } };
    });
  }
  const tokensPerRank = votes.map(({ tokens }) => aligned(tokens));
  const paddedTokens = Math.max(...tokensPerRank);
  return [{ paddedTokens, paddedRequests: 0, gather: { kind: single ? 'none' : 'variable', tokensPerRank } }];
}
