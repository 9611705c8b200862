// What a decision makes the ranks run: a captured graph, or eager parts.
import {
  DECISION_CAPTURE_KEY,
  DECISION_OVERLAP,
  DECISION_PADDED_DECODE_REQUESTS,
  DECISION_PADDED_PREFILL_REQUESTS,
  DECISION_PADDED_REQUESTS,
  DECISION_PADDED_TOKENS,
  DECISION_PARTS,
  DECISION_QUERY_LEN,
  DECISION_REASON,
  DECISION_REASON_DETAIL,
  DECISION_REASON_RANK,
  DECISION_RUN,
  DECISION_WORDS,
  EAGER_GATHER_MAX_OR_SUM,
  EAGER_GATHER_OWN_PADDED,
  EAGER_GATHER_PADDED_DECODE,
  EAGER_PARTS_EQUAL_SHARES,
  EMPTY_PART_PLAIN,
  GATHER_NONE,
  GATHER_PADDED,
  GATHER_SUM,
  GATHER_VARIABLE,
  KEY_DECODE_REQUESTS,
  KEY_MODE,
  KEY_PARTS,
  KEY_PREFILL_REQUESTS,
  KEY_QUERY_LEN,
  KEY_TOKENS,
  MODE_PIECEWISE,
  NEED_MIN_TOKENS,
  NEED_PADDED_TOKENS,
  NEED_PARTS,
  NEED_PHASE,
  ON_SHARED_RESOURCE_SERIALIZE,
  PART_GATHER,
  PART_PADDED_REQUESTS,
  PART_PADDED_TOKENS,
  PART_WORDS,
  PHASE_DECODE,
  POLICY_EAGER_EMPTY_PART,
  POLICY_EAGER_GATHER,
  POLICY_EAGER_PARTS,
  POLICY_EXCLUSIVE_RESOURCES,
  POLICY_ON_SHARED_RESOURCE,
  POLICY_TOKEN_ALIGNMENT,
  RUN_EAGER,
  RUN_FULL,
  RUN_PIECEWISE,
  VOTE_PADDED_TOKENS,
  VOTE_PART0_TOKENS,
  VOTE_TOKENS,
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
  const piecewise = get(key, KEY_MODE) == MODE_PIECEWISE;
  const tokens = get(key, KEY_TOKENS);
  const prefills = get(key, KEY_PREFILL_REQUESTS);
  const decodes = get(key, KEY_DECODE_REQUESTS);
  const queryLen = get(key, KEY_QUERY_LEN);
  const parts = !piecewise ? get(key, KEY_PARTS) : tokens >= cut * policy(POLICY_TOKEN_ALIGNMENT) ? cut : 1;
  set(decision, DECISION_RUN, piecewise ? RUN_PIECEWISE : RUN_FULL);
  set(decision, DECISION_REASON, reason);
  set(decision, DECISION_CAPTURE_KEY, index);
  set(decision, DECISION_PADDED_TOKENS, tokens);
  set(decision, DECISION_PADDED_REQUESTS, prefills + decodes);
  set(decision, DECISION_PADDED_PREFILL_REQUESTS, prefills);
  set(decision, DECISION_PADDED_DECODE_REQUESTS, decodes);
  set(decision, DECISION_QUERY_LEN, queryLen);
  setParts(decision, parts);
  if (piecewise || prefills > 0) {
    equalShares(ranks, decision, parts, tokens);
    set(partAt(decision, 0, ranks), PART_PADDED_REQUESTS, prefills + decodes);
    return;
  }
  let from = 0;
  for (let part = 0; part < parts; part++) {
    const to = part + 1 == parts ? decodes : partCut(decodes, queryLen, parts, part + 1);
    const at = partAt(decision, part, ranks);
    set(at, PART_PADDED_TOKENS, (to - from) * queryLen);
    set(at, PART_PADDED_REQUESTS, to - from);
    gather(at, ranks, (to - from) * queryLen);
    from = to;
  }
}

function setParts(decision: usize, parts: i32): void {
  set(decision, DECISION_PARTS, parts);
  set(decision, DECISION_OVERLAP, partsOverlap(parts) ? 1 : 0);
}

/** Parts overlap unless they share a resource of which there is one. */
export function partsOverlap(parts: i32): boolean {
  const shared =
    policy(POLICY_EXCLUSIVE_RESOURCES) != 0 && policy(POLICY_ON_SHARED_RESOURCE) == ON_SHARED_RESOURCE_SERIALIZE;
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
    set(at, PART_PADDED_TOKENS, own);
    gather(at, ranks, own);
  }
}

