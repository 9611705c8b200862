// What a decision makes the ranks run: a captured graph, or eager parts.
import {
  DECISION_WORDS,
  Decision,
  EagerGather,
  EagerParts,
  EmptyPart,
  Gather,
  Key,
  Mode,
  Need,
  OnSharedResource,
  PART_WORDS,
  Part,
  Phase,
  Policy,
  Run,
  Vote,
} from './layout';
import { need } from './need';
import { keyAt } from './plan';
import { vote } from './table';
import { policy } from './vote-rules';
import { get, roundUp, set } from './words';

/** Address of the record of `part`. */
export function partAt(decision: usize, part: i32, ranks: i32): usize {
  return decision + ((<usize>(DECISION_WORDS + part * (PART_WORDS + ranks))) << 2);
}

/**
 * Runs key `index`: part sizes come from it alone. A decode key is cut as it was captured, at whole requests and at multiples
 * of the token alignment; only a piecewise key may be cut into `cut` parts at run time, at equal shares of its tokens, and is
 * not where some part would have none.
 */
export function graph(ranks: i32, decision: usize, index: i32, reason: i32, cut: i32): void {
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
  setParts(decision, parts);
  if (piecewise || prefills > 0) {
    equalShares(ranks, decision, parts, tokens);
    set(partAt(decision, 0, ranks), Part.PaddedRequests, prefills + decodes);
    return;
  }
  let from = 0;
  for (let part = 0; part < parts; part++) {
    const to = part + 1 == parts ? decodes : partCut(decodes, queryLen, parts, part + 1);
    const at = partAt(decision, part, ranks);
    set(at, Part.PaddedTokens, (to - from) * queryLen);
    set(at, Part.PaddedRequests, to - from);
    gather(at, ranks, (to - from) * queryLen);
    from = to;
  }
}

function setParts(decision: usize, parts: i32): void {
  set(decision, Decision.Parts, parts);
  set(decision, Decision.Overlap, partsOverlap(parts) ? 1 : 0);
}

/** Parts overlap unless they share a resource of which there is one. */
export function partsOverlap(parts: i32): boolean {
  const shared =
    policy(Policy.ExclusiveResources) != 0 && policy(Policy.OnSharedResource) == OnSharedResource.Serialize;
  return parts > 1 && !shared;
}

/** Tokens of part `part` of equal ones, of which the last has what is left. Source: vLLM's create_ubatch_slices. */
export function partShare(tokens: i32, parts: i32, part: i32): i32 {
  const share = parts > 1 ? shareOf(tokens, parts) : 0;
  return part + 1 == parts ? tokens - share * (parts - 1) : share;
}

function equalShares(ranks: i32, decision: usize, parts: i32, tokens: i32): void {
  for (let part = 0; part < parts; part++) {
    const own = partShare(tokens, parts, part);
    const at = partAt(decision, part, ranks);
    set(at, Part.PaddedTokens, own);
    gather(at, ranks, own);
  }
}

/** Tokens of every part but the last: an equal share, rounded down to the token alignment. */
function shareOf(tokens: i32, parts: i32): i32 {
  const alignment = policy(Policy.TokenAlignment);
  return (tokens / parts / alignment) * alignment;
}

/** Tokens of an eager batch that is cut into equal shares: the largest rank's, and some in each part. */
function sharedTokens(parts: i32): i32 {
  const alignment = policy(Policy.TokenAlignment);
  return roundUp(max(parts * alignment, need(Need.PaddedTokens)), alignment);
}

/** Requests before part `part` of a graph of `requests`: an equal share, rounded down to whole aligned requests. */
export function partCut(requests: i32, queryLen: i32, parts: i32, part: i32): i32 {
  const alignment = policy(Policy.TokenAlignment);
  const unit = alignment / gcd(alignment, queryLen);
  return ((requests * part) / parts / unit) * unit;
}

