// Whether all ranks cut the step into micro-batches: one rule for each way of agreeing that a policy can name.
import {
  LAST_PART_REFUSE,
  NEED_BUSY_RANKS,
  NEED_HELD_WISHES,
  NEED_MIN_TOKENS,
  NEED_PHASE,
  NEED_REFUSAL_RANK,
  NEED_UNIFORM_QUERY_LEN,
  PHASE_DECODE,
  PHASE_IDLE,
  PHASE_PREFILL,
  POLICY_LAST_PART,
  POLICY_UBATCH_AGREEMENT,
  POLICY_UBATCHES,
  REGION_NEED,
  UBATCH_AGREEMENT_ALL_WISH,
  UBATCH_AGREEMENT_ANY_MINIMUM,
  UBATCH_AGREEMENT_BUSY_WISH,
  UBATCH_AGREEMENT_MIN_TOKENS,
  UBATCH_AGREEMENT_SAME_PHASE,
  VOTE_CAN_SPLIT,
  VOTE_MEETS_MINIMUM,
  VOTE_PADDED_TOKENS,
  VOTE_PHASE,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
  VOTE_UBATCH_VETO,
  VOTE_WANTS_UBATCHES,
} from './layout';
import { keepsWish, need } from './need';
import { rankOf, vote } from './table';
import { hysteresisAfter, policy, ubatchThreshold } from './vote-rules';
import { region, set } from './words';

/**
 * Parts of the step, after `reduce`: the policy's micro-batches where the ranks agree to them, else 1. Notes in NEED_REFUSAL_RANK
 * the first rank that keeps the step from being cut, -1 where it is nobody's.
 */
export function agreedParts(table: usize, ranks: i32, previous: usize): i32 {
  const parts = policy(POLICY_UBATCHES);
  set(region(REGION_NEED), NEED_REFUSAL_RANK, -1);
  if (parts <= 1 || need(NEED_BUSY_RANKS) == 0) return 1;
  const hysteresis = hysteresisAfter(previous);
  for (let rank = 0; rank < ranks; rank++) {
    if (!refuses(table, rank, hysteresis)) continue;
    set(region(REGION_NEED), NEED_REFUSAL_RANK, rank);
    return 1;
  }
  if (!together(table, ranks)) return 1;
  if (policy(POLICY_LAST_PART) == LAST_PART_REFUSE && lastPartEmpty(table, ranks, parts)) {
    set(region(REGION_NEED), NEED_REFUSAL_RANK, rankOf(table, ranks, VOTE_TOKENS, need(NEED_MIN_TOKENS)));
    return 1;
  }
  return parts;
}

/** Whether this rank alone keeps the step from being cut. */
function refuses(table: usize, rank: i32, hysteresis: i32): boolean {
  const agreement = policy(POLICY_UBATCH_AGREEMENT);
  const idle = vote(table, rank, VOTE_TOKENS) == 0;
  if (agreement == UBATCH_AGREEMENT_BUSY_WISH) return !idle && !wishes(table, rank, hysteresis);
  if (agreement == UBATCH_AGREEMENT_ALL_WISH) return !wishes(table, rank, hysteresis);
  if (agreement == UBATCH_AGREEMENT_SAME_PHASE && idle) return false;
  if (vote(table, rank, VOTE_UBATCH_VETO) != 0 || vote(table, rank, VOTE_CAN_SPLIT) == 0) return true;
  if (agreement != UBATCH_AGREEMENT_MIN_TOKENS) return false;
  // Source: vLLM's dp_utils (V2): the decode threshold counts only where all ranks decode with one query length.
  const uniform = need(NEED_PHASE) == PHASE_DECODE && need(NEED_UNIFORM_QUERY_LEN) > 0;
  return vote(table, rank, VOTE_TOKENS) < ubatchThreshold(uniform ? PHASE_DECODE : PHASE_PREFILL) - hysteresis;
}

function wishes(table: usize, rank: i32, hysteresis: i32): boolean {
  return vote(table, rank, VOTE_WANTS_UBATCHES) != 0 || keepsWish(table, rank, hysteresis);
}

/** What no single rank can refuse: of vLLM that there are several ranks, else what busy ranks hold together. */
function together(table: usize, ranks: i32): boolean {
  const agreement = policy(POLICY_UBATCH_AGREEMENT);
  if (agreement == UBATCH_AGREEMENT_ALL_WISH || agreement == UBATCH_AGREEMENT_MIN_TOKENS) return ranks > 1;
  if (agreement == UBATCH_AGREEMENT_SAME_PHASE) return onePhase(table, ranks);
  if (agreement != UBATCH_AGREEMENT_ANY_MINIMUM) return true;
  return anyMinimum(table, ranks) && allOrNonePrefill(table, ranks);
}

function anyMinimum(table: usize, ranks: i32): boolean {
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, VOTE_MEETS_MINIMUM) != 0) return true;
  return need(NEED_HELD_WISHES) > 0;
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

/** At the largest size that any rank padded its own batch to. Source: vLLM's is_last_ubatch_empty. */
function lastPartEmpty(table: usize, ranks: i32, parts: i32): boolean {
  let padded = 0;
  for (let rank = 0; rank < ranks; rank++) padded = max(padded, vote(table, rank, VOTE_PADDED_TOKENS));
  return (padded / parts) * (parts - 1) >= need(NEED_MIN_TOKENS);
}
