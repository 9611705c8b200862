// Why no captured graph runs a step: what the key that came nearest to holding it lacks.
import {
  ANY_PARTS,
  DECODE_KEY,
  hasKind,
  kindOf,
  lacking,
  MIXED_KEY,
  shortDecodeSlots,
  strictShortage,
  verdict,
} from './candidates';
import {
  GRAPH_AGREEMENT_MIN_MODE_PADDED,
  KEY_TOKENS,
  LIMIT_NUM_KEYS,
  MODE_FULL,
  NEED_DECODE_REQUESTS,
  NEED_GRAPH_MODE,
  NEED_MAX_DECODE_QUERY_LEN,
  NEED_MAX_QUERY_LEN,
  NEED_PADDED_TOKENS,
  NEED_PHASE,
  NEED_PREFILL_REQUESTS,
  NEED_REQUESTS,
  NEED_TOKENS,
  NEED_VARIANT,
  PHASE_DECODE,
  POLICY_GRAPH_AGREEMENT,
  REASON_ABOVE_LADDER,
  REASON_ABOVE_PADDING_FACTOR,
  REASON_NO_KEY_FOR_PHASE,
  REASON_NO_KEY_FOR_QUERY_LENGTH,
  REASON_NO_KEY_FOR_VARIANT,
  VERDICT_MODE,
  VERDICT_PADDING_FACTOR,
  VERDICT_PHASE,
  VERDICT_PREFILL_REQUESTS,
  VERDICT_QUERY_LENGTH,
  VERDICT_REQUESTS,
  VERDICT_TOKENS,
  VERDICT_VARIANT,
  VOTE_DECODE_REQUESTS,
  VOTE_MAX_DECODE_QUERY_LEN,
  VOTE_MAX_QUERY_LEN,
  VOTE_PADDED_TOKENS,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
} from './layout';
import { need } from './need';
import { keyAt } from './plan';
import { eager } from './run';
import { rankOf, rankOfPhase, rankOfRequests } from './table';
import { policy } from './vote-rules';
import { get, limit } from './words';

/** Runs a step eager that no key holds. */
export function noKey(table: usize, ranks: i32, decision: usize): void {
  const index = nearestKey(ranks);
  const found = index < 0 ? VERDICT_PHASE : verdict(index, ranks, ANY_PARTS);
  if (found == VERDICT_PHASE || found == VERDICT_MODE) {
    const rank = rankOfPhase(table, ranks, need(NEED_PREFILL_REQUESTS) > 0);
    eager(table, ranks, decision, REASON_NO_KEY_FOR_PHASE, rank, need(NEED_PHASE));
    return;
  }
  if (found == VERDICT_VARIANT) {
    eager(table, ranks, decision, REASON_NO_KEY_FOR_VARIANT, -1, need(NEED_VARIANT));
    return;
  }
  const key = keyAt(index);
  if (found == VERDICT_QUERY_LENGTH) {
    const inSlot = kindOf(key) == MIXED_KEY && shortDecodeSlots(key);
    const longest = need(inSlot ? NEED_MAX_DECODE_QUERY_LEN : NEED_MAX_QUERY_LEN);
    const rank = rankOf(table, ranks, inSlot ? VOTE_MAX_DECODE_QUERY_LEN : VOTE_MAX_QUERY_LEN, longest);
    eager(table, ranks, decision, REASON_NO_KEY_FOR_QUERY_LENGTH, rank, longest);
  } else if (found == VERDICT_PADDING_FACTOR) {
    const rank = rankOf(table, ranks, VOTE_TOKENS, need(NEED_TOKENS));
    eager(table, ranks, decision, REASON_ABOVE_PADDING_FACTOR, rank, get(key, KEY_TOKENS));
  } else {
    eager(table, ranks, decision, REASON_ABOVE_LADDER, rankAbove(table, ranks, key, found), lacking(key, found));
  }
}

/** The rank whose batch `key` is too small for. */
function rankAbove(table: usize, ranks: i32, key: usize, found: i32): i32 {
  if (found == VERDICT_TOKENS) {
    const padded = policy(POLICY_GRAPH_AGREEMENT) == GRAPH_AGREEMENT_MIN_MODE_PADDED;
    return rankOf(table, ranks, padded ? VOTE_PADDED_TOKENS : VOTE_TOKENS, need(NEED_PADDED_TOKENS));
  }
  if (found == VERDICT_PREFILL_REQUESTS) {
    return rankOf(table, ranks, VOTE_PREFILL_REQUESTS, need(NEED_PREFILL_REQUESTS));
  }
  if (kindOf(key) == MIXED_KEY && strictShortage(key) == 0) return rankOfRequests(table, ranks, need(NEED_REQUESTS));
  return rankOf(table, ranks, VOTE_DECODE_REQUESTS, need(NEED_DECODE_REQUESTS));
}

/** Of the keys that passed most conditions the one that lacks least, or -1 where there are none. */
function nearestKey(ranks: i32): i32 {
  // Where decodes have keys of their own, those explain a step of decodes.
  const decodes = need(NEED_PHASE) == PHASE_DECODE && need(NEED_GRAPH_MODE) == MODE_FULL && hasKind(DECODE_KEY);
  let best = -1;
  let passed = -1;
  let lack = 0;
  for (let index = 0, keys = limit(LIMIT_NUM_KEYS); index < keys; index++) {
    const key = keyAt(index);
    if (decodes && kindOf(key) != DECODE_KEY) continue;
    const found = verdict(index, ranks, ANY_PARTS);
    const ownPassed = conditionsPassed(found, kindOf(key));
    const ownLack = lacking(key, found);
    if (ownPassed < passed || (ownPassed == passed && ownLack >= lack)) continue;
    best = index;
    passed = ownPassed;
    lack = ownLack;
  }
  return best;
}

/** What a decode key must pass, in the order in which `verdict` asks. */
const DECODE_CONDITIONS: StaticArray<i32> = [
  VERDICT_PHASE,
  VERDICT_MODE,
  VERDICT_QUERY_LENGTH,
  VERDICT_VARIANT,
  VERDICT_TOKENS,
  VERDICT_REQUESTS,
];

/** The same of a mixed or a piecewise key, of which the latter is not asked about requests. */
const OTHER_CONDITIONS: StaticArray<i32> = [
  VERDICT_PHASE,
  VERDICT_MODE,
  VERDICT_VARIANT,
  VERDICT_TOKENS,
  VERDICT_PREFILL_REQUESTS,
  VERDICT_REQUESTS,
  VERDICT_QUERY_LENGTH,
  VERDICT_PADDING_FACTOR,
];

/** Conditions that a key with this verdict passed before it failed. */
function conditionsPassed(found: i32, kind: i32): i32 {
  const conditions = kind == DECODE_KEY ? DECODE_CONDITIONS : OTHER_CONDITIONS;
  let passed = conditions.length - 1;
  while (passed > 0 && unchecked(conditions[passed]) != found) passed--;
  return passed;
}
