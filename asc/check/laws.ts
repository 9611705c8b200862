// The properties that a step must have. They are written in other terms than the rules that are checked against them, on purpose.
import {
  ACTION_WORDS,
  Action,
  Control,
  DECISION_WORDS,
  Decision,
  EagerParts,
  Gather,
  PART_WORDS,
  Part,
  Policy,
  Run,
  Vote,
} from '../layout';
import { vote } from '../table';
import { get, policy } from '../words';

function action(actions: usize, rank: i32, word: i32): i32 {
  return get(actions + ((<usize>(rank * ACTION_WORDS)) << 2), word);
}

/** A word of the decision's record of `part`. */
export function partWord(decision: usize, ranks: i32, part: i32, word: i32): i32 {
  return get(decision, DECISION_WORDS + part * (PART_WORDS + ranks) + word);
}

/** Rows that a rank may bring to a part's collectives, by the decision. */
function agreedTokens(decision: usize, ranks: i32, part: i32, rank: i32): i32 {
  return partWord(decision, ranks, part, PART_WORDS + rank);
}

/** P1: what a rank prepares and runs follows from the decision alone. */
export function followsDecision(actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    if (action(actions, rank, Action.PreparedTokens) != action(actions, rank, Action.Tokens)) return false;
    if (action(actions, rank, Action.PreparedRequests) != action(actions, rank, Action.Requests)) return false;
    for (let part = 0; part < action(actions, rank, Action.Parts); part++) {
      if (action(actions, rank, Action.Part0Tokens + part) != agreedTokens(decision, ranks, part, rank)) return false;
    }
  }
  return true;
}

/** P2: all ranks enter the same collectives in the same order, each with the shape that the others expect. */
export function entersAlike(actions: usize, ranks: i32, decision: usize): boolean {
  if (ranks == 1) return true;
  for (let rank = 0; rank < ranks; rank++) {
    if (action(actions, rank, Action.Run) != action(actions, 0, Action.Run)) return false;
    if (action(actions, rank, Action.Key) != action(actions, 0, Action.Key)) return false;
    if (action(actions, rank, Action.Gather) != action(actions, 0, Action.Gather)) return false;
    const parts = action(actions, rank, Action.Parts);
    if (parts != action(actions, 0, Action.Parts)) return false;
    for (let part = 0; part < parts; part++) {
      if (action(actions, rank, Action.Part0Tokens + part) != agreedTokens(decision, ranks, part, rank)) return false;
    }
  }
  return true;
}

/** P2 beyond a step: ranks leave together or not at all, and none leaves while a rank has work or wants to stay. */
export function leavesTogether(table: usize, ranks: i32, decision: usize): boolean {
  let willing = 0;
  while (willing < ranks && wantsToLeave(table, willing)) willing++;
  return (get(decision, Decision.Leave) != 0) == (willing == ranks);
}

function wantsToLeave(table: usize, rank: i32): boolean {
  return vote(table, rank, Vote.Tokens) == 0 && vote(table, rank, Vote.Control) == Control.Leave;
}

/** P3: every part has a row on every rank, on idle ranks a dummy's. All ranks run the same parts, and those of a graph add up to it. */
export function partsHoldTokens(actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    const run = action(actions, rank, Action.Run);
    if (action(actions, rank, Action.Parts) != get(decision, Decision.Parts)) return false;
    if (run == Run.Park) continue;
    let total = 0;
    for (let part = 0; part < action(actions, rank, Action.Parts); part++) {
      const tokens = agreedTokens(decision, ranks, part, rank);
      if (tokens < 1) return false;
      total += tokens;
    }
    if (run != Run.Eager && total != get(decision, Decision.PaddedTokens)) return false;
  }
  return true;
}

/**
 * P4: a padded gather moves the same number of rows from every rank. A graph holds no other gather, because its sizes are captured.
 * Every gather moves at least a rank's own tokens, and those of its own cut where the ranks' cuts size the parts.
 */
export function gathersAlike(table: usize, actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    const parts = action(actions, rank, Action.Parts);
    const ownCut =
      parts > 1 && action(actions, rank, Action.Run) == Run.Eager && policy(Policy.EagerParts) == EagerParts.Maxima;
    let rows = 0;
    for (let part = 0; part < parts; part++) {
      const kind = partWord(decision, ranks, part, Part.Gather);
      const tokens = action(actions, rank, Action.Part0Tokens + part);
      rows += tokens;
      if ((kind == Gather.None) != (ranks == 1)) return false;
      if (action(actions, rank, Action.Key) >= 0 && kind != (ranks == 1 ? Gather.None : Gather.Padded)) return false;
      // The sizes of parts are agreed, and a sum of the ranks' own sizes is not.
      if (kind == Gather.Sum && parts > 1) return false;
      if (kind == Gather.Padded && tokens != action(actions, 0, Action.Part0Tokens + part)) return false;
      if (ownCut && tokens < vote(table, rank, Vote.Part0Tokens + part)) return false;
    }
    if (parts > 0 && rows < vote(table, rank, Vote.Tokens)) return false;
  }
  return true;
}

/** P5, on sizes: tensors are as long as what the step reads, aligned where they cross ranks, and hold the rank's batch. */
export function sizesFit(table: usize, actions: usize, ranks: i32, decision: usize): boolean {
  const alignment = policy(Policy.TokenAlignment);
  for (let rank = 0; rank < ranks; rank++) {
    const run = action(actions, rank, Action.Run);
    const tokens = action(actions, rank, Action.PreparedTokens);
    if (tokens < vote(table, rank, Vote.Tokens)) return false;
    if (run == Run.Park) continue;
    const requests = action(actions, rank, Action.PreparedRequests);
    const parts = get(decision, Decision.Parts);
    if (run != Run.Eager && tokens != get(decision, Decision.PaddedTokens)) return false;
    if (run == Run.Full && requests != get(decision, Decision.PaddedRequests)) return false;
    if (run == Run.Eager && parts == 1 && tokens != agreedTokens(decision, ranks, 0, rank)) return false;
    for (let part = 0; part < parts && alignment > 1; part++) {
      if (agreedTokens(decision, ranks, part, rank) % alignment != 0) return false;
    }
    const own = vote(table, rank, Vote.PrefillRequests) + vote(table, rank, Vote.DecodeRequests);
    if (requests < own || (run != Run.Full && requests != max(1, own))) return false;
  }
  return true;
}

/** P11: parts that overlap share no exclusive resource, and no rank's batch forbids cutting it. */
export function overlapsAlone(table: usize, actions: usize, ranks: i32): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    if (action(actions, rank, Action.Parts) <= 1) continue;
    if (vote(table, rank, Vote.Tokens) > 0 && vote(table, rank, Vote.UbatchVeto) != 0) return false;
    if (policy(Policy.ExclusiveResources) != 0 && action(actions, rank, Action.Overlap) != 0) return false;
  }
  return true;
}
