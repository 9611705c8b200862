// Which captured graph a step runs on; where none does, no-key.ts says why.
import { ANY_PARTS, agreedQueryLen, DECODE_KEY, MIXED_KEY, PIECEWISE_KEY, smallestKey, verdict } from './candidates';
import {
  DECISION_PLAIN_TWIN,
  DECISION_REASON_RANK,
  GRAPH_AGREEMENT_MIN_MODE_PADDED,
  GRAPH_AGREEMENT_SHAPE,
  KEY_TOKENS,
  LAST_PART_EAGER,
  MODE_FULL,
  MODE_NONE,
  NEED_DECODE_REQUESTS,
  NEED_EAGER_RANK,
  NEED_GRAPH_MODE,
  NEED_HELD_WISHES,
  NEED_MIN_TOKENS,
  NEED_PARTS,
  NEED_PHASE,
  NEED_REFUSAL_RANK,
  NEED_WISHES,
  PHASE_DECODE,
  POLICY_GRAPH_AGREEMENT,
  POLICY_LAST_PART,
  POLICY_UBATCHES,
  REASON_EMPTY_PART,
  REASON_GRAPH,
  REASON_GRAPH_MIXED,
  REASON_GRAPH_PIECEWISE,
  REASON_GRAPH_UBATCHED,
  REASON_NO_PLAIN_TWIN,
  REASON_NO_UBATCHED_KEY,
  REASON_PLAIN_ONLY,
  REASON_PLAIN_TWIN,
  REASON_RANK_EAGER,
  VERDICT_CHOSEN,
  VOTE_TOKENS,
} from './layout';
import { need } from './need';
import { noKey } from './no-key';
import { dispatch, isQueryLen, keyAt, queryLenIndex } from './plan';
import { eager, graph } from './run';
import { rankOf } from './table';
import { policy } from './vote-rules';
import { get, set } from './words';

/** Runs the step of a table that no rank vetoes. */
export function choose(table: usize, ranks: i32, decision: usize): void {
  if (policy(POLICY_GRAPH_AGREEMENT) != GRAPH_AGREEMENT_SHAPE) leastMode(table, ranks, decision);
  else if (need(NEED_PHASE) == PHASE_DECODE) decode(table, ranks, decision);
  else prefill(table, ranks, decision);
}

/** Index of the smallest decode key of `parts` parts that holds what the ranks need, or -1. */
function decodeKey(ranks: i32, parts: i32): i32 {
  const queryLen = agreedQueryLen();
  if (!isQueryLen(queryLen)) return -1;
  // The table knows nothing of variants: where its key is none of ours, another may be.
  const index = dispatch(queryLenIndex(queryLen), parts, need(NEED_DECODE_REQUESTS));
  if (index < 0 || verdict(index, ranks, parts) == VERDICT_CHOSEN) return index;
  return smallestKey(DECODE_KEY, ranks, parts);
}

/** Every busy rank decodes: the smallest key that holds the largest of them, plain or ubatched as agreed. */
function decode(table: usize, ranks: i32, decision: usize): void {
  const parts = policy(POLICY_UBATCHES);
  const plain = decodeKey(ranks, 1);
  const twin = parts > 1 ? decodeKey(ranks, parts) : -1;
  const agreed = need(NEED_PARTS) > 1;
  if (agreed && twin >= 0 && (plain < 0 || notLarger(twin, plain))) {
    ubatched(table, ranks, decision, twin);
    return;
  }
  if (plain < 0) {
    const piecewise = smallestKey(PIECEWISE_KEY, ranks, ANY_PARTS);
    if (piecewise >= 0) graph(ranks, decision, piecewise, REASON_GRAPH_PIECEWISE, 1);
    else if (twin < 0) noKey(table, ranks, decision);
    else eager(table, ranks, decision, REASON_NO_PLAIN_TWIN, need(NEED_REFUSAL_RANK), get(keyAt(twin), KEY_TOKENS));
    return;
  }
  let reason = REASON_GRAPH;
  if (need(NEED_WISHES) + need(NEED_HELD_WISHES) > 0) {
    const twinOfSize = twin >= 0 && get(keyAt(twin), KEY_TOKENS) == get(keyAt(plain), KEY_TOKENS);
    set(decision, DECISION_PLAIN_TWIN, twinOfSize ? 1 : 0);
    reason = twinOfSize ? REASON_PLAIN_TWIN : REASON_PLAIN_ONLY;
    if (!agreed) set(decision, DECISION_REASON_RANK, need(NEED_REFUSAL_RANK));
  }
  graph(ranks, decision, plain, reason, 1);
}

