// What became of every key of the plan in the step that was resolved last: the candidates a decision rejected, and why.
import { ANY_PARTS, kindOf, PIECEWISE_KEY, verdict } from './candidates';
import {
  CANDIDATE_DETAIL,
  CANDIDATE_VERDICT,
  CANDIDATE_WORDS,
  DECISION_CAPTURE_KEY,
  DECISION_PARTS,
  DECISION_RANKS,
  DECISION_REASON,
  DECISION_RUN,
  KEY_DECODE_REQUESTS,
  KEY_MAX_QUERY_LEN,
  KEY_PARTS,
  KEY_PREFILL_REQUESTS,
  KEY_QUERY_LEN,
  KEY_TOKENS,
  LIMIT_NUM_KEYS,
  NEED_DECODE_REQUESTS,
  NEED_MAX_QUERY_LEN,
  NEED_PADDED_TOKENS,
  NEED_PREFILL_REQUESTS,
  NEED_REQUESTS,
  REASON_ENFORCE_EAGER,
  REASON_VETOED,
  REGION_CANDIDATES,
  RUN_EAGER,
  RUN_FULL,
  RUN_PARK,
  VERDICT_CHOSEN,
  VERDICT_FULL_PREFERRED,
  VERDICT_LARGER,
  VERDICT_NOT_UBATCHED,
  VERDICT_PREFILL_REQUESTS,
  VERDICT_QUERY_LENGTH,
  VERDICT_REQUESTS,
  VERDICT_STEP_EAGER,
  VERDICT_TOKENS,
  VERDICT_UBATCHES_NOT_AGREED,
} from './layout';
import { need } from './need';
import { keyAt } from './plan';
import { get, limit, region, set } from './words';

/** Fills the region `candidates`. `decision` is the one that `resolve` wrote last. */
export function explainCandidates(decision: usize): void {
  for (let index = 0, keys = limit(LIMIT_NUM_KEYS); index < keys; index++) {
    const found = candidate(index, decision);
    const at = region(REGION_CANDIDATES) + ((<usize>(index * CANDIDATE_WORDS)) << 2);
    set(at, CANDIDATE_VERDICT, found);
    set(at, CANDIDATE_DETAIL, lacking(keyAt(index), found));
  }
}

function candidate(index: i32, decision: usize): i32 {
  if (index == get(decision, DECISION_CAPTURE_KEY)) return VERDICT_CHOSEN;
  const run = get(decision, DECISION_RUN);
  const reason = get(decision, DECISION_REASON);
  if (run == RUN_PARK || reason == REASON_VETOED || reason == REASON_ENFORCE_EAGER) return VERDICT_STEP_EAGER;
  const found = verdict(index, get(decision, DECISION_RANKS), ANY_PARTS);
  if (found != VERDICT_CHOSEN) return found;
  const key = keyAt(index);
  if (kindOf(key) == PIECEWISE_KEY && run == RUN_FULL) return VERDICT_FULL_PREFERRED;
  const parts = get(decision, DECISION_PARTS);
  if (get(key, KEY_PARTS) > 1 && parts == 1) return VERDICT_UBATCHES_NOT_AGREED;
  if (get(key, KEY_PARTS) == 1 && parts > 1) return VERDICT_NOT_UBATCHED;
  return run == RUN_EAGER ? VERDICT_STEP_EAGER : VERDICT_LARGER;
}

/** How much of what it lacks a rejected key lacks; 0 where that is no count. */
function lacking(key: usize, found: i32): i32 {
  if (found == VERDICT_TOKENS) return need(NEED_PADDED_TOKENS) - get(key, KEY_TOKENS);
  if (found == VERDICT_PREFILL_REQUESTS) return need(NEED_PREFILL_REQUESTS) - get(key, KEY_PREFILL_REQUESTS);
  if (found == VERDICT_REQUESTS) {
    const prefills = get(key, KEY_PREFILL_REQUESTS);
    if (prefills == 0) return need(NEED_DECODE_REQUESTS) - get(key, KEY_DECODE_REQUESTS);
    return max(1, need(NEED_REQUESTS) - prefills - get(key, KEY_DECODE_REQUESTS));
  }
  if (found == VERDICT_QUERY_LENGTH) {
    return need(NEED_MAX_QUERY_LEN) - max(get(key, KEY_MAX_QUERY_LEN), get(key, KEY_QUERY_LEN));
  }
  return 0;
}