function gcd(a: i32, b: i32): i32 {
  while (b != 0) {
    const rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/** The part moves `tokens` rows from every rank. */
function gather(part: usize, ranks: i32, tokens: i32): void {
  set(part, Part.Gather, ranks == 1 ? Gather.None : Gather.Padded);
  for (let rank = 0; rank < ranks; rank++) set(part, PART_WORDS + rank, tokens);
}

/** Everybody eager: own counts in one part, agreed ones in several. An idle rank runs a dummy. */
export function eager(table: usize, ranks: i32, decision: usize, reason: i32, rank: i32, detail: i32): void {
  set(decision, Decision.Run, Run.Eager);
  set(decision, Decision.Reason, reason);
  set(decision, Decision.ReasonRank, rank);
  set(decision, Decision.ReasonDetail, detail);
  const wanted = need(Need.Parts);
  const parts = wanted > 1 && eagerPartsRun(table, ranks, wanted) ? wanted : 1;
  setParts(decision, parts);
  if (parts == 1) eagerWhole(table, ranks, decision);
  else if (policy(Policy.EagerParts) == EagerParts.EqualShares) {
    const tokens = sharedTokens(parts);
    equalShares(ranks, decision, parts, tokens);
    set(decision, Decision.PaddedTokens, tokens);
  } else partMaxima(table, ranks, decision, parts);
}

function partMaxima(table: usize, ranks: i32, decision: usize, parts: i32): void {
  const alignment = policy(Policy.TokenAlignment);
  let total = 0;
  for (let part = 0; part < parts; part++) {
    let tokens = 1;
    for (let r = 0; r < ranks; r++) tokens = max(tokens, vote(table, r, Vote.Part0Tokens + part));
    tokens = roundUp(tokens, alignment);
    const at = partAt(decision, part, ranks);
    set(at, Part.PaddedTokens, tokens);
    gather(at, ranks, tokens);
    total += tokens;
  }
  set(decision, Decision.PaddedTokens, total);
}

function eagerWhole(table: usize, ranks: i32, decision: usize): void {
  const alignment = policy(Policy.TokenAlignment);
  const choice = policy(Policy.EagerGather);
  const at = partAt(decision, 0, ranks);
  let most = 0;
  // In 64 bits: the tokens of thousands of ranks may not fit 32.
  let sum: i64 = 0;
  for (let r = 0; r < ranks; r++) {
    const own = vote(table, r, choice == EagerGather.OwnPadded ? Vote.PaddedTokens : Vote.Tokens);
    const tokens = roundUp(max(1, own), alignment);
    set(at, PART_WORDS + r, tokens);
    most = max(most, tokens);
    sum += roundUp(own, alignment);
  }
  set(at, Part.PaddedTokens, most);
  set(at, Part.PaddedRequests, 0);
  set(decision, Decision.PaddedTokens, most);
  const decodes = need(Need.Phase) == Phase.Decode;
  if (ranks == 1) set(at, Part.Gather, Gather.None);
  else if (choice == EagerGather.PaddedDecode && decodes) gather(at, ranks, most);
  // Whichever moves less; a tie goes to padding. Source: SGLang's get_dp_padding_mode.
  else if (choice == EagerGather.MaxOrSum && decodes && 2 * sum >= <i64>most * <i64>ranks) gather(at, ranks, most);
  else set(at, Part.Gather, choice == EagerGather.MaxOrSum ? Gather.Sum : Gather.Variable);
}

/** Whether eager parts may run although a part is all padding on some rank (an idle one): the policy's choice. */
function eagerPartsRun(table: usize, ranks: i32, parts: i32): boolean {
  if (policy(Policy.EagerEmptyPart) != EmptyPart.Plain) return true;
  if (policy(Policy.EagerParts) == EagerParts.EqualShares) {
    return need(Need.MinTokens) > shareOf(sharedTokens(parts), parts) * (parts - 1);
  }
  for (let rank = 0; rank < ranks; rank++) {
    for (let part = 0; part < parts; part++) {
      if (vote(table, rank, Vote.Part0Tokens + part) == 0) return false;
    }
  }
  return true;
}