/** Micro-batches are not worth a larger graph than the step needs without them. */
function notLarger(twin: i32, plain: i32): boolean {
  return get(keyAt(twin), KEY_TOKENS) <= get(keyAt(plain), KEY_TOKENS);
}

/** Runs ubatched key `index`, unless its last part would be all padding on some rank and the policy has that run eager. */
function ubatched(table: usize, ranks: i32, decision: usize, index: i32): void {
  const parts = need(NEED_PARTS);
  const least = (get(keyAt(index), KEY_TOKENS) / parts) * (parts - 1);
  if (policy(POLICY_LAST_PART) != LAST_PART_EAGER || need(NEED_MIN_TOKENS) > least) {
    graph(ranks, decision, index, REASON_GRAPH_UBATCHED, 1);
    return;
  }
  const rank = rankOf(table, ranks, VOTE_TOKENS, need(NEED_MIN_TOKENS));
  eager(table, ranks, decision, REASON_EMPTY_PART, rank, least);
}

/** Some rank holds a prefill: a mixed key whose slots hold every rank's requests, else a piecewise one. */
function prefill(table: usize, ranks: i32, decision: usize): void {
  const mixed = smallestKey(MIXED_KEY, ranks, ANY_PARTS);
  if (mixed >= 0) {
    graph(ranks, decision, mixed, REASON_GRAPH_MIXED, 1);
    return;
  }
  const piecewise = smallestKey(PIECEWISE_KEY, ranks, ANY_PARTS);
  if (piecewise >= 0) graph(ranks, decision, piecewise, REASON_GRAPH_PIECEWISE, 1);
  else noKey(table, ranks, decision);
}

/**
 * The least mode that any rank found for its own batch, at a size that holds all of them; each rank's own search was made when
 * it voted. Source: vLLM's coordinate_batch_across_dp (V1) and dp_utils (V2).
 */
function leastMode(table: usize, ranks: i32, decision: usize): void {
  const parts = need(NEED_PARTS);
  if (need(NEED_GRAPH_MODE) == MODE_NONE) {
    eager(table, ranks, decision, REASON_RANK_EAGER, need(NEED_EAGER_RANK), 0);
    return;
  }
  if (need(NEED_GRAPH_MODE) == MODE_FULL) {
    const decodes = need(NEED_PHASE) == PHASE_DECODE;
    const kind = decodes ? DECODE_KEY : MIXED_KEY;
    const key = smallestKey(kind, ranks, parts);
    if (key >= 0) {
      if (parts > 1) ubatched(table, ranks, decision, key);
      else graph(ranks, decision, key, decodes ? REASON_GRAPH : REASON_GRAPH_MIXED, 1);
      return;
    }
    const other = smallestKey(kind, ranks, ANY_PARTS);
    if (other >= 0) {
      const reason = parts > 1 ? REASON_NO_UBATCHED_KEY : REASON_NO_PLAIN_TWIN;
      eager(table, ranks, decision, reason, need(NEED_REFUSAL_RANK), get(keyAt(other), KEY_TOKENS));
      return;
    }
  }
  const piecewise = smallestKey(PIECEWISE_KEY, ranks, ANY_PARTS);
  if (piecewise < 0) noKey(table, ranks, decision);
  // V1 cuts what it padded to a piecewise size; V2 looks only for graphs captured with micro-batches.
  else if (parts == 1 || policy(POLICY_GRAPH_AGREEMENT) == GRAPH_AGREEMENT_MIN_MODE_PADDED) {
    graph(ranks, decision, piecewise, REASON_GRAPH_PIECEWISE, parts);
  } else eager(table, ranks, decision, REASON_NO_UBATCHED_KEY, -1, get(keyAt(piecewise), KEY_TOKENS));
}

/** Index of the graph that one rank would run its own batch on, whatever the number of parts, or -1. Its row is all of the table. */
export function ownKey(): i32 {
  let key = -1;
  if (need(NEED_PHASE) == PHASE_DECODE) {
    key = decodeKey(1, 1);
    if (key < 0 && policy(POLICY_UBATCHES) > 1) key = decodeKey(1, policy(POLICY_UBATCHES));
  } else key = smallestKey(MIXED_KEY, 1, ANY_PARTS);
  return key < 0 ? smallestKey(PIECEWISE_KEY, 1, ANY_PARTS) : key;
}
