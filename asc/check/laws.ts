// The properties a step must have, said once more and in other words than the rules that are checked against them.
import {
  ACTION_GATHER,
  ACTION_KEY,
  ACTION_OVERLAP,
  ACTION_PART0_TOKENS,
  ACTION_PARTS,
  ACTION_PREPARED_REQUESTS,
  ACTION_PREPARED_TOKENS,
  ACTION_REQUESTS,
  ACTION_RUN,
  ACTION_TOKENS,
  ACTION_WORDS,
  CONTROL_LEAVE,
  DECISION_CAPTURE_KEY,
  DECISION_LEAVE,
  DECISION_PADDED_REQUESTS,
  DECISION_PADDED_TOKENS,
  DECISION_PARTS,
  DECISION_PHASE,
  DECISION_RUN,
  DECISION_WORDS,
  EAGER_PARTS_MAXIMA,
  GATHER_NONE,
  GATHER_PADDED,
  GATHER_SUM,
  GRAPH_AGREEMENT_SHAPE,
  KEY_DECODE_REQUESTS,
  KEY_MAX_QUERY_LEN,
  KEY_MODE,
  KEY_PARTS,
  KEY_PREFILL_REQUESTS,
  KEY_QUERY_LEN,
  KEY_TOKENS,
  KEY_VARIANT,
  LIMIT_NUM_KEYS,
  MODE_PIECEWISE,
  PART_GATHER,
  PART_PADDED_REQUESTS,
  PART_PADDED_TOKENS,
  PART_WORDS,
  PHASE_DECODE,
  POLICY_EAGER_PARTS,
  POLICY_ENFORCE_EAGER,
  POLICY_EXCLUSIVE_RESOURCES,
  POLICY_GRAPH_AGREEMENT,
  POLICY_MAX_PADDING_PERMILLE,
  POLICY_TOKEN_ALIGNMENT,
  RUN_EAGER,
  RUN_FULL,
  RUN_PARK,
  RUN_PIECEWISE,
  VOTE_CONTROL,
  VOTE_DECODE_REQUESTS,
  VOTE_GRAPH_VETO,
  VOTE_MAX_DECODE_QUERY_LEN,
  VOTE_MAX_QUERY_LEN,
  VOTE_PART0_TOKENS,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
  VOTE_UBATCH_VETO,
  VOTE_VARIANT,
} from '../layout';
import { keyAt } from '../plan';
import { vote } from '../table';
import { policy } from '../vote-rules';
import { get, limit } from '../words';

function action(actions: usize, rank: i32, word: i32): i32 {
  return get(actions + ((<usize>(rank * ACTION_WORDS)) << 2), word);
}

/** A word of the decision's record of `part`. */
function partWord(decision: usize, ranks: i32, part: i32, word: i32): i32 {
  return get(decision, DECISION_WORDS + part * (PART_WORDS + ranks) + word);
}

/** Rows the decision lets a rank bring to a part's collectives. */
function agreedTokens(decision: usize, ranks: i32, part: i32, rank: i32): i32 {
  return partWord(decision, ranks, part, PART_WORDS + rank);
}

/** P1: what a rank prepares and runs follows from the decision: nothing of it is the rank's own idea. */
export function followsDecision(actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    if (action(actions, rank, ACTION_PREPARED_TOKENS) != action(actions, rank, ACTION_TOKENS)) return false;
    if (action(actions, rank, ACTION_PREPARED_REQUESTS) != action(actions, rank, ACTION_REQUESTS)) return false;
    for (let part = 0; part < action(actions, rank, ACTION_PARTS); part++) {
      if (action(actions, rank, ACTION_PART0_TOKENS + part) != agreedTokens(decision, ranks, part, rank)) return false;
    }
  }
  return true;
}

