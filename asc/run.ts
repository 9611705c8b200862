// What a decision makes the ranks run: a captured graph, or eager parts.
import {
  DECISION_CAPTURE_KEY,
  DECISION_PADDED_REQUESTS,
  DECISION_PADDED_TOKENS,
  DECISION_PARTS,
  DECISION_QUERY_LEN,
  DECISION_REASON,
  DECISION_REASON_DETAIL,
  DECISION_REASON_RANK,
  DECISION_RUN,
  DECISION_WORDS,
  EMPTY_PART_PLAIN,
  GATHER_NONE,
  GATHER_PADDED,
  GATHER_VARIABLE,
  KEY_DECODE_REQUESTS,
  KEY_PARTS,
  KEY_QUERY_LEN,
  KEY_TOKENS,
  PART_GATHER,
  PART_PADDED_REQUESTS,
  PART_PADDED_TOKENS,
  PART_WORDS,
  POLICY_EAGER_EMPTY_PART,
  POLICY_TOKEN_ALIGNMENT,
  REGION_POLICY,
  RUN_EAGER,
  RUN_FULL,
  VOTE_PART0_TOKENS,
  VOTE_TOKENS,
} from './layout';
import { keyAt } from './plan';
import { vote } from './table';
import { get, region, roundUp, set } from './words';

function partAt(decision: usize, part: i32, ranks: i32): usize {
  return decision + ((<usize>(DECISION_WORDS + part * (PART_WORDS + ranks))) << 2);
}

/** Runs `key`: part sizes come from it alone, cut at whole requests and at multiples of the token alignment. */
export function graph(ranks: i32, decision: usize, index: i32, reason: i32): void {
  const key = keyAt(index);
  const requests = get(key, KEY_DECODE_REQUESTS);
  const queryLen = get(key, KEY_QUERY_LEN);
  const parts = get(key, KEY_PARTS);
  set(decision, DECISION_RUN, RUN_FULL);
  set(decision, DECISION_REASON, reason);
  set(decision, DECISION_CAPTURE_KEY, index);
  set(decision, DECISION_PADDED_TOKENS, get(key, KEY_TOKENS));
  set(decision, DECISION_PADDED_REQUESTS, requests);
  set(decision, DECISION_QUERY_LEN, queryLen);
  set(decision, DECISION_PARTS, parts);
  let from = 0;
  for (let part = 0; part < parts; part++) {
    const to = part + 1 == parts ? requests : partCut(requests, queryLen, parts, part + 1);
    const at = partAt(decision, part, ranks);
    set(at, PART_PADDED_TOKENS, (to - from) * queryLen);
    set(at, PART_PADDED_REQUESTS, to - from);
    gather(at, ranks, (to - from) * queryLen);
    from = to;
  }
}

/** Requests before part `part` of a graph of `requests`: an equal share, rounded down to whole aligned requests. */
export function partCut(requests: i32, queryLen: i32, parts: i32, part: i32): i32 {
  const alignment = get(region(REGION_POLICY), POLICY_TOKEN_ALIGNMENT);
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
  set(part, PART_GATHER, ranks == 1 ? GATHER_NONE : GATHER_PADDED);
  for (let rank = 0; rank < ranks; rank++) set(part, PART_WORDS + rank, tokens);
}

/** Everybody eager: own counts in one part, maxima over ranks in several. An idle rank runs a dummy. */
export function eager(
  table: usize,
  ranks: i32,
  decision: usize,
  ubatches: i32,
  reason: i32,
  rank: i32,
  detail: i32,
): void {
  set(decision, DECISION_RUN, RUN_EAGER);
  set(decision, DECISION_REASON, reason);
  set(decision, DECISION_REASON_RANK, rank);
  set(decision, DECISION_REASON_DETAIL, detail);
  const alignment = get(region(REGION_POLICY), POLICY_TOKEN_ALIGNMENT);
  const parts = ubatches > 1 && eagerPartsRun(table, ranks, ubatches) ? ubatches : 1;
  set(decision, DECISION_PARTS, parts);
  if (parts > 1) {
    let total = 0;
    for (let part = 0; part < parts; part++) {
      let tokens = 1;
      for (let r = 0; r < ranks; r++) tokens = max(tokens, vote(table, r, VOTE_PART0_TOKENS + part));
      tokens = roundUp(tokens, alignment);
      const at = partAt(decision, part, ranks);
      set(at, PART_PADDED_TOKENS, tokens);
      gather(at, ranks, tokens);
      total += tokens;
    }
    set(decision, DECISION_PADDED_TOKENS, total);
    return;
  }
  const at = partAt(decision, 0, ranks);
  let most = 0;
  for (let r = 0; r < ranks; r++) {
    const tokens = roundUp(max(1, vote(table, r, VOTE_TOKENS)), alignment);
    set(at, PART_WORDS + r, tokens);
    most = max(most, tokens);
  }
  set(at, PART_GATHER, ranks == 1 ? GATHER_NONE : GATHER_VARIABLE);
  set(at, PART_PADDED_TOKENS, most);
  set(at, PART_PADDED_REQUESTS, 0);
  set(decision, DECISION_PADDED_TOKENS, most);
}

/** Whether eager parts may run although a part is all padding on some rank (an idle one): the policy's choice. */
function eagerPartsRun(table: usize, ranks: i32, parts: i32): boolean {
  if (get(region(REGION_POLICY), POLICY_EAGER_EMPTY_PART) != EMPTY_PART_PLAIN) return true;
  for (let rank = 0; rank < ranks; rank++) {
    for (let part = 0; part < parts; part++) {
      if (vote(table, rank, VOTE_PART0_TOKENS + part) == 0) return false;
    }
  }
  return true;
}
