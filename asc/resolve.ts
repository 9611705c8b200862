// The one decision every rank derives from the table of votes: a pure function of table, plan, policy and previous decision.
import {
  CONTROL_FAULT,
  CONTROL_LEAVE,
  DECISION_BUSY_RANKS,
  DECISION_CAPTURE_KEY,
  DECISION_LEAVE,
  DECISION_MAX_TOKENS,
  DECISION_PADDED_REQUESTS,
  DECISION_PADDED_TOKENS,
  DECISION_PARTS,
  DECISION_PHASE,
  DECISION_PLAIN_TWIN,
  DECISION_QUERY_LEN,
  DECISION_RANKS,
  DECISION_REASON,
  DECISION_REASON_DETAIL,
  DECISION_REASON_RANK,
  DECISION_RUN,
  DECISION_STEP,
  DECISION_UBATCH_WISHES,
  DECISION_VARIANT,
  DECISION_VERSION,
  DECISION_WORDS,
  EMPTY_PART_PLAIN,
  GATHER_NONE,
  GATHER_PADDED,
  GATHER_VARIABLE,
  KEY_DECODE_REQUESTS,
  KEY_PARTS,
  KEY_QUERY_LEN,
  KEY_TOKENS,
  LAYOUT_VERSION,
  LIMIT_MAX_REQUESTS,
  LIMIT_MAX_TOKENS,
  LIMIT_NUM_KEYS,
  MAX_PARTS,
  MODE_NONE,
  PART_GATHER,
  PART_PADDED_REQUESTS,
  PART_PADDED_TOKENS,
  PART_WORDS,
  PHASE_DECODE,
  POLICY_EAGER_EMPTY_PART,
  POLICY_TOKEN_ALIGNMENT,
  POLICY_UBATCHES,
  REASON_ABOVE_LADDER,
  REASON_ALL_IDLE,
  REASON_ENFORCE_EAGER,
  REASON_GRAPH,
  REASON_GRAPH_UBATCHED,
  REASON_LEAVE,
  REASON_NO_KEY_FOR_PHASE,
  REASON_NO_KEY_FOR_QUERY_LENGTH,
  REASON_NO_KEY_FOR_VARIANT,
  REASON_NO_PLAIN_TWIN,
  REASON_PLAIN_ONLY,
  REASON_PLAIN_TWIN,
  REASON_VETOED,
  REGION_POLICY,
  RESOLVE_FAULT,
  RESOLVE_LIMITS,
  RESOLVE_OK,
  RESOLVE_PLAN,
  RESOLVE_PREVIOUS,
  RESOLVE_STEP,
  RESOLVE_VERSION,
  RUN_EAGER,
  RUN_FULL,
  RUN_PARK,
  VOTE_CONTROL,
  VOTE_DECODE_REQUESTS,
  VOTE_GRAPH_MODE,
  VOTE_GRAPH_VETO,
  VOTE_MAX_QUERY_LEN,
  VOTE_PART0_TOKENS,
  VOTE_PLAN_HASH,
  VOTE_PREFILL_REQUESTS,
  VOTE_STEP,
  VOTE_TOKENS,
  VOTE_VARIANT,
  VOTE_VERSION,
  VOTE_WANTS_UBATCHES,
  VOTE_WORDS,
} from './layout';
import { dispatch, keyAt, keyOfVariant, queryLenIndex } from './plan';
import { phaseOf } from './vote';
import { get, limit, region, roundUp, set } from './words';

function vote(table: usize, rank: i32, word: i32): i32 {
  return get(table + ((<usize>(rank * VOTE_WORDS)) << 2), word);
}

function partAt(decision: usize, part: i32, ranks: i32): usize {
  return decision + ((<usize>(DECISION_WORDS + part * (PART_WORDS + ranks))) << 2);
}

/**
 * Refuses a table whose ranks do not speak of the same step, plan and layout (RESOLVE_*), or that reports a fault; else
 * writes the decision. `previous` is the address of the last decision, 0 before the first.
 */
export function resolve(table: usize, ranks: i32, previous: usize, decision: usize): i32 {
  // The version first: it says what every other word means.
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_VERSION) != LAYOUT_VERSION) return RESOLVE_VERSION;
  }
  for (let rank = 1; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_STEP) != vote(table, 0, VOTE_STEP)) return RESOLVE_STEP;
    if (vote(table, rank, VOTE_PLAN_HASH) != vote(table, 0, VOTE_PLAN_HASH)) return RESOLVE_PLAN;
  }
  for (let rank = 0; rank < ranks; rank++) {
    if (!withinLimits(table, rank)) return RESOLVE_LIMITS;
  }
  if (previous != 0 && vote(table, 0, VOTE_STEP) != get(previous, DECISION_STEP) + 1) return RESOLVE_PREVIOUS;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_CONTROL) == CONTROL_FAULT) return RESOLVE_FAULT;
  }
  decide(table, ranks, decision);
  return RESOLVE_OK;
}

