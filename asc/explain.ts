// The verdict on every key of the plan in the step that was resolved last: which one runs, and why each other one does not.
import { ANY_PARTS, lacking, verdict } from './candidates';
import { keyAt, kindOf } from './keys';
import {
  CANDIDATE_WORDS,
  Candidate,
  Decision,
  Key,
  KeyKind,
  Limit,
  Reason,
  Reduced,
  Region,
  Run,
  Verdict,
} from './layout';
import { get, limit, region, set } from './words';

/** Fills the region `candidates`. `decision` is the one that `resolve` wrote last. */
export function explainCandidates(decision: usize): void {
  const reduction = region(Region.Reduction);
  for (let index = 0, keys = limit(Limit.NumKeys); index < keys; index++) {
    const found = explainedVerdict(index, reduction, decision);
    const at = region(Region.Candidates) + ((<usize>(index * CANDIDATE_WORDS)) << 2);
    set(at, Candidate.Verdict, found);
    set(at, Candidate.Detail, lacking(keyAt(index), found, reduction));
  }
}

function explainedVerdict(index: i32, reduction: usize, decision: usize): i32 {
  const chosen = get(decision, Decision.CaptureKey);
  if (index == chosen) return Verdict.Chosen;
  const run = get(decision, Decision.Run);
  const reason = get(decision, Decision.Reason);
  if (run == Run.Park || reason == Reason.Vetoed || reason == Reason.EnforceEager) return Verdict.StepEager;
  const key = keyAt(index);
  const found = verdict(key, reduction, ANY_PARTS);
  if (found != Verdict.Chosen) return found;
  if (kindOf(key) == KeyKind.Piecewise) return run == Run.Full ? Verdict.FullPreferred : passedOver(run);
  const agreed = get(reduction, Reduced.Parts) > 1;
  if (get(key, Key.Parts) > 1) return agreed ? passedOver(run) : Verdict.UbatchesNotAgreed;
  // Where no ubatched key holds the step, a plain key runs it.
  const plainRuns = chosen >= 0 && get(keyAt(chosen), Key.Parts) == 1;
  return agreed && !plainRuns ? Verdict.NotUbatched : passedOver(run);
}

/** The verdict on a key that would have held the step. */
function passedOver(run: i32): i32 {
  return run == Run.Eager ? Verdict.StepEager : Verdict.Larger;
}
