// What became of every key of the plan in the step that was resolved last: the candidates a decision rejected, and why.
import { ANY_PARTS, kindOf, lacking, PIECEWISE_KEY, verdict } from './candidates';
import { CANDIDATE_WORDS, Candidate, Decision, Key, Limit, Need, Reason, Region, Run, Verdict } from './layout';
import { need } from './need';
import { keyAt } from './plan';
import { get, limit, region, set } from './words';

/** Fills the region `candidates`. `decision` is the one that `resolve` wrote last. */
export function explainCandidates(decision: usize): void {
  for (let index = 0, keys = limit(Limit.NumKeys); index < keys; index++) {
    const found = candidate(index, decision);
    const at = region(Region.Candidates) + ((<usize>(index * CANDIDATE_WORDS)) << 2);
    set(at, Candidate.Verdict, found);
    set(at, Candidate.Detail, lacking(keyAt(index), found));
  }
}

function candidate(index: i32, decision: usize): i32 {
  const chosen = get(decision, Decision.CaptureKey);
  if (index == chosen) return Verdict.Chosen;
  const run = get(decision, Decision.Run);
  const reason = get(decision, Decision.Reason);
  if (run == Run.Park || reason == Reason.Vetoed || reason == Reason.EnforceEager) return Verdict.StepEager;
  const found = verdict(index, get(decision, Decision.Ranks), ANY_PARTS);
  if (found != Verdict.Chosen) return found;
  const key = keyAt(index);
  if (kindOf(key) == PIECEWISE_KEY) return run == Run.Full ? Verdict.FullPreferred : otherwise(run);
  const agreed = need(Need.Parts) > 1;
  if (get(key, Key.Parts) > 1) return agreed ? otherwise(run) : Verdict.UbatchesNotAgreed;
  // Where no ubatched key holds the step, a plain one runs it.
  const plainRuns = chosen >= 0 && get(keyAt(chosen), Key.Parts) == 1;
  return agreed && !plainRuns ? Verdict.NotUbatched : otherwise(run);
}

/** A key that would have held the step. */
function otherwise(run: i32): i32 {
  return run == Run.Eager ? Verdict.StepEager : Verdict.Larger;
}