/** A vote beyond the limits that all ranks share would make build() write past its tensors. */
export function withinLimits(table: usize, rank: i32): boolean {
  const tokens = vote(table, rank, VOTE_TOKENS);
  const prefills = vote(table, rank, VOTE_PREFILL_REQUESTS);
  const decodes = vote(table, rank, VOTE_DECODE_REQUESTS);
  const requests = limit(LIMIT_MAX_REQUESTS);
  if (tokens < 0 || tokens > limit(LIMIT_MAX_TOKENS)) return false;
  if (prefills < 0 || decodes < 0 || prefills > requests || decodes > requests - prefills) return false;
  if (prefills + decodes > tokens || (tokens > 0 && prefills + decodes == 0)) return false;
  let parts = 0;
  for (let part = 0; part < MAX_PARTS; part++) {
    const partTokens = vote(table, rank, VOTE_PART0_TOKENS + part);
    if (partTokens < 0 || partTokens > tokens) return false;
    parts += partTokens;
  }
  return parts == tokens;
}

function decide(table: usize, ranks: i32, decision: usize): void {
  let busy = 0;
  let leaving = 0;
  let wishes = 0;
  let prefills = 0;
  let decodes = 0;
  let maxTokens = 0;
  let maxQueryLen = 0;
  let variant = 0;
  let variantsDiffer = false;
  let vetoRank = -1;
  let eagerRank = -1;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_CONTROL) == CONTROL_LEAVE) leaving++;
    const tokens = vote(table, rank, VOTE_TOKENS);
    if (tokens == 0) continue;
    if (busy > 0 && vote(table, rank, VOTE_VARIANT) != variant) variantsDiffer = true;
    variant = vote(table, rank, VOTE_VARIANT);
    busy++;
    wishes += vote(table, rank, VOTE_WANTS_UBATCHES);
    maxTokens = max(maxTokens, tokens);
    prefills = max(prefills, vote(table, rank, VOTE_PREFILL_REQUESTS));
    decodes = max(decodes, vote(table, rank, VOTE_DECODE_REQUESTS));
    maxQueryLen = max(maxQueryLen, vote(table, rank, VOTE_MAX_QUERY_LEN));
    if (vetoRank < 0 && vote(table, rank, VOTE_GRAPH_VETO) != 0) vetoRank = rank;
    if (eagerRank < 0 && vote(table, rank, VOTE_GRAPH_MODE) == MODE_NONE) eagerRank = rank;
  }

  const words = DECISION_WORDS + MAX_PARTS * (PART_WORDS + ranks);
  for (let i = 0; i < words; i++) set(decision, i, 0);
  const phase = phaseOf(prefills, decodes);
  set(decision, DECISION_VERSION, LAYOUT_VERSION);
  set(decision, DECISION_STEP, vote(table, 0, VOTE_STEP));
  set(decision, DECISION_CAPTURE_KEY, -1);
  set(decision, DECISION_REASON_RANK, -1);
  set(decision, DECISION_PHASE, phase);
  set(decision, DECISION_RANKS, ranks);
  set(decision, DECISION_BUSY_RANKS, busy);
  set(decision, DECISION_UBATCH_WISHES, wishes);
  set(decision, DECISION_MAX_TOKENS, maxTokens);
  set(decision, DECISION_VARIANT, variantsDiffer ? -1 : variant);

  if (busy == 0) {
    set(decision, DECISION_RUN, RUN_PARK);
    set(decision, DECISION_LEAVE, leaving == ranks ? 1 : 0);
    set(decision, DECISION_REASON, leaving == ranks ? REASON_LEAVE : REASON_ALL_IDLE);
    return;
  }
  // Micro-batches need the wish of every busy rank; an idle rank neither asks nor refuses.
  const ubatches = wishes == busy ? get(region(REGION_POLICY), POLICY_UBATCHES) : 1;

  if (vetoRank >= 0) {
    eager(table, ranks, decision, ubatches, REASON_VETOED, vetoRank, vote(table, vetoRank, VOTE_GRAPH_VETO));
  } else if (eagerRank >= 0) {
    eager(table, ranks, decision, ubatches, REASON_ENFORCE_EAGER, eagerRank, 0);
  } else if (phase != PHASE_DECODE || limit(LIMIT_NUM_KEYS) == 0) {
    eager(table, ranks, decision, ubatches, REASON_NO_KEY_FOR_PHASE, rankOfPhase(table, ranks, prefills > 0), phase);
  } else {
    decode(table, ranks, decision, ubatches, wishes, decodes, maxQueryLen, variantsDiffer ? -1 : variant);
  }
}

