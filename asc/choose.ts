// Which captured graph a step runs on, or why it runs eager.

import { firstRefusal } from './agree';
import {
  ANY_PARTS,
  agreedQueryLen,
  DECODE_KEY,
  hasKind,
  MIXED_KEY,
  mixedGraphsRun,
  PIECEWISE_KEY,
  smallestKey,
  verdict,
} from './candidates';
import {
  DECISION_PLAIN_TWIN,
  DECISION_REASON_RANK,
  GRAPH_AGREEMENT_MIN_MODE_PADDED,
  GRAPH_AGREEMENT_SHAPE,
  KEY_TOKENS,
  LAST_PART_EAGER,
  LIMIT_NUM_KEYS,
  MODE_FULL,
  MODE_NONE,
  NEED_DECODE_REQUESTS,
  NEED_GRAPH_MODE,
  NEED_HELD_WISHES,
  NEED_MAX_QUERY_LEN,
  NEED_MIN_TOKENS,
  NEED_PADDED_TOKENS,
  NEED_PARTS,
  NEED_PHASE,
  NEED_PREFILL_REQUESTS,
  NEED_REQUESTS,
  NEED_TOKENS,
  NEED_VARIANT,
  NEED_WISHES,
  PHASE_DECODE,
  POLICY_GRAPH_AGREEMENT,
  POLICY_LAST_PART,
  POLICY_UBATCHES,
  REASON_ABOVE_LADDER,
  REASON_ABOVE_PADDING_FACTOR,
  REASON_EMPTY_PART,
  REASON_GRAPH,
  REASON_GRAPH_MIXED,
  REASON_GRAPH_PIECEWISE,
  REASON_GRAPH_UBATCHED,
  REASON_NO_KEY_FOR_PHASE,
  REASON_NO_KEY_FOR_QUERY_LENGTH,
  REASON_NO_KEY_FOR_VARIANT,
  REASON_NO_PLAIN_TWIN,
  REASON_NO_UBATCHED_KEY,
  REASON_PLAIN_ONLY,
  REASON_PLAIN_TWIN,
  REASON_RANK_EAGER,
  VERDICT_CHOSEN,
  VERDICT_PADDING_FACTOR,
  VERDICT_PREFILL_REQUESTS,
  VERDICT_QUERY_LENGTH,
  VERDICT_REQUESTS,
  VERDICT_TOKENS,
  VERDICT_VARIANT,
  VOTE_DECODE_REQUESTS,
  VOTE_GRAPH_MODE,
  VOTE_MAX_QUERY_LEN,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
} from './layout';
import { need } from './need';
import { dispatch, isQueryLen, keyAt, largest, queryLenIndex } from './plan';
import { eager, graph } from './run';
import { rankOf, rankOfPhase } from './table';
import { policy } from './vote-rules';
import { get, limit, set } from './words';

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
  const key = agreed && twin >= 0 ? twin : plain;
  if (key < 0) {
    const piecewise = smallestKey(PIECEWISE_KEY, ranks, ANY_PARTS);
    if (piecewise >= 0) graph(ranks, decision, piecewise, REASON_GRAPH_PIECEWISE, 1);
    else if (twin >= 0) {
      eager(table, ranks, decision, REASON_NO_PLAIN_TWIN, firstRefusal(table, ranks), get(keyAt(twin), KEY_TOKENS));
    } else eagerDecode(table, ranks, decision);
    return;
  }
  let reason = REASON_GRAPH;
  if (key == twin) reason = REASON_GRAPH_UBATCHED;
  else if (need(NEED_WISHES) + need(NEED_HELD_WISHES) > 0) {
    const twinOfSize = twin >= 0 && get(keyAt(twin), KEY_TOKENS) == get(keyAt(key), KEY_TOKENS);
    set(decision, DECISION_PLAIN_TWIN, twinOfSize ? 1 : 0);
    reason = twinOfSize ? REASON_PLAIN_TWIN : REASON_PLAIN_ONLY;
    if (!agreed) set(decision, DECISION_REASON_RANK, firstRefusal(table, ranks));
  }
  graph(ranks, decision, key, reason, 1);
}

/** No decode key holds the step: the first thing that none of them has. */
function eagerDecode(table: usize, ranks: i32, decision: usize): void {
  const queryLen = agreedQueryLen();
  const longest = need(NEED_MAX_QUERY_LEN);
  const decodes = need(NEED_DECODE_REQUESTS);
  if (!hasKind(DECODE_KEY)) {
    eager(table, ranks, decision, REASON_NO_KEY_FOR_PHASE, rankOfPhase(table, ranks, false), PHASE_DECODE);
    return;
  }
  const most = largest(queryLen, need(NEED_VARIANT));
  if (!isQueryLen(queryLen)) {
    const rank = rankOf(table, ranks, VOTE_MAX_QUERY_LEN, longest);
    eager(table, ranks, decision, REASON_NO_KEY_FOR_QUERY_LENGTH, rank, longest);
  } else if (most == 0) {
    eager(table, ranks, decision, REASON_NO_KEY_FOR_VARIANT, -1, need(NEED_VARIANT));
  } else {
    eager(
      table,
      ranks,
      decision,
      REASON_ABOVE_LADDER,
      rankOf(table, ranks, VOTE_DECODE_REQUESTS, decodes),
      decodes - most,
    );
  }
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
  else eagerPrefill(table, ranks, decision);
}

