// The properties of a step that are about captured graphs: none is missed, and none runs a batch that it does not hold.
import {
  DECISION_CAPTURE_KEY,
  DECISION_PADDED_REQUESTS,
  DECISION_PADDED_TOKENS,
  DECISION_PARTS,
  DECISION_PHASE,
  DECISION_RUN,
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
  PART_PADDED_REQUESTS,
  PART_PADDED_TOKENS,
  PHASE_DECODE,
  POLICY_ENFORCE_EAGER,
  POLICY_GRAPH_AGREEMENT,
  POLICY_MAX_PADDING_PERMILLE,
  RUN_FULL,
  RUN_PIECEWISE,
  VOTE_DECODE_REQUESTS,
  VOTE_GRAPH_VETO,
  VOTE_MAX_DECODE_QUERY_LEN,
  VOTE_MAX_QUERY_LEN,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
  VOTE_VARIANT,
} from '../layout';
import { keyAt } from '../plan';
import { vote } from '../table';
import { policy } from '../vote-rules';
import { get, limit } from '../words';
import { partWord } from './laws';

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
