// Writes what a decision makes the ranks run: a captured graph, or eager parts.
import { keyAt } from './keys';
import {
  DECISION_WORDS,
  Decision,
  EagerGather,
  EagerParts,
  EmptyPart,
  Gather,
  Key,
  Mode,
  PART_WORDS,
  Part,
  Phase,
  Policy,
  Reduced,
  Run,
  Vote,
} from './layout';
import { equalShare, partCut, partShare, partsOverlap, tokensToShare } from './parts';
import { vote } from './table';
import { get, policy, roundUp, set } from './words';

/** Address of the record of `part`. */
export function partAt(decision: usize, part: i32, ranks: i32): usize {
  return decision + ((<usize>(DECISION_WORDS + part * (PART_WORDS + ranks))) << 2);
}

/**
 * The step runs key `index`, which alone decides the sizes of the parts. A decode key is cut as it was captured: between
 * requests, and at multiples of the token alignment. Only a piecewise key may be cut at run time, into `cut` equal shares of
 * its tokens, unless a share would be less than the token alignment.
 */
export function writeGraphRun(reduction: usize, decision: usize, index: i32, reason: i32, cut: i32): void {
  const ranks = get(reduction, Reduced.Ranks);
  const key = keyAt(index);
  const piecewise = get(key, Key.Mode) == Mode.Piecewise;
  const tokens = get(key, Key.Tokens);
  const prefills = get(key, Key.PrefillRequests);
  const decodes = get(key, Key.DecodeRequests);
  const queryLen = get(key, Key.QueryLen);
  const parts = !piecewise ? get(key, Key.Parts) : tokens >= cut * policy(Policy.TokenAlignment) ? cut : 1;
  set(decision, Decision.Run, piecewise ? Run.Piecewise : Run.Full);
  set(decision, Decision.Reason, reason);
  set(decision, Decision.CaptureKey, index);
  set(decision, Decision.PaddedTokens, tokens);
  set(decision, Decision.PaddedRequests, prefills + decodes);
  set(decision, Decision.PaddedPrefillRequests, prefills);
  set(decision, Decision.PaddedDecodeRequests, decodes);
  set(decision, Decision.QueryLen, queryLen);
  writeNumParts(decision, parts);
  if (piecewise || prefills > 0) {
    writeEqualShares(decision, ranks, parts, tokens);
    set(partAt(decision, 0, ranks), Part.PaddedRequests, prefills + decodes);
    return;
  }
  let from = 0;
  for (let part = 0; part < parts; part++) {
    const to = part + 1 == parts ? decodes : partCut(decodes, queryLen, parts, part + 1);
    const at = partAt(decision, part, ranks);
    set(at, Part.PaddedTokens, (to - from) * queryLen);
    set(at, Part.PaddedRequests, to - from);
    writePaddedGather(at, ranks, (to - from) * queryLen);
    from = to;
  }
}

/**
 * Every rank runs eager: each with its own tokens if the step has one part, all with agreed tokens if it has several. An idle
 * rank runs a dummy batch. `rank` and `detail` belong to the reason.
 */
export function writeEagerRun(
  table: usize,
  reduction: usize,
  decision: usize,
  reason: i32,
  rank: i32,
  detail: i32,
): void {
  set(decision, Decision.Run, Run.Eager);
  set(decision, Decision.Reason, reason);
  set(decision, Decision.ReasonRank, rank);
  set(decision, Decision.ReasonDetail, detail);
  const ranks = get(reduction, Reduced.Ranks);
  const agreed = get(reduction, Reduced.Parts);
  const parts = agreed > 1 && eagerPartsRun(table, reduction, agreed) ? agreed : 1;
  writeNumParts(decision, parts);
  if (parts == 1) writeWholeBatch(table, reduction, decision);
  else if (policy(Policy.EagerParts) == EagerParts.EqualShares) {
    const tokens = tokensToShare(get(reduction, Reduced.PaddedTokens), parts);
    writeEqualShares(decision, ranks, parts, tokens);
    set(decision, Decision.PaddedTokens, tokens);
  } else writePartMaxima(table, ranks, decision, parts);
}