/** P2: the ranks enter the same collectives in the same order, each with a shape that the others expect. */
export function entersAlike(actions: usize, ranks: i32, decision: usize): boolean {
  if (ranks == 1) return true;
  for (let rank = 0; rank < ranks; rank++) {
    if (action(actions, rank, ACTION_RUN) != action(actions, 0, ACTION_RUN)) return false;
    if (action(actions, rank, ACTION_KEY) != action(actions, 0, ACTION_KEY)) return false;
    if (action(actions, rank, ACTION_GATHER) != action(actions, 0, ACTION_GATHER)) return false;
    const parts = action(actions, rank, ACTION_PARTS);
    if (parts != action(actions, 0, ACTION_PARTS)) return false;
    for (let part = 0; part < parts; part++) {
      if (action(actions, rank, ACTION_PART0_TOKENS + part) != agreedTokens(decision, ranks, part, rank)) return false;
    }
  }
  return true;
}

/** P2 beyond a step: ranks leave together or not at all, and nobody who has work or wishes to stay is left behind. */
export function leavesTogether(table: usize, ranks: i32, decision: usize): boolean {
  let all = true;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_TOKENS) > 0 || vote(table, rank, VOTE_CONTROL) != CONTROL_LEAVE) all = false;
  }
  return (get(decision, DECISION_LEAVE) != 0) == all;
}

/** P3: every part has a row on every rank, an idle one's dummy too; the parts are those of all, and of a graph make it up. */
export function partsHoldTokens(actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    const run = action(actions, rank, ACTION_RUN);
    if (action(actions, rank, ACTION_PARTS) != get(decision, DECISION_PARTS)) return false;
    if (run == RUN_PARK) continue;
    let total = 0;
    for (let part = 0; part < action(actions, rank, ACTION_PARTS); part++) {
      const tokens = agreedTokens(decision, ranks, part, rank);
      if (tokens < 1) return false;
      total += tokens;
    }
    if (run != RUN_EAGER && total != get(decision, DECISION_PADDED_TOKENS)) return false;
  }
  return true;
}

/**
 * P4: a padded gather moves the same number of rows from every rank; a graph, whose sizes are baked, holds no other; any gather
 * moves at least a rank's own tokens, and those of its own cut where the parts are sized by the ranks' cuts.
 */
export function gathersAlike(table: usize, actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    const parts = action(actions, rank, ACTION_PARTS);
    const ownCut =
      parts > 1 && action(actions, rank, ACTION_RUN) == RUN_EAGER && policy(POLICY_EAGER_PARTS) == EAGER_PARTS_MAXIMA;
    let rows = 0;
    for (let part = 0; part < parts; part++) {
      const kind = partWord(decision, ranks, part, PART_GATHER);
      const tokens = action(actions, rank, ACTION_PART0_TOKENS + part);
      rows += tokens;
      if ((kind == GATHER_NONE) != (ranks == 1)) return false;
      if (action(actions, rank, ACTION_KEY) >= 0 && kind != (ranks == 1 ? GATHER_NONE : GATHER_PADDED)) return false;
      // Parts have agreed sizes, which a sum of the ranks' own would not be.
      if (kind == GATHER_SUM && parts > 1) return false;
      if (kind == GATHER_PADDED && tokens != action(actions, 0, ACTION_PART0_TOKENS + part)) return false;
      if (ownCut && tokens < vote(table, rank, VOTE_PART0_TOKENS + part)) return false;
    }
    if (parts > 0 && rows < vote(table, rank, VOTE_TOKENS)) return false;
  }
  return true;
}

