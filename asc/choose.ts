// Which captured graph a step runs on; where none does, no-key.ts says why.
import { ANY_PARTS, agreedQueryLen, DECODE_KEY, MIXED_KEY, PIECEWISE_KEY, smallestKey, verdict } from './candidates';
import { Decision, GraphAgreement, Key, LastPart, Mode, Need, Phase, Policy, Reason, Verdict, Vote } from './layout';
import { need } from './need';
import { noKey } from './no-key';
import { dispatch, isQueryLen, keyAt, queryLenIndex } from './plan';
import { eager, graph } from './run';
import { rankOf } from './table';
import { policy } from './vote-rules';
import { get, set } from './words';

/** Runs the step of a table that no rank vetoes. */
export function choose(table: usize, ranks: i32, decision: usize): void {
  if (policy(Policy.GraphAgreement) != GraphAgreement.Shape) leastMode(table, ranks, decision);
  else if (need(Need.Phase) == Phase.Decode) decode(table, ranks, decision);
  else prefill(table, ranks, decision);
}

/** Index of the smallest decode key of `parts` parts that holds what the ranks need, or -1. */
function decodeKey(ranks: i32, parts: i32): i32 {
  const queryLen = agreedQueryLen();
  if (!isQueryLen(queryLen)) return -1;
  // The table knows nothing of variants: where its key is none of ours, another may be.
  const index = dispatch(queryLenIndex(queryLen), parts, need(Need.DecodeRequests));
  if (index < 0 || verdict(index, ranks, parts) == Verdict.Chosen) return index;
  return smallestKey(DECODE_KEY, ranks, parts);
}

/** Every busy rank decodes: the smallest key that holds the largest of them, plain or ubatched as agreed. */
function decode(table: usize, ranks: i32, decision: usize): void {
  const parts = policy(Policy.Ubatches);
  const plain = decodeKey(ranks, 1);
  const twin = parts > 1 ? decodeKey(ranks, parts) : -1;
  const agreed = need(Need.Parts) > 1;
  if (agreed && twin >= 0 && (plain < 0 || notLarger(twin, plain))) {
    ubatched(table, ranks, decision, twin);
    return;
  }
  if (plain < 0) {
    const piecewise = smallestKey(PIECEWISE_KEY, ranks, ANY_PARTS);
    if (piecewise >= 0) graph(ranks, decision, piecewise, Reason.GraphPiecewise, 1);
    else if (twin < 0) noKey(table, ranks, decision);
    else eager(table, ranks, decision, Reason.NoPlainTwin, need(Need.RefusalRank), get(keyAt(twin), Key.Tokens));
    return;
  }
  let reason = Reason.Graph;
  if (need(Need.Wishes) + need(Need.HeldWishes) > 0) {
    const twinOfSize = twin >= 0 && get(keyAt(twin), Key.Tokens) == get(keyAt(plain), Key.Tokens);
    set(decision, Decision.PlainTwin, twinOfSize ? 1 : 0);
    reason = twinOfSize ? Reason.PlainTwin : Reason.PlainOnly;
    if (!agreed) set(decision, Decision.ReasonRank, need(Need.RefusalRank));
  }
  graph(ranks, decision, plain, reason, 1);
}

/** Micro-batches are not worth a larger graph than the step needs without them. */
function notLarger(twin: i32, plain: i32): boolean {
  return get(keyAt(twin), Key.Tokens) <= get(keyAt(plain), Key.Tokens);
}

/** Runs ubatched key `index`, unless its last part would be all padding on some rank and the policy has that run eager. */
function ubatched(table: usize, ranks: i32, decision: usize, index: i32): void {
  const parts = need(Need.Parts);
  const least = (get(keyAt(index), Key.Tokens) / parts) * (parts - 1);
  if (policy(Policy.LastPart) != LastPart.Eager || need(Need.MinTokens) > least) {
    graph(ranks, decision, index, Reason.GraphUbatched, 1);
    return;
  }
  const rank = rankOf(table, ranks, Vote.Tokens, need(Need.MinTokens));
  eager(table, ranks, decision, Reason.EmptyPart, rank, least);
}

/** Some rank holds a prefill: a mixed key whose slots hold every rank's requests, else a piecewise one. */
function prefill(table: usize, ranks: i32, decision: usize): void {
  const mixed = smallestKey(MIXED_KEY, ranks, ANY_PARTS);
  if (mixed >= 0) {
    graph(ranks, decision, mixed, Reason.GraphMixed, 1);
    return;
  }
  const piecewise = smallestKey(PIECEWISE_KEY, ranks, ANY_PARTS);
  if (piecewise >= 0) graph(ranks, decision, piecewise, Reason.GraphPiecewise, 1);
  else noKey(table, ranks, decision);
}

/**
 * The least mode that any rank found for its own batch, at a size that holds all of them; each rank's own search was made when
 * it voted. Source: vLLM's coordinate_batch_across_dp (V1) and dp_utils (V2).
 */
function leastMode(table: usize, ranks: i32, decision: usize): void {
  const parts = need(Need.Parts);
  if (need(Need.GraphMode) == Mode.None) {
    eager(table, ranks, decision, Reason.RankEager, need(Need.EagerRank), 0);
    return;
  }
  if (need(Need.GraphMode) == Mode.Full) {
    const decodes = need(Need.Phase) == Phase.Decode;
    const kind = decodes ? DECODE_KEY : MIXED_KEY;
    const key = smallestKey(kind, ranks, parts);
    if (key >= 0) {
      if (parts > 1) ubatched(table, ranks, decision, key);
      else graph(ranks, decision, key, decodes ? Reason.Graph : Reason.GraphMixed, 1);
      return;
    }
    const other = smallestKey(kind, ranks, ANY_PARTS);
    if (other >= 0) {
      const reason = parts > 1 ? Reason.NoUbatchedKey : Reason.NoPlainTwin;
      eager(table, ranks, decision, reason, need(Need.RefusalRank), get(keyAt(other), Key.Tokens));
      return;
    }
  }
  const piecewise = smallestKey(PIECEWISE_KEY, ranks, ANY_PARTS);
  if (piecewise < 0) noKey(table, ranks, decision);
  // V1 cuts what it padded to a piecewise size; V2 looks only for graphs captured with micro-batches.
  else if (parts == 1 || policy(Policy.GraphAgreement) == GraphAgreement.MinModePadded) {
    graph(ranks, decision, piecewise, Reason.GraphPiecewise, parts);
  } else eager(table, ranks, decision, Reason.NoUbatchedKey, -1, get(keyAt(piecewise), Key.Tokens));
}

/** Index of the graph that one rank would run its own batch on, whatever the number of parts, or -1. Its row is all of the table. */
export function ownKey(): i32 {
  let key = -1;
  if (need(Need.Phase) == Phase.Decode) {
    key = decodeKey(1, 1);
    if (key < 0 && policy(Policy.Ubatches) > 1) key = decodeKey(1, policy(Policy.Ubatches));
  } else key = smallestKey(MIXED_KEY, 1, ANY_PARTS);
  return key < 0 ? smallestKey(PIECEWISE_KEY, 1, ANY_PARTS) : key;
}