/** Whether the step may run in eager parts. A policy can forbid it if a part is all padding on some rank, as on an idle one. */
function eagerPartsRun(table: usize, reduction: usize, parts: i32): boolean {
  if (policy(Policy.EagerEmptyPart) != EmptyPart.Plain) return true;
  if (policy(Policy.EagerParts) == EagerParts.EqualShares) {
    const tokens = tokensToShare(get(reduction, Reduced.PaddedTokens), parts);
    return get(reduction, Reduced.MinTokens) > equalShare(tokens, parts) * (parts - 1);
  }
  for (let rank = 0, ranks = get(reduction, Reduced.Ranks); rank < ranks; rank++) {
    for (let part = 0; part < parts; part++) {
      if (vote(table, rank, Vote.Part0Tokens + part) == 0) return false;
    }
  }
  return true;
}

function writeNumParts(decision: usize, parts: i32): void {
  set(decision, Decision.Parts, parts);
  set(decision, Decision.Overlap, partsOverlap(parts) ? 1 : 0);
}

/** Cuts `tokens` into equal parts, each the same on every rank. */
function writeEqualShares(decision: usize, ranks: i32, parts: i32, tokens: i32): void {
  for (let part = 0; part < parts; part++) {
    const own = partShare(tokens, parts, part);
    const at = partAt(decision, part, ranks);
    set(at, Part.PaddedTokens, own);
    writePaddedGather(at, ranks, own);
  }
}

/** Pads each part to the largest one that any rank cut its own batch into. */
function writePartMaxima(table: usize, ranks: i32, decision: usize, parts: i32): void {
  const alignment = policy(Policy.TokenAlignment);
  let total = 0;
  for (let part = 0; part < parts; part++) {
    let tokens = 1;
    for (let rank = 0; rank < ranks; rank++) tokens = max(tokens, vote(table, rank, Vote.Part0Tokens + part));
    tokens = roundUp(tokens, alignment);
    const at = partAt(decision, part, ranks);
    set(at, Part.PaddedTokens, tokens);
    writePaddedGather(at, ranks, tokens);
    total += tokens;
  }
  set(decision, Decision.PaddedTokens, total);
}

/** One part, in which each rank has the tokens of its own batch; the policy says how a collective gathers them. */
function writeWholeBatch(table: usize, reduction: usize, decision: usize): void {
  const ranks = get(reduction, Reduced.Ranks);
  const alignment = policy(Policy.TokenAlignment);
  const choice = policy(Policy.EagerGather);
  const at = partAt(decision, 0, ranks);
  let most = 0;
  // The tokens of thousands of ranks may not fit 32 bits.
  let sum: i64 = 0;
  for (let rank = 0; rank < ranks; rank++) {
    const own = vote(table, rank, choice == EagerGather.OwnPadded ? Vote.PaddedTokens : Vote.Tokens);
    const tokens = roundUp(max(1, own), alignment);
    set(at, PART_WORDS + rank, tokens);
    most = max(most, tokens);
    sum += roundUp(own, alignment);
  }
  set(at, Part.PaddedTokens, most);
  set(at, Part.PaddedRequests, 0);
  set(decision, Decision.PaddedTokens, most);
  const decodes = get(reduction, Reduced.Phase) == Phase.Decode;
  if (ranks == 1) set(at, Part.Gather, Gather.None);
  else if (choice == EagerGather.PaddedDecode && decodes) writePaddedGather(at, ranks, most);
  // The gather that moves less, and on a tie the padded one. Source: SGLang's get_dp_padding_mode.
  else if (choice == EagerGather.MaxOrSum && decodes && 2 * sum >= <i64>most * <i64>ranks) {
    writePaddedGather(at, ranks, most);
  } else set(at, Part.Gather, choice == EagerGather.MaxOrSum ? Gather.Sum : Gather.Variable);
}

/** Every rank brings `tokens` rows to the collectives of the part. */
function writePaddedGather(part: usize, ranks: i32, tokens: i32): void {
  set(part, Part.Gather, ranks == 1 ? Gather.None : Gather.Padded);
  for (let rank = 0; rank < ranks; rank++) set(part, PART_WORDS + rank, tokens);
}
