// The one decision that every rank derives from the table of votes: a pure function of table, plan, policy and previous decision.
import { agreeOnParts } from './agree';
import { chooseRun } from './choose';
import { writeEagerRun } from './decision';
import {
  Control,
  DECISION_WORDS,
  Decision,
  GraphAgreement,
  LAYOUT_VERSION,
  Limit,
  MAX_PARTS,
  PART_WORDS,
  Policy,
  Reason,
  Reduced,
  Region,
  Resolve,
  Run,
  Vote,
} from './layout';
import { reduce } from './reduction';
import { brokenLimit, replicaOutlier, vote } from './table';
import { clear, get, limit, policy, region, set } from './words';

/**
 * Refuses a table whose ranks do not vote on the same step, plan and layout, or that reports a fault; else writes the decision
 * and returns Resolve.Ok. `previous` is the address of the last decision, 0 before the first.
 */
export function resolve(table: usize, ranks: i32, previous: usize, decision: usize): i32 {
  const foreign = strangers(table, ranks);
  return foreign != Resolve.Ok ? foreign : resolveKin(table, ranks, previous, decision);
}

/** The same of rows that are known to be of one layout, step and plan. */
export function resolveKin(table: usize, ranks: i32, previous: usize, decision: usize): i32 {
  for (let rank = 0; rank < ranks; rank++) {
    if (brokenLimit(table, rank) >= 0) return Resolve.Limits;
  }
  return resolveSound(table, ranks, previous, decision);
}

/** The same of rows that are known to be within the limits besides. */
export function resolveSound(table: usize, ranks: i32, previous: usize, decision: usize): i32 {
  if (limit(Limit.ReplicaSize) > 1 && replicaOutlier(table, ranks) >= 0) return Resolve.Replica;
  if (previous != 0 && vote(table, 0, Vote.Step) != get(previous, Decision.Step) + 1) return Resolve.Previous;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, Vote.Control) == Control.Fault) return Resolve.Fault;
  }
  const reduction = region(Region.Reduction);
  reduce(table, ranks, previous, reduction);
  agreeOnParts(table, reduction, previous);
  decide(table, reduction, decision);
  return Resolve.Ok;
}

/** Resolve.Ok where all rows are of one layout, step and plan; else the first of these in which they differ. */
export function strangers(table: usize, ranks: i32): i32 {
  // The version is compared first, because it says what every other word means.
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, Vote.Version) != LAYOUT_VERSION) return Resolve.Version;
  }
  for (let rank = 1; rank < ranks; rank++) {
    if (vote(table, rank, Vote.Step) != vote(table, 0, Vote.Step)) return Resolve.Step;
    if (vote(table, rank, Vote.PlanHash) != vote(table, 0, Vote.PlanHash)) return Resolve.Plan;
  }
  return Resolve.Ok;
}

function decide(table: usize, reduction: usize, decision: usize): void {
  const ranks = get(reduction, Reduced.Ranks);
  clear(decision, DECISION_WORDS + MAX_PARTS * (PART_WORDS + ranks));
  set(decision, Decision.Version, LAYOUT_VERSION);
  set(decision, Decision.Step, vote(table, 0, Vote.Step));
  set(decision, Decision.ReasonRank, -1);
  set(decision, Decision.CaptureKey, -1);
  set(decision, Decision.Phase, get(reduction, Reduced.Phase));
  set(decision, Decision.Ranks, ranks);
  set(decision, Decision.BusyRanks, get(reduction, Reduced.BusyRanks));
  set(decision, Decision.UbatchWishes, get(reduction, Reduced.Wishes));
  set(decision, Decision.HeldWishes, get(reduction, Reduced.HeldWishes));
  set(decision, Decision.MaxTokens, get(reduction, Reduced.Tokens));
  set(decision, Decision.Variant, get(reduction, Reduced.Variant));

  if (get(reduction, Reduced.BusyRanks) == 0) {
    const leave = get(reduction, Reduced.LeavingRanks) == ranks;
    set(decision, Decision.Run, Run.Park);
    set(decision, Decision.Leave, leave ? 1 : 0);
    set(decision, Decision.Reason, leave ? Reason.Leave : Reason.AllIdle);
    return;
  }
  const vetoRank = get(reduction, Reduced.VetoRank);
  const eagerRank = get(reduction, Reduced.EagerRank);
  const enforced = policy(Policy.GraphAgreement) == GraphAgreement.Shape || policy(Policy.EnforceEager) != 0;
  if (vetoRank >= 0) {
    writeEagerRun(table, reduction, decision, Reason.Vetoed, vetoRank, vote(table, vetoRank, Vote.GraphVeto));
  } else if (eagerRank >= 0 && enforced) {
    writeEagerRun(table, reduction, decision, Reason.EnforceEager, eagerRank, 0);
  } else {
    chooseRun(table, reduction, decision);
  }
}