/** P5, on sizes: tensors are as long as what runs reads, aligned where they cross ranks, and hold what the rank has. */
export function sizesFit(table: usize, actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    const run = action(actions, rank, ACTION_RUN);
    const tokens = action(actions, rank, ACTION_PREPARED_TOKENS);
    if (tokens < vote(table, rank, VOTE_TOKENS)) return false;
    if (run == RUN_PARK) continue;
    const requests = action(actions, rank, ACTION_PREPARED_REQUESTS);
    const parts = get(decision, DECISION_PARTS);
    if (run != RUN_EAGER && tokens != get(decision, DECISION_PADDED_TOKENS)) return false;
    if (run == RUN_FULL && requests != get(decision, DECISION_PADDED_REQUESTS)) return false;
    if (run == RUN_EAGER && parts == 1 && tokens != agreedTokens(decision, ranks, 0, rank)) return false;
    for (let part = 0; part < parts; part++) {
      if (agreedTokens(decision, ranks, part, rank) % policy(POLICY_TOKEN_ALIGNMENT) != 0) return false;
    }
    const own = vote(table, rank, VOTE_PREFILL_REQUESTS) + vote(table, rank, VOTE_DECODE_REQUESTS);
    if (requests < own || (run != RUN_FULL && requests != max(1, own))) return false;
  }
  return true;
}

/** P6: an eager step was vetoed, or no captured graph could have held it. */
export function graphNotMissed(table: usize, ranks: i32, decision: usize): boolean {
  if (policy(POLICY_ENFORCE_EAGER) != 0) return true;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_TOKENS) > 0 && vote(table, rank, VOTE_GRAPH_VETO) != 0) return true;
  }
  const queryLen = get(decision, DECISION_PHASE) == PHASE_DECODE ? shortestQueryLen(table, ranks) : 0;
  for (let index = 0, keys = limit(LIMIT_NUM_KEYS); index < keys; index++) {
    if (couldHold(keyAt(index), table, ranks, decision, queryLen)) return false;
  }
  return true;
}

/** The shortest captured query length with a place for every token of a decode. */
function shortestQueryLen(table: usize, ranks: i32): i32 {
  let shortest = 0;
  for (let index = 0, keys = limit(LIMIT_NUM_KEYS); index < keys; index++) {
    const key = keyAt(index);
    const length = get(key, KEY_QUERY_LEN);
    if (get(key, KEY_MODE) == MODE_PIECEWISE || get(key, KEY_PREFILL_REQUESTS) > 0) continue;
    let holds = true;
    for (let rank = 0; rank < ranks; rank++) {
      if (vote(table, rank, VOTE_MAX_QUERY_LEN) > length) holds = false;
    }
    if (holds && (shortest == 0 || length < shortest)) shortest = length;
  }
  return shortest;
}

function couldHold(key: usize, table: usize, ranks: i32, decision: usize, queryLen: i32): boolean {
  const decode = get(decision, DECISION_PHASE) == PHASE_DECODE;
  const piecewise = get(key, KEY_MODE) == MODE_PIECEWISE;
  let most = 0;
  for (let rank = 0; rank < ranks; rank++) {
    const tokens = vote(table, rank, VOTE_TOKENS);
    if (tokens == 0) continue;
    if (vote(table, rank, VOTE_VARIANT) != get(key, KEY_VARIANT)) return false;
    most = max(most, tokens);
    if (!piecewise && !slotsHold(key, table, rank)) return false;
  }
  if (get(key, KEY_TOKENS) < most) return false;
  if (!piecewise && decode) return get(key, KEY_PREFILL_REQUESTS) == 0 && get(key, KEY_QUERY_LEN) == queryLen;
  return withinPadding(key, most);
}

/**
 * P9: the graph that runs has the sizes it was captured with, its slots hold every rank's batch (tokens, prefills, decodes, the
 * variant), no rank forbids it, and outside decodes it is no larger than the padding factor lets it be.
 */
