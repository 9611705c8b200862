// Whether all ranks cut the step into micro-batches: one rule for each way of agreeing that a policy can name.
import { LastPart, Phase, Policy, Reduced, UbatchAgreement, Vote } from './layout';
import { keepsWish } from './reduction';
import { rankOf, vote } from './table';
import { hysteresisAfter, ubatchThreshold } from './vote-rules';
import { get, policy, set } from './words';

/**
 * Writes into the reduction of a step what the ranks agree to: as many parts as the policy's micro-batches, or the first rank that
 * refuses them. If no single rank refuses and yet they do not agree, both words stay as `reduce` wrote them: 1 part, rank -1.
 */
export function agreeOnParts(table: usize, reduction: usize, previous: usize): void {
  const parts = policy(Policy.Ubatches);
  if (parts <= 1 || get(reduction, Reduced.BusyRanks) == 0) return;
  const ranks = get(reduction, Reduced.Ranks);
  const hysteresis = hysteresisAfter(previous);
  for (let rank = 0; rank < ranks; rank++) {
    if (!refuses(table, rank, reduction, hysteresis)) continue;
    set(reduction, Reduced.RefusalRank, rank);
    return;
  }
  if (!groupAllows(table, reduction)) return;
  if (policy(Policy.LastPart) == LastPart.Refuse && lastPartEmpty(table, reduction, parts)) {
    set(reduction, Reduced.RefusalRank, rankOf(table, ranks, Vote.Tokens, get(reduction, Reduced.MinTokens)));
    return;
  }
  set(reduction, Reduced.Parts, parts);
}

/** Whether this rank refuses micro-batches, whatever the other ranks voted. */
function refuses(table: usize, rank: i32, reduction: usize, hysteresis: i32): boolean {
  const agreement = policy(Policy.UbatchAgreement);
  const idle = vote(table, rank, Vote.Tokens) == 0;
  if (agreement == UbatchAgreement.BusyWish) return !idle && !wishes(table, rank, hysteresis);
  if (agreement == UbatchAgreement.AllWish) return !wishes(table, rank, hysteresis);
  if (agreement == UbatchAgreement.SamePhase && idle) return false;
  if (vote(table, rank, Vote.UbatchVeto) != 0 || vote(table, rank, Vote.CanSplit) == 0) return true;
  if (agreement != UbatchAgreement.MinTokens) return false;
  // The decode threshold applies only if all ranks decode with one query length. Source: vLLM's dp_utils (V2).
  const uniform = get(reduction, Reduced.Phase) == Phase.Decode && get(reduction, Reduced.UniformQueryLen) > 0;
  return vote(table, rank, Vote.Tokens) < ubatchThreshold(uniform ? Phase.Decode : Phase.Prefill) - hysteresis;
}

function wishes(table: usize, rank: i32, hysteresis: i32): boolean {
  return vote(table, rank, Vote.WantsUbatches) != 0 || keepsWish(table, rank, hysteresis);
}

/** Conditions on the group rather than on one rank: vLLM needs several ranks; the other rules compare all busy ranks. */
function groupAllows(table: usize, reduction: usize): boolean {
  const agreement = policy(Policy.UbatchAgreement);
  const ranks = get(reduction, Reduced.Ranks);
  if (agreement == UbatchAgreement.AllWish || agreement == UbatchAgreement.MinTokens) return ranks > 1;
  if (agreement == UbatchAgreement.SamePhase) return onePhase(table, ranks);
  if (agreement != UbatchAgreement.AnyMinimum) return true;
  return anyMinimum(table, reduction) && allOrNonePrefill(table, ranks);
}

/** Whether some rank meets its minimum, or still counts as meeting it. */
function anyMinimum(table: usize, reduction: usize): boolean {
  for (let rank = 0, ranks = get(reduction, Reduced.Ranks); rank < ranks; rank++) {
    if (vote(table, rank, Vote.MeetsMinimum) != 0) return true;
  }
  return get(reduction, Reduced.HeldWishes) > 0;
}

/** Whether all busy ranks are in one phase. */
function onePhase(table: usize, ranks: i32): boolean {
  let first = -1;
  for (let rank = 0; rank < ranks; rank++) {
    const phase = vote(table, rank, Vote.Phase);
    if (phase == Phase.Idle) continue;
    if (first >= 0 && phase != first) return false;
    first = phase;
  }
  return true;
}

/** Whether every rank has a prefill, or no rank does. An idle rank has none. */
function allOrNonePrefill(table: usize, ranks: i32): boolean {
  let prefills = 0;
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, Vote.PrefillRequests) > 0) prefills++;
  return prefills == 0 || prefills == ranks;
}

/** Whether the last part has no real token on some rank, at the largest padded size of any. Source: vLLM's is_last_ubatch_empty. */
function lastPartEmpty(table: usize, reduction: usize, parts: i32): boolean {
  let padded = 0;
  for (let rank = 0, ranks = get(reduction, Reduced.Ranks); rank < ranks; rank++) {
    padded = max(padded, vote(table, rank, Vote.PaddedTokens));
  }
  return (padded / parts) * (parts - 1) >= get(reduction, Reduced.MinTokens);
}
