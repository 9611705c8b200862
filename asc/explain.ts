// What became of every key of the plan in the step that was resolved last: the candidates a decision rejected, and why.
import { ANY_PARTS, kindOf, lacking, PIECEWISE_KEY, verdict } from './candidates';
import {
  CANDIDATE_DETAIL,
  CANDIDATE_VERDICT,
  CANDIDATE_WORDS,
  DECISION_CAPTURE_KEY,
  DECISION_RANKS,
  DECISION_REASON,
  DECISION_RUN,
  KEY_PARTS,
  LIMIT_NUM_KEYS,
  NEED_PARTS,
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
  VERDICT_STEP_EAGER,
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
  const chosen = get(decision, DECISION_CAPTURE_KEY);
  if (index == chosen) return VERDICT_CHOSEN;
  const run = get(decision, DECISION_RUN);
  const reason = get(decision, DECISION_REASON);
  if (run == RUN_PARK || reason == REASON_VETOED || reason == REASON_ENFORCE_EAGER) return VERDICT_STEP_EAGER;
  const found = verdict(index, get(decision, DECISION_RANKS), ANY_PARTS);
  if (found != VERDICT_CHOSEN) return found;
  const key = keyAt(index);
  if (kindOf(key) == PIECEWISE_KEY) return run == RUN_FULL ? VERDICT_FULL_PREFERRED : otherwise(run);
  const agreed = need(NEED_PARTS) > 1;
  if (get(key, KEY_PARTS) > 1) return agreed ? otherwise(run) : VERDICT_UBATCHES_NOT_AGREED;
  // Where no ubatched key holds the step, a plain one runs it.
  const plainRuns = chosen >= 0 && get(keyAt(chosen), KEY_PARTS) == 1;
  return agreed && !plainRuns ? VERDICT_NOT_UBATCHED : otherwise(run);
}

/** A key that would have held the step. */
function otherwise(run: i32): i32 {
  return run == RUN_EAGER ? VERDICT_STEP_EAGER : VERDICT_LARGER;
}
