// The one decision every rank derives from the table of votes: a pure function of table, plan, policy and previous decision.
import { agreedParts } from './agree';
import { choose } from './choose';
import {
  Control,
  DECISION_WORDS,
  Decision,
  GraphAgreement,
  LAYOUT_VERSION,
  Limit,
  MAX_PARTS,
  Need,
  PART_WORDS,
  Policy,
  Reason,
  Region,
  Resolve,
  Run,
  Vote,
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
    if (vote(table, rank, Vote.Version) != LAYOUT_VERSION) return Resolve.Version;
  }
  for (let rank = 1; rank < ranks; rank++) {
    if (vote(table, rank, Vote.Step) != vote(table, 0, Vote.Step)) return Resolve.Step;
    if (vote(table, rank, Vote.PlanHash) != vote(table, 0, Vote.PlanHash)) return Resolve.Plan;
  }
  for (let rank = 0; rank < ranks; rank++) {
    if (brokenLimit(table, rank) >= 0) return Resolve.Limits;
  }
  if (limit(Limit.ReplicaSize) > 1 && replicaOutlier(table, ranks) >= 0) return Resolve.Replica;
  if (previous != 0 && vote(table, 0, Vote.Step) != get(previous, Decision.Step) + 1) return Resolve.Previous;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, Vote.Control) == Control.Fault) return Resolve.Fault;
  }
  decide(table, ranks, previous, decision);
  return Resolve.Ok;
}

function decide(table: usize, ranks: i32, previous: usize, decision: usize): void {
  reduce(table, ranks, previous);
  const parts = agreedParts(table, ranks, previous);
  set(region(Region.Need), Need.Parts, parts);

  const words = DECISION_WORDS + MAX_PARTS * (PART_WORDS + ranks);
  clear(decision, words);
  const busy = need(Need.BusyRanks);
  set(decision, Decision.Version, LAYOUT_VERSION);
  set(decision, Decision.Step, vote(table, 0, Vote.Step));
  set(decision, Decision.ReasonRank, -1);
  set(decision, Decision.CaptureKey, -1);
  set(decision, Decision.Phase, need(Need.Phase));
  set(decision, Decision.Ranks, ranks);
  set(decision, Decision.BusyRanks, busy);
  set(decision, Decision.UbatchWishes, need(Need.Wishes));
  set(decision, Decision.HeldWishes, need(Need.HeldWishes));
  set(decision, Decision.MaxTokens, need(Need.Tokens));
  set(decision, Decision.Variant, need(Need.Variant));

  if (busy == 0) {
    const leave = need(Need.LeavingRanks) == ranks;
    set(decision, Decision.Run, Run.Park);
    set(decision, Decision.Leave, leave ? 1 : 0);
    set(decision, Decision.Reason, leave ? Reason.Leave : Reason.AllIdle);
    return;
  }
  const vetoRank = need(Need.VetoRank);
  const eagerRank = need(Need.EagerRank);
  const enforced = policy(Policy.GraphAgreement) == GraphAgreement.Shape || policy(Policy.EnforceEager) != 0;
  if (vetoRank >= 0) {
    eager(table, ranks, decision, Reason.Vetoed, vetoRank, vote(table, vetoRank, Vote.GraphVeto));
  } else if (eagerRank >= 0 && enforced) {
    eager(table, ranks, decision, Reason.EnforceEager, eagerRank, 0);
  } else {
    choose(table, ranks, decision);
  }
}