/** Tokens of every part but the last: an equal share, rounded down to the token alignment. */
function shareOf(tokens: i32, parts: i32): i32 {
  const alignment = policy(POLICY_TOKEN_ALIGNMENT);
  return (tokens / parts / alignment) * alignment;
}

/** Tokens of an eager batch that is cut into equal shares: the largest rank's, and some in each part. */
function sharedTokens(parts: i32): i32 {
  const alignment = policy(POLICY_TOKEN_ALIGNMENT);
  return roundUp(max(parts * alignment, need(NEED_PADDED_TOKENS)), alignment);
}

/** Requests before part `part` of a graph of `requests`: an equal share, rounded down to whole aligned requests. */
export function partCut(requests: i32, queryLen: i32, parts: i32, part: i32): i32 {
  const unit = alignmentUnit(queryLen);
  return ((requests * part) / parts / unit) * unit;
}

/** Fewest decodes whose tokens are a multiple of the token alignment: what a plan captures is cut so (capture-plan.ts). */
function alignmentUnit(queryLen: i32): i32 {
  const alignment = policy(POLICY_TOKEN_ALIGNMENT);
  return alignment / gcd(alignment, queryLen);
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

/** Everybody eager: own counts in one part, agreed ones in several. An idle rank runs a dummy. */
export function eager(table: usize, ranks: i32, decision: usize, reason: i32, rank: i32, detail: i32): void {
  set(decision, DECISION_RUN, RUN_EAGER);
  set(decision, DECISION_REASON, reason);
  set(decision, DECISION_REASON_RANK, rank);
  set(decision, DECISION_REASON_DETAIL, detail);
  const wanted = need(NEED_PARTS);
  const parts = wanted > 1 && eagerPartsRun(table, ranks, wanted) ? wanted : 1;
  setParts(decision, parts);
  if (parts == 1) eagerWhole(table, ranks, decision);
  else if (policy(POLICY_EAGER_PARTS) == EAGER_PARTS_EQUAL_SHARES) {
    const tokens = sharedTokens(parts);
    equalShares(ranks, decision, parts, tokens);
    set(decision, DECISION_PADDED_TOKENS, tokens);
  } else partMaxima(table, ranks, decision, parts);
}

function partMaxima(table: usize, ranks: i32, decision: usize, parts: i32): void {
  const alignment = policy(POLICY_TOKEN_ALIGNMENT);
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
}

function eagerWhole(table: usize, ranks: i32, decision: usize): void {
  const alignment = policy(POLICY_TOKEN_ALIGNMENT);
  const choice = policy(POLICY_EAGER_GATHER);
  const at = partAt(decision, 0, ranks);
  let most = 0;
  // In 64 bits: the tokens of thousands of ranks may not fit 32.
  let sum: i64 = 0;
  for (let r = 0; r < ranks; r++) {
    const own = vote(table, r, choice == EAGER_GATHER_OWN_PADDED ? VOTE_PADDED_TOKENS : VOTE_TOKENS);
    const tokens = roundUp(max(1, own), alignment);
    set(at, PART_WORDS + r, tokens);
    most = max(most, tokens);
    sum += roundUp(own, alignment);
  }
  set(at, PART_PADDED_TOKENS, most);
  set(at, PART_PADDED_REQUESTS, 0);
  set(decision, DECISION_PADDED_TOKENS, most);
  const decodes = need(NEED_PHASE) == PHASE_DECODE;
  if (ranks == 1) set(at, PART_GATHER, GATHER_NONE);
  else if (choice == EAGER_GATHER_PADDED_DECODE && decodes) gather(at, ranks, most);
  // Whichever moves less; a tie goes to padding. Source: SGLang's get_dp_padding_mode.
  else if (choice == EAGER_GATHER_MAX_OR_SUM && decodes && 2 * sum >= <i64>most * <i64>ranks) gather(at, ranks, most);
  else set(at, PART_GATHER, choice == EAGER_GATHER_MAX_OR_SUM ? GATHER_SUM : GATHER_VARIABLE);
}

/** Whether eager parts may run although a part is all padding on some rank (an idle one): the policy's choice. */
function eagerPartsRun(table: usize, ranks: i32, parts: i32): boolean {
  if (policy(POLICY_EAGER_EMPTY_PART) != EMPTY_PART_PLAIN) return true;
  if (policy(POLICY_EAGER_PARTS) == EAGER_PARTS_EQUAL_SHARES) {
    return need(NEED_MIN_TOKENS) > shareOf(sharedTokens(parts), parts) * (parts - 1);
  }
  for (let rank = 0; rank < ranks; rank++) {
    for (let part = 0; part < parts; part++) {
      if (vote(table, rank, VOTE_PART0_TOKENS + part) == 0) return false;
    }
  }
  return true;
}