export function keyHoldsBatch(table: usize, ranks: i32, decision: usize): boolean {
  const index = get(decision, DECISION_CAPTURE_KEY);
  const run = get(decision, DECISION_RUN);
  if ((run == RUN_FULL || run == RUN_PIECEWISE) != index >= 0) return false;
  if (index < 0) return true;
  const key = keyAt(index);
  if (policy(POLICY_ENFORCE_EAGER) != 0 || !runsAsCaptured(key, ranks, decision)) return false;
  let most = 0;
  for (let rank = 0; rank < ranks; rank++) {
    const tokens = vote(table, rank, VOTE_TOKENS);
    if (tokens > get(key, KEY_TOKENS)) return false;
    if (get(key, KEY_MODE) != MODE_PIECEWISE && !slotsHold(key, table, rank)) return false;
    if (tokens == 0) continue;
    if (vote(table, rank, VOTE_VARIANT) != get(key, KEY_VARIANT) || vote(table, rank, VOTE_GRAPH_VETO) != 0)
      return false;
    most = max(most, tokens);
  }
  const decodes = get(key, KEY_MODE) != MODE_PIECEWISE && get(key, KEY_PREFILL_REQUESTS) == 0;
  return decodes || policy(POLICY_GRAPH_AGREEMENT) != GRAPH_AGREEMENT_SHAPE || withinPadding(key, most);
}

function withinPadding(key: usize, most: i32): boolean {
  return <i64>get(key, KEY_TOKENS) * 1000 <= <i64>most * <i64>policy(POLICY_MAX_PADDING_PERMILLE);
}

/** Whether the step has the mode, sizes and parts of its key; of a decode graph each part is whole windows of its requests. */
function runsAsCaptured(key: usize, ranks: i32, decision: usize): boolean {
  const piecewise = get(key, KEY_MODE) == MODE_PIECEWISE;
  const requests = get(key, KEY_PREFILL_REQUESTS) + get(key, KEY_DECODE_REQUESTS);
  if ((get(decision, DECISION_RUN) == RUN_PIECEWISE) != piecewise) return false;
  if (get(decision, DECISION_PADDED_TOKENS) != get(key, KEY_TOKENS)) return false;
  if (get(decision, DECISION_PADDED_REQUESTS) != requests) return false;
  if (piecewise) return true;
  const parts = get(decision, DECISION_PARTS);
  if (parts != get(key, KEY_PARTS)) return false;
  if (get(key, KEY_PREFILL_REQUESTS) > 0) return true;
  for (let part = 0; part < parts; part++) {
    const windows = partWord(decision, ranks, part, PART_PADDED_REQUESTS) * get(key, KEY_QUERY_LEN);
    if (partWord(decision, ranks, part, PART_PADDED_TOKENS) != windows) return false;
  }
  return true;
}

/** Prefills only in prefill slots, decodes in what is left, and no request longer than its slot. */
function slotsHold(key: usize, table: usize, rank: i32): boolean {
  const prefills = vote(table, rank, VOTE_PREFILL_REQUESTS);
  const decodes = vote(table, rank, VOTE_DECODE_REQUESTS);
  const prefillSlots = get(key, KEY_PREFILL_REQUESTS);
  const decodeSlots = get(key, KEY_DECODE_REQUESTS);
  if (prefills > prefillSlots || decodes > decodeSlots + prefillSlots - prefills) return false;
  if (decodeSlots > 0 && vote(table, rank, VOTE_MAX_DECODE_QUERY_LEN) > get(key, KEY_QUERY_LEN)) return false;
  return vote(table, rank, VOTE_MAX_QUERY_LEN) <= get(key, KEY_MAX_QUERY_LEN);
}

/** P11: parts that overlap have every resource of theirs to themselves, and no rank's batch forbids its being cut. */
export function overlapsAlone(table: usize, actions: usize, ranks: i32): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    if (action(actions, rank, ACTION_PARTS) <= 1) continue;
    if (vote(table, rank, VOTE_TOKENS) > 0 && vote(table, rank, VOTE_UBATCH_VETO) != 0) return false;
    if (policy(POLICY_EXCLUSIVE_RESOURCES) != 0 && action(actions, rank, ACTION_OVERLAP) != 0) return false;
  }
  return true;
}