/** First rank that holds a prefill, or a decode. */
function rankOfPhase(table: usize, ranks: i32, prefill: boolean): i32 {
  const word = prefill ? VOTE_PREFILL_REQUESTS : VOTE_DECODE_REQUESTS;
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, word) > 0) return rank;
  return -1;
}

/** First rank whose word equals the maximum that decided. */
function rankOf(table: usize, ranks: i32, word: i32, value: i32): i32 {
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, word) == value) return rank;
  return -1;
}

/** Every busy rank decodes: the smallest key that holds the largest of them, plain or ubatched as agreed. */
function decode(
  table: usize,
  ranks: i32,
  decision: usize,
  ubatches: i32,
  wishes: i32,
  requests: i32,
  maxQueryLen: i32,
  variant: i32,
): void {
  const q = queryLenIndex(maxQueryLen);
  if (q < 0) {
    const rank = rankOf(table, ranks, VOTE_MAX_QUERY_LEN, maxQueryLen);
    eager(table, ranks, decision, ubatches, REASON_NO_KEY_FOR_QUERY_LENGTH, rank, maxQueryLen);
    return;
  }
  const configuredParts = get(region(REGION_POLICY), POLICY_UBATCHES);
  const plain = keyOfVariant(q, 1, requests, variant);
  const twin = configuredParts > 1 ? keyOfVariant(q, configuredParts, requests, variant) : -1;
  const agreed = ubatches > 1;
  const key = agreed && twin >= 0 ? twin : plain;
  if (key < 0) {
    if (twin >= 0) {
      const rank = firstRefusal(table, ranks);
      eager(table, ranks, decision, ubatches, REASON_NO_PLAIN_TWIN, rank, get(keyAt(twin), KEY_TOKENS));
    } else if (dispatch(q, 1, requests) >= 0 || dispatch(q, configuredParts, requests) >= 0) {
      eager(table, ranks, decision, ubatches, REASON_NO_KEY_FOR_VARIANT, -1, variant);
    } else {
      const rank = rankOf(table, ranks, VOTE_DECODE_REQUESTS, requests);
      eager(table, ranks, decision, ubatches, REASON_ABOVE_LADDER, rank, requests - largest(q));
    }
    return;
  }
  let reason = REASON_GRAPH;
  if (key == twin) reason = REASON_GRAPH_UBATCHED;
  else if (wishes > 0) {
    const twinOfSize = twin >= 0 && get(keyAt(twin), KEY_TOKENS) == get(keyAt(key), KEY_TOKENS);
    set(decision, DECISION_PLAIN_TWIN, twinOfSize ? 1 : 0);
    reason = twinOfSize ? REASON_PLAIN_TWIN : REASON_PLAIN_ONLY;
    if (!agreed) set(decision, DECISION_REASON_RANK, firstRefusal(table, ranks));
  }
  graph(ranks, decision, key, reason);
}

function firstRefusal(table: usize, ranks: i32): i32 {
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_TOKENS) > 0 && vote(table, rank, VOTE_WANTS_UBATCHES) == 0) return rank;
  }
  return -1;
}

/** Most requests any key of query length index `q` holds. */
function largest(q: i32): i32 {
  let most = 0;
  for (let index = 0, keys = limit(LIMIT_NUM_KEYS); index < keys; index++) {
    const key = keyAt(index);
    if (queryLenIndex(get(key, KEY_QUERY_LEN)) == q) most = max(most, get(key, KEY_DECODE_REQUESTS));
  }
  return most;
}

/** Runs `key`: part sizes come from it alone, cut at whole requests and at multiples of the token alignment. */
function graph(ranks: i32, decision: usize, index: i32, reason: i32): void {
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
  let unit = 1;
  while ((unit * queryLen) % alignment != 0) unit++;
  return ((requests * part) / parts / unit) * unit;
}

/** The part moves `tokens` rows from every rank. */
function gather(part: usize, ranks: i32, tokens: i32): void {
  set(part, PART_GATHER, ranks == 1 ? GATHER_NONE : GATHER_PADDED);
  for (let rank = 0; rank < ranks; rank++) set(part, PART_WORDS + rank, tokens);
}

/** Everybody eager: own counts in one part, maxima over ranks in several. An idle rank runs a dummy. */
function eager(table: usize, ranks: i32, decision: usize, ubatches: i32, reason: i32, rank: i32, detail: i32): void {
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
