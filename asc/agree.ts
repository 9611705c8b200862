// Whether all ranks cut the step into micro-batches: one rule for each way of agreeing that a policy can name.
import {
  LAST_PART_REFUSE,
  NEED_BUSY_RANKS,
  NEED_HELD_WISHES,
  NEED_MIN_TOKENS,
  NEED_PADDED_TOKENS,
  NEED_PHASE,
  NEED_REFUSAL_RANK,
  NEED_UNIFORM_QUERY_LEN,
  NEED_WISHES,
  PHASE_DECODE,
  PHASE_IDLE,
  PHASE_PREFILL,
  POLICY_LAST_PART,
  POLICY_UBATCH_AGREEMENT,
  POLICY_UBATCHES,
  UBATCH_AGREEMENT_ALL_WISH,
  UBATCH_AGREEMENT_ANY_MINIMUM,
  UBATCH_AGREEMENT_BUSY_WISH,
  UBATCH_AGREEMENT_MIN_TOKENS,
  VOTE_CAN_SPLIT,
  VOTE_MEETS_MINIMUM,
  VOTE_PHASE,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
  VOTE_UBATCH_VETO,
} from './layout';
import { need } from './need';
import { vote } from './table';
import { policy, ubatchThreshold } from './vote-rules';

/** Parts of the step, after `reduce`: the policy's micro-batches where the ranks agree to them, else 1. */
export function agreedParts(table: usize, ranks: i32): i32 {
  const parts = policy(POLICY_UBATCHES);
  if (parts <= 1 || need(NEED_BUSY_RANKS) == 0 || !agreed(table, ranks)) return 1;
  // The last part of the rank with the fewest tokens would hold none. Source: vLLM's is_last_ubatch_empty.
  const lastEmpty = (need(NEED_PADDED_TOKENS) / parts) * (parts - 1) >= need(NEED_MIN_TOKENS);
  return policy(POLICY_LAST_PART) == LAST_PART_REFUSE && lastEmpty ? 1 : parts;
}

function agreed(table: usize, ranks: i32): boolean {
  const agreement = policy(POLICY_UBATCH_AGREEMENT);
  if (agreement == UBATCH_AGREEMENT_BUSY_WISH)
    return need(NEED_WISHES) + need(NEED_HELD_WISHES) == need(NEED_BUSY_RANKS);
  if (agreement == UBATCH_AGREEMENT_ALL_WISH) return ranks > 1 && need(NEED_WISHES) == ranks;
  if (agreement == UBATCH_AGREEMENT_MIN_TOKENS) {
    for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, VOTE_UBATCH_VETO) != 0) return false;
    const uniform = need(NEED_PHASE) == PHASE_DECODE && need(NEED_UNIFORM_QUERY_LEN) > 0;
    return ranks > 1 && need(NEED_MIN_TOKENS) >= ubatchThreshold(uniform ? PHASE_DECODE : PHASE_PREFILL);
  }
  let minimum = false;
  for (let rank = 0; rank < ranks; rank++) {
    const idle = vote(table, rank, VOTE_TOKENS) == 0;
    if (vote(table, rank, VOTE_UBATCH_VETO) != 0) return false;
    if (vote(table, rank, VOTE_CAN_SPLIT) == 0 && (!idle || agreement == UBATCH_AGREEMENT_ANY_MINIMUM)) return false;
    if (vote(table, rank, VOTE_MEETS_MINIMUM) != 0) minimum = true;
  }
  return agreement == UBATCH_AGREEMENT_ANY_MINIMUM ? minimum && allOrNonePrefill(table, ranks) : onePhase(table, ranks);
}

/** Busy ranks hold the same phase. */
function onePhase(table: usize, ranks: i32): boolean {
  let first = -1;
  for (let rank = 0; rank < ranks; rank++) {
    const phase = vote(table, rank, VOTE_PHASE);
    if (phase == PHASE_IDLE) continue;
    if (first >= 0 && phase != first) return false;
    first = phase;
  }
  return true;
}

/** Every rank holds a prefill, or none does. An idle rank holds none. */
function allOrNonePrefill(table: usize, ranks: i32): boolean {
  let prefills = 0;
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, VOTE_PREFILL_REQUESTS) > 0) prefills++;
  return prefills == 0 || prefills == ranks;
}

/** First rank that keeps the step from being cut, or -1: the one a reason names. */
export function firstRefusal(table: usize, ranks: i32): i32 {
  if (policy(POLICY_UBATCH_AGREEMENT) == UBATCH_AGREEMENT_BUSY_WISH) return need(NEED_REFUSAL_RANK);
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_MEETS_MINIMUM) == 0 || vote(table, rank, VOTE_CAN_SPLIT) == 0) return rank;
    if (vote(table, rank, VOTE_UBATCH_VETO) != 0) return rank;
  }
  return -1;
}
