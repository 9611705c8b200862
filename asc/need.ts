// What a table of votes comes to: the reductions every choice is made from, kept in the region `need`.
import {
  CONTROL_LEAVE,
  GRAPH_AGREEMENT_MIN_MODE_PADDED,
  GRAPH_AGREEMENT_SHAPE,
  MODE_FULL,
  MODE_NONE,
  NEED_BUSY_RANKS,
  NEED_DECODE_REQUESTS,
  NEED_EAGER_RANK,
  NEED_GRAPH_MODE,
  NEED_HELD_WISHES,
  NEED_LEAVING_RANKS,
  NEED_MAX_DECODE_QUERY_LEN,
  NEED_MAX_QUERY_LEN,
  NEED_MIN_TOKENS,
  NEED_PADDED_TOKENS,
  NEED_PARTS,
  NEED_PHASE,
  NEED_PREFILL_REQUESTS,
  NEED_REQUESTS,
  NEED_TOKENS,
  NEED_UNIFORM_QUERY_LEN,
  NEED_VARIANT,
  NEED_VETO_RANK,
  NEED_WISHES,
  POLICY_GRAPH_AGREEMENT,
  REGION_NEED,
  VOTE_CAN_SPLIT,
  VOTE_CONTROL,
  VOTE_DECODE_REQUESTS,
  VOTE_GRAPH_MODE,
  VOTE_GRAPH_VETO,
  VOTE_MAX_DECODE_QUERY_LEN,
  VOTE_MAX_QUERY_LEN,
  VOTE_PADDED_TOKENS,
  VOTE_PHASE,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
  VOTE_UBATCH_VETO,
  VOTE_UNIFORM_QUERY_LEN,
  VOTE_VARIANT,
  VOTE_WANTS_UBATCHES,
} from './layout';
import { vote } from './table';
import { hysteresisAfter, phaseOf, policy, ubatchThreshold } from './vote-rules';
import { get, region, set } from './words';

export function need(word: i32): i32 {
  return get(region(REGION_NEED), word);
}

/** Reduces `ranks` rows. Idle ranks count only where a word says so. `previous`: the last decision, or 0. */
export function reduce(table: usize, ranks: i32, previous: usize): void {
  let busy = 0;
  let leaving = 0;
  let wishes = 0;
  let held = 0;
  let tokens = 0;
  let minTokens = i32.MAX_VALUE;
  let prefills = 0;
  let decodes = 0;
  let requests = 0;
  let maxQueryLen = 0;
  let maxDecodeQueryLen = 0;
  let uniformQueryLen = 0;
  let variant = 0;
  let mode = MODE_FULL;
  let paddedTokens = 0;
  let vetoRank = -1;
  let eagerRank = -1;
  const agreement = policy(POLICY_GRAPH_AGREEMENT);
  const byMode = agreement != GRAPH_AGREEMENT_SHAPE;
  const hysteresis = hysteresisAfter(previous);
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_CONTROL) == CONTROL_LEAVE) leaving++;
    const own = vote(table, rank, VOTE_TOKENS);
    minTokens = min(minTokens, own);
    paddedTokens = max(paddedTokens, vote(table, rank, VOTE_PADDED_TOKENS));
    // Where modes are agreed, a rank without tokens runs a dummy batch, whose mode counts like any. Source: vLLM.
    if (byMode || own > 0) {
      const ownMode = vote(table, rank, VOTE_GRAPH_MODE);
      mode = min(mode, ownMode);
      if (ownMode == MODE_NONE && eagerRank < 0) eagerRank = rank;
    }
    if (own == 0) continue;
    const uniform = vote(table, rank, VOTE_UNIFORM_QUERY_LEN);
    if (busy == 0) {
      variant = vote(table, rank, VOTE_VARIANT);
      uniformQueryLen = uniform;
    } else {
      if (vote(table, rank, VOTE_VARIANT) != variant) variant = -1;
      if (uniform != uniformQueryLen) uniformQueryLen = 0;
    }
    busy++;
    if (vote(table, rank, VOTE_WANTS_UBATCHES) != 0) wishes++;
    else if (keepsWish(table, rank, hysteresis)) held++;
    const ownPrefills = vote(table, rank, VOTE_PREFILL_REQUESTS);
    const ownDecodes = vote(table, rank, VOTE_DECODE_REQUESTS);
    tokens = max(tokens, own);
    prefills = max(prefills, ownPrefills);
    decodes = max(decodes, ownDecodes);
    requests = max(requests, ownPrefills + ownDecodes);
    maxQueryLen = max(maxQueryLen, vote(table, rank, VOTE_MAX_QUERY_LEN));
    maxDecodeQueryLen = max(maxDecodeQueryLen, vote(table, rank, VOTE_MAX_DECODE_QUERY_LEN));
    if (vote(table, rank, VOTE_GRAPH_VETO) != 0 && vetoRank < 0) vetoRank = rank;
  }
  const at = region(REGION_NEED);
  set(at, NEED_BUSY_RANKS, busy);
  set(at, NEED_LEAVING_RANKS, leaving);
  set(at, NEED_WISHES, wishes);
  set(at, NEED_HELD_WISHES, held);
  set(at, NEED_PHASE, phaseOf(prefills, decodes));
  set(at, NEED_TOKENS, tokens);
  set(at, NEED_MIN_TOKENS, minTokens);
  set(at, NEED_PREFILL_REQUESTS, prefills);
  set(at, NEED_DECODE_REQUESTS, decodes);
  set(at, NEED_REQUESTS, requests);
  set(at, NEED_MAX_QUERY_LEN, maxQueryLen);
  set(at, NEED_MAX_DECODE_QUERY_LEN, maxDecodeQueryLen);
  set(at, NEED_UNIFORM_QUERY_LEN, uniformQueryLen);
  set(at, NEED_VARIANT, variant);
  set(at, NEED_GRAPH_MODE, mode);
  set(at, NEED_PADDED_TOKENS, agreement == GRAPH_AGREEMENT_MIN_MODE_PADDED ? paddedTokens : tokens);
  set(at, NEED_PARTS, 1);
  set(at, NEED_VETO_RANK, vetoRank);
  set(at, NEED_EAGER_RANK, eagerRank);
}

/** Whether a rank that no longer reaches its threshold still counts as wishing, for the last step ran in micro-batches. */
export function keepsWish(table: usize, rank: i32, hysteresis: i32): boolean {
  if (hysteresis == 0 || vote(table, rank, VOTE_TOKENS) == 0) return false;
  if (vote(table, rank, VOTE_CAN_SPLIT) == 0 || vote(table, rank, VOTE_UBATCH_VETO) != 0) return false;
  return vote(table, rank, VOTE_TOKENS) >= ubatchThreshold(vote(table, rank, VOTE_PHASE)) - hysteresis;
}
