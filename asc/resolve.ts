// The one decision every rank derives from the table of votes: a pure function of table, plan, policy and previous decision.
import { agreedParts } from './agree';
import { choose } from './choose';
import {
  CONTROL_FAULT,
  DECISION_BUSY_RANKS,
  DECISION_CAPTURE_KEY,
  DECISION_HELD_WISHES,
  DECISION_LEAVE,
  DECISION_MAX_TOKENS,
  DECISION_PHASE,
  DECISION_RANKS,
  DECISION_REASON,
  DECISION_REASON_RANK,
  DECISION_RUN,
  DECISION_STEP,
  DECISION_UBATCH_WISHES,
  DECISION_VARIANT,
  DECISION_VERSION,
  DECISION_WORDS,
  GRAPH_AGREEMENT_SHAPE,
  LAYOUT_VERSION,
  LIMIT_REPLICA_SIZE,
  MAX_PARTS,
  NEED_BUSY_RANKS,
  NEED_EAGER_RANK,
  NEED_HELD_WISHES,
  NEED_LEAVING_RANKS,
  NEED_PARTS,
  NEED_PHASE,
  NEED_TOKENS,
  NEED_VARIANT,
  NEED_VETO_RANK,
  NEED_WISHES,
  PART_WORDS,
  POLICY_ENFORCE_EAGER,
  POLICY_GRAPH_AGREEMENT,
  REASON_ALL_IDLE,
  REASON_ENFORCE_EAGER,
  REASON_LEAVE,
  REASON_VETOED,
  REGION_NEED,
  RESOLVE_FAULT,
  RESOLVE_LIMITS,
  RESOLVE_OK,
  RESOLVE_PLAN,
  RESOLVE_PREVIOUS,
  RESOLVE_REPLICA,
  RESOLVE_STEP,
  RESOLVE_VERSION,
  RUN_PARK,
  VOTE_CONTROL,
  VOTE_GRAPH_VETO,
  VOTE_PLAN_HASH,
  VOTE_STEP,
  VOTE_VERSION,
} from './layout';
import { need, reduce } from './need';
import { eager } from './run';
import { brokenLimit, replicaOutlier, vote } from './table';
import { policy } from './vote-rules';
import { clear, get, limit, region, set } from './words';

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
    if (brokenLimit(table, rank) >= 0) return RESOLVE_LIMITS;
  }
  if (limit(LIMIT_REPLICA_SIZE) > 1 && replicaOutlier(table, ranks) >= 0) return RESOLVE_REPLICA;
  if (previous != 0 && vote(table, 0, VOTE_STEP) != get(previous, DECISION_STEP) + 1) return RESOLVE_PREVIOUS;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_CONTROL) == CONTROL_FAULT) return RESOLVE_FAULT;
  }
  decide(table, ranks, previous, decision);
  return RESOLVE_OK;
}

function decide(table: usize, ranks: i32, previous: usize, decision: usize): void {
  reduce(table, ranks, previous);
  const parts = agreedParts(table, ranks, previous);
  set(region(REGION_NEED), NEED_PARTS, parts);

  const words = DECISION_WORDS + MAX_PARTS * (PART_WORDS + ranks);
  clear(decision, words);
  const busy = need(NEED_BUSY_RANKS);
  set(decision, DECISION_VERSION, LAYOUT_VERSION);
  set(decision, DECISION_STEP, vote(table, 0, VOTE_STEP));
  set(decision, DECISION_REASON_RANK, -1);
  set(decision, DECISION_CAPTURE_KEY, -1);
  set(decision, DECISION_PHASE, need(NEED_PHASE));
  set(decision, DECISION_RANKS, ranks);
  set(decision, DECISION_BUSY_RANKS, busy);
  set(decision, DECISION_UBATCH_WISHES, need(NEED_WISHES));
  set(decision, DECISION_HELD_WISHES, need(NEED_HELD_WISHES));
  set(decision, DECISION_MAX_TOKENS, need(NEED_TOKENS));
  set(decision, DECISION_VARIANT, need(NEED_VARIANT));

  if (busy == 0) {
    const leave = need(NEED_LEAVING_RANKS) == ranks;
    set(decision, DECISION_RUN, RUN_PARK);
    set(decision, DECISION_LEAVE, leave ? 1 : 0);
    set(decision, DECISION_REASON, leave ? REASON_LEAVE : REASON_ALL_IDLE);
    return;
  }
  const vetoRank = need(NEED_VETO_RANK);
  const eagerRank = need(NEED_EAGER_RANK);
  const enforced = policy(POLICY_GRAPH_AGREEMENT) == GRAPH_AGREEMENT_SHAPE || policy(POLICY_ENFORCE_EAGER) != 0;
  if (vetoRank >= 0) {
    eager(table, ranks, decision, REASON_VETOED, vetoRank, vote(table, vetoRank, VOTE_GRAPH_VETO));
  } else if (eagerRank >= 0 && enforced) {
    eager(table, ranks, decision, REASON_ENFORCE_EAGER, eagerRank, 0);
  } else {
    choose(table, ranks, decision);
  }
}
