// The reduction of a table of votes: maxima, minima and common values over its ranks, from which every choice is made.
import { Control, GraphAgreement, Mode, Policy, Reduced, Vote } from './layout';
import { vote } from './table';
import { hysteresisAfter, phaseOf, ubatchThreshold } from './vote-rules';
import { policy, set } from './words';

/**
 * Reduces the votes of `ranks` ranks into `reduction`. Idle ranks count only where a word says so. `previous` is the last
 * decision, or 0. The step has one part and no refusing rank until `agreeOnParts` decides.
 */
export function reduce(table: usize, ranks: i32, previous: usize, reduction: usize): void {
  let busy = 0;
  let leaving = 0;
  let wishes = 0;
  let held = 0;
  let tokens = 0;
  let minTokens = i32.MAX_VALUE;
  let prefills = 0;
  let decodes = 0;
  let requests = 0;
  let maxQueryLen = 0;
  let maxDecodeQueryLen = 0;
  let uniformQueryLen = 0;
  let variant = 0;
  let mode = Mode.Full;
  let paddedTokens = 0;
  let vetoRank = -1;
  let eagerRank = -1;
  const agreement = policy(Policy.GraphAgreement);
  const byMode = agreement != GraphAgreement.Shape;
  const hysteresis = hysteresisAfter(previous);
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, Vote.Control) == Control.Leave) leaving++;
    const own = vote(table, rank, Vote.Tokens);
    minTokens = min(minTokens, own);
    paddedTokens = max(paddedTokens, vote(table, rank, Vote.PaddedTokens));
    // Where ranks agree by mode, a rank without tokens runs a dummy batch, whose mode counts like any other. Source: vLLM.
    if (byMode || own > 0) {
      const ownMode = vote(table, rank, Vote.GraphMode);
      mode = min(mode, ownMode);
      if (ownMode == Mode.None && eagerRank < 0) eagerRank = rank;
    }
    if (own == 0) continue;
    const uniform = vote(table, rank, Vote.UniformQueryLen);
    if (busy == 0) {
      variant = vote(table, rank, Vote.Variant);
      uniformQueryLen = uniform;
    } else {
      if (vote(table, rank, Vote.Variant) != variant) variant = -1;
      if (uniform != uniformQueryLen) uniformQueryLen = 0;
    }
    busy++;
    if (vote(table, rank, Vote.WantsUbatches) != 0) wishes++;
    else if (keepsWish(table, rank, hysteresis)) held++;
    const ownPrefills = vote(table, rank, Vote.PrefillRequests);
    const ownDecodes = vote(table, rank, Vote.DecodeRequests);
    tokens = max(tokens, own);
    prefills = max(prefills, ownPrefills);
    decodes = max(decodes, ownDecodes);
    requests = max(requests, ownPrefills + ownDecodes);
    maxQueryLen = max(maxQueryLen, vote(table, rank, Vote.MaxQueryLen));
    maxDecodeQueryLen = max(maxDecodeQueryLen, vote(table, rank, Vote.MaxDecodeQueryLen));
    if (vote(table, rank, Vote.GraphVeto) != 0 && vetoRank < 0) vetoRank = rank;
  }
  set(reduction, Reduced.Ranks, ranks);
  set(reduction, Reduced.BusyRanks, busy);
  set(reduction, Reduced.LeavingRanks, leaving);
  set(reduction, Reduced.Wishes, wishes);
  set(reduction, Reduced.HeldWishes, held);
  set(reduction, Reduced.Phase, phaseOf(prefills, decodes));
  set(reduction, Reduced.Tokens, tokens);
  set(reduction, Reduced.MinTokens, minTokens);
  set(reduction, Reduced.PrefillRequests, prefills);
  set(reduction, Reduced.DecodeRequests, decodes);
  set(reduction, Reduced.Requests, requests);
  set(reduction, Reduced.MaxQueryLen, maxQueryLen);
  set(reduction, Reduced.MaxDecodeQueryLen, maxDecodeQueryLen);
  set(reduction, Reduced.UniformQueryLen, uniformQueryLen);
  set(reduction, Reduced.Variant, variant);
  set(reduction, Reduced.GraphMode, mode);
  set(reduction, Reduced.PaddedTokens, agreement == GraphAgreement.MinModePadded ? paddedTokens : tokens);
  set(reduction, Reduced.VetoRank, vetoRank);
  set(reduction, Reduced.EagerRank, eagerRank);
  set(reduction, Reduced.Parts, 1);
  set(reduction, Reduced.RefusalRank, -1);
}

/** Whether a rank below its threshold still counts as wanting micro-batches, because the last step ran in them. */
export function keepsWish(table: usize, rank: i32, hysteresis: i32): boolean {
  if (hysteresis == 0 || vote(table, rank, Vote.Tokens) == 0) return false;
  if (vote(table, rank, Vote.CanSplit) == 0 || vote(table, rank, Vote.UbatchVeto) != 0) return false;
  return vote(table, rank, Vote.Tokens) >= ubatchThreshold(vote(table, rank, Vote.Phase)) - hysteresis;
}