/** No key holds the step: what the key that came nearest lacks. */
function eagerPrefill(table: usize, ranks: i32, decision: usize): void {
  let nearest = VERDICT_CHOSEN;
  let tokens = 0;
  for (let index = 0, keys = limit(LIMIT_NUM_KEYS); index < keys; index++) {
    const found = verdict(index, ranks, ANY_PARTS);
    const size = get(keyAt(index), KEY_TOKENS);
    if (nearness(found) > nearness(nearest)) {
      nearest = found;
      tokens = size;
    } else if (found == nearest) {
      // Of keys that are too large the smallest is told, of those too small the largest.
      tokens = found == VERDICT_PADDING_FACTOR ? min(tokens, size) : max(tokens, size);
    }
  }
  if (nearest == VERDICT_PADDING_FACTOR) {
    eager(
      table,
      ranks,
      decision,
      REASON_ABOVE_PADDING_FACTOR,
      rankOf(table, ranks, VOTE_TOKENS, need(NEED_TOKENS)),
      tokens,
    );
  } else if (nearest == VERDICT_PREFILL_REQUESTS || nearest == VERDICT_REQUESTS) {
    const word = nearest == VERDICT_REQUESTS ? VOTE_DECODE_REQUESTS : VOTE_PREFILL_REQUESTS;
    const most = nearest == VERDICT_REQUESTS ? need(NEED_DECODE_REQUESTS) : need(NEED_PREFILL_REQUESTS);
    eager(table, ranks, decision, REASON_ABOVE_LADDER, rankOf(table, ranks, word, most), need(NEED_REQUESTS));
  } else if (nearest == VERDICT_TOKENS) {
    const rank = rankOf(table, ranks, VOTE_TOKENS, need(NEED_TOKENS));
    eager(table, ranks, decision, REASON_ABOVE_LADDER, rank, need(NEED_TOKENS) - tokens);
  } else if (nearest == VERDICT_QUERY_LENGTH) {
    const longest = need(NEED_MAX_QUERY_LEN);
    eager(
      table,
      ranks,
      decision,
      REASON_NO_KEY_FOR_QUERY_LENGTH,
      rankOf(table, ranks, VOTE_MAX_QUERY_LEN, longest),
      longest,
    );
  } else if (nearest == VERDICT_VARIANT && (hasKind(PIECEWISE_KEY) || (hasKind(MIXED_KEY) && mixedGraphsRun(ranks)))) {
    eager(table, ranks, decision, REASON_NO_KEY_FOR_VARIANT, -1, need(NEED_VARIANT));
  } else {
    eager(table, ranks, decision, REASON_NO_KEY_FOR_PHASE, rankOfPhase(table, ranks, true), need(NEED_PHASE));
  }
}

/** How near a key with this verdict came to holding the step. */
function nearness(found: i32): i32 {
  if (found == VERDICT_PADDING_FACTOR) return 6;
  if (found == VERDICT_PREFILL_REQUESTS) return 5;
  if (found == VERDICT_REQUESTS) return 4;
  if (found == VERDICT_TOKENS) return 3;
  if (found == VERDICT_QUERY_LENGTH) return 2;
  return found == VERDICT_VARIANT ? 1 : 0;
}

/**
 * The least mode that any rank found for its own batch, at a size that holds all of them; each rank's own search was made when
 * it voted. Source: vLLM's coordinate_batch_across_dp (V1) and dp_utils (V2).
 */
function leastMode(table: usize, ranks: i32, decision: usize): void {
  const parts = need(NEED_PARTS);
  if (need(NEED_GRAPH_MODE) == MODE_NONE) {
    eager(table, ranks, decision, REASON_RANK_EAGER, rankOf(table, ranks, VOTE_GRAPH_MODE, MODE_NONE), 0);
    return;
  }
  if (need(NEED_GRAPH_MODE) == MODE_FULL) {
    const key = smallestKey(DECODE_KEY, ranks, parts);
    if (key >= 0) {
      const least = (get(keyAt(key), KEY_TOKENS) / parts) * (parts - 1);
      if (parts > 1 && policy(POLICY_LAST_PART) == LAST_PART_EAGER && need(NEED_MIN_TOKENS) <= least) {
        const rank = rankOf(table, ranks, VOTE_TOKENS, need(NEED_MIN_TOKENS));
        eager(table, ranks, decision, REASON_EMPTY_PART, rank, least);
      } else graph(ranks, decision, key, parts > 1 ? REASON_GRAPH_UBATCHED : REASON_GRAPH, 1);
      return;
    }
    const other = smallestKey(DECODE_KEY, ranks, ANY_PARTS);
    if (other >= 0) {
      const reason = parts > 1 ? REASON_NO_UBATCHED_KEY : REASON_NO_PLAIN_TWIN;
      eager(table, ranks, decision, reason, firstRefusal(table, ranks), get(keyAt(other), KEY_TOKENS));
      return;
    }
  }
  // V1 pads micro-batches to a piecewise size; V2 looks only for graphs captured with them.
  const cut = parts == 1 || policy(POLICY_GRAPH_AGREEMENT) == GRAPH_AGREEMENT_MIN_MODE_PADDED;
  const piecewise = smallestKey(PIECEWISE_KEY, ranks, ANY_PARTS);
  if (piecewise >= 0 && cut) graph(ranks, decision, piecewise, REASON_GRAPH_PIECEWISE, parts);
  else if (piecewise >= 0) eager(table, ranks, decision, REASON_NO_UBATCHED_KEY, -1, get(keyAt(piecewise), KEY_TOKENS));
  else
    eager(
      table,
      ranks,
      decision,
      REASON_ABOVE_LADDER,
      rankOf(table, ranks, VOTE_TOKENS, need(NEED_TOKENS)),
      need(NEED_PADDED_TOKENS),
    );
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
