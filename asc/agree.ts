// Whether all ranks cut the step into micro-batches: one rule for each way of agreeing that a policy can name.
import { LastPart, Need, Phase, Policy, Region, UbatchAgreement, Vote } from './layout';
import { keepsWish, need } from './need';
import { rankOf, vote } from './table';
import { hysteresisAfter, policy, ubatchThreshold } from './vote-rules';
import { region, set } from './words';

/**
 * Parts of the step, after `reduce`: the policy's micro-batches where the ranks agree to them, else 1. Notes in Need.RefusalRank
 * the first rank that keeps the step from being cut, -1 where it is nobody's.
 */
export function agreedParts(table: usize, ranks: i32, previous: usize): i32 {
  const parts = policy(Policy.Ubatches);
  set(region(Region.Need), Need.RefusalRank, -1);
  if (parts <= 1 || need(Need.BusyRanks) == 0) return 1;
  const hysteresis = hysteresisAfter(previous);
  for (let rank = 0; rank < ranks; rank++) {
    if (!refuses(table, rank, hysteresis)) continue;
    set(region(Region.Need), Need.RefusalRank, rank);
    return 1;
  }
  if (!together(table, ranks)) return 1;
  if (policy(Policy.LastPart) == LastPart.Refuse && lastPartEmpty(table, ranks, parts)) {
    set(region(Region.Need), Need.RefusalRank, rankOf(table, ranks, Vote.Tokens, need(Need.MinTokens)));
    return 1;
  }
  return parts;
}

/** Whether this rank alone keeps the step from being cut. */
function refuses(table: usize, rank: i32, hysteresis: i32): boolean {
  const agreement = policy(Policy.UbatchAgreement);
  const idle = vote(table, rank, Vote.Tokens) == 0;
  if (agreement == UbatchAgreement.BusyWish) return !idle && !wishes(table, rank, hysteresis);
  if (agreement == UbatchAgreement.AllWish) return !wishes(table, rank, hysteresis);
  if (agreement == UbatchAgreement.SamePhase && idle) return false;
  if (vote(table, rank, Vote.UbatchVeto) != 0 || vote(table, rank, Vote.CanSplit) == 0) return true;
  if (agreement != UbatchAgreement.MinTokens) return false;
  // Source: vLLM's dp_utils (V2): the decode threshold counts only where all ranks decode with one query length.
  const uniform = need(Need.Phase) == Phase.Decode && need(Need.UniformQueryLen) > 0;
  return vote(table, rank, Vote.Tokens) < ubatchThreshold(uniform ? Phase.Decode : Phase.Prefill) - hysteresis;
}

function wishes(table: usize, rank: i32, hysteresis: i32): boolean {
  return vote(table, rank, Vote.WantsUbatches) != 0 || keepsWish(table, rank, hysteresis);
}

/** What no single rank can refuse: of vLLM that there are several ranks, else what busy ranks hold together. */
function together(table: usize, ranks: i32): boolean {
  const agreement = policy(Policy.UbatchAgreement);
  if (agreement == UbatchAgreement.AllWish || agreement == UbatchAgreement.MinTokens) return ranks > 1;
  if (agreement == UbatchAgreement.SamePhase) return onePhase(table, ranks);
  if (agreement != UbatchAgreement.AnyMinimum) return true;
  return anyMinimum(table, ranks) && allOrNonePrefill(table, ranks);
}

function anyMinimum(table: usize, ranks: i32): boolean {
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, Vote.MeetsMinimum) != 0) return true;
  return need(Need.HeldWishes) > 0;
}

/** Busy ranks hold the same phase. */
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

/** Every rank holds a prefill, or none does. An idle rank holds none. */
function allOrNonePrefill(table: usize, ranks: i32): boolean {
  let prefills = 0;
  for (let rank = 0; rank < ranks; rank++) if (vote(table, rank, Vote.PrefillRequests) > 0) prefills++;
  return prefills == 0 || prefills == ranks;
}

/** At the largest size that any rank padded its own batch to. Source: vLLM's is_last_ubatch_empty. */
function lastPartEmpty(table: usize, ranks: i32, parts: i32): boolean {
  let padded = 0;
  for (let rank = 0; rank < ranks; rank++) padded = max(padded, vote(table, rank, Vote.PaddedTokens));
  return (padded / parts) * (parts - 1) >= need(Need.MinTokens);
}
