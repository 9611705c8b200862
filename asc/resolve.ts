// The one decision every rank derives from the table of votes: a pure function of table, plan, policy and previous decision.
import {
  CONTROL_FAULT,
  CONTROL_LEAVE,
  DECISION_BUSY_RANKS,
  DECISION_CAPTURE_KEY,
  DECISION_LEAVE,
  DECISION_MAX_TOKENS,
  DECISION_PHASE,
  DECISION_PLAIN_TWIN,
  DECISION_RANKS,
  DECISION_REASON,
  DECISION_REASON_RANK,
  DECISION_RUN,
  DECISION_STEP,
  DECISION_UBATCH_WISHES,
  DECISION_VARIANT,
  DECISION_VERSION,
  DECISION_WORDS,
  KEY_TOKENS,
  LAYOUT_VERSION,
  LIMIT_NUM_KEYS,
  MAX_PARTS,
  MODE_NONE,
  PART_WORDS,
  PHASE_DECODE,
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
  RUN_PARK,
  VOTE_CONTROL,
  VOTE_DECODE_REQUESTS,
  VOTE_GRAPH_MODE,
  VOTE_GRAPH_VETO,
  VOTE_MAX_QUERY_LEN,
  VOTE_PLAN_HASH,
  VOTE_PREFILL_REQUESTS,
  VOTE_STEP,
  VOTE_TOKENS,
  VOTE_VARIANT,
  VOTE_VERSION,
  VOTE_WANTS_UBATCHES,
} from './layout';
import { keyAt, keyOfVariant, largest, queryLenIndex } from './plan';
import { eager, graph } from './run';
import { brokenLimit, firstRefusal, rankOf, rankOfPhase, vote } from './table';
import { phaseOf } from './vote';
import { get, limit, region, set } from './words';

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
  if (previous != 0 && vote(table, 0, VOTE_STEP) != get(previous, DECISION_STEP) + 1) return RESOLVE_PREVIOUS;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_CONTROL) == CONTROL_FAULT) return RESOLVE_FAULT;
  }
  decide(table, ranks, decision);
  return RESOLVE_OK;
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
      return;
    }
    const most = largest(q, variant);
    if (most == 0) {
      eager(table, ranks, decision, ubatches, REASON_NO_KEY_FOR_VARIANT, -1, variant);
    } else {
      const rank = rankOf(table, ranks, VOTE_DECODE_REQUESTS, requests);
      eager(table, ranks, decision, ubatches, REASON_ABOVE_LADDER, rank, requests - most);
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
