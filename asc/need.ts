// What a table of votes comes to: the reductions every choice is made from, kept in the region `need`.
import { Control, GraphAgreement, Mode, Need, Policy, Region, Vote } from './layout';
import { vote } from './table';
import { hysteresisAfter, phaseOf, policy, ubatchThreshold } from './vote-rules';
import { get, region, set } from './words';

export function need(word: i32): i32 {
  return get(region(Region.Need), word);
}

/** Reduces `ranks` rows. Idle ranks count only where a word says so. `previous`: the last decision, or 0. */
export function reduce(table: usize, ranks: i32, previous: usize): void {
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
    // Where modes are agreed, a rank without tokens runs a dummy batch, whose mode counts like any. Source: vLLM.
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
  const at = region(Region.Need);
  set(at, Need.BusyRanks, busy);
  set(at, Need.LeavingRanks, leaving);
  set(at, Need.Wishes, wishes);
  set(at, Need.HeldWishes, held);
  set(at, Need.Phase, phaseOf(prefills, decodes));
  set(at, Need.Tokens, tokens);
  set(at, Need.MinTokens, minTokens);
  set(at, Need.PrefillRequests, prefills);
  set(at, Need.DecodeRequests, decodes);
  set(at, Need.Requests, requests);
  set(at, Need.MaxQueryLen, maxQueryLen);
  set(at, Need.MaxDecodeQueryLen, maxDecodeQueryLen);
  set(at, Need.UniformQueryLen, uniformQueryLen);
  set(at, Need.Variant, variant);
  set(at, Need.GraphMode, mode);
  set(at, Need.PaddedTokens, agreement == GraphAgreement.MinModePadded ? paddedTokens : tokens);
  set(at, Need.Parts, 1);
  set(at, Need.VetoRank, vetoRank);
  set(at, Need.EagerRank, eagerRank);
}

/** Whether a rank that no longer reaches its threshold still counts as wishing, for the last step ran in micro-batches. */
export function keepsWish(table: usize, rank: i32, hysteresis: i32): boolean {
  if (hysteresis == 0 || vote(table, rank, Vote.Tokens) == 0) return false;
  if (vote(table, rank, Vote.CanSplit) == 0 || vote(table, rank, Vote.UbatchVeto) != 0) return false;
  return vote(table, rank, Vote.Tokens) >= ubatchThreshold(vote(table, rank, Vote.Phase)) - hysteresis;
}
