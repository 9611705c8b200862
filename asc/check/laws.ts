// The properties a step must have, said once more and in other words than the rules that are checked against them.
import {
  ACTION_GATHER,
  ACTION_KEY,
  ACTION_OVERLAP,
  ACTION_PART0_TOKENS,
  ACTION_PARTS,
  ACTION_PREPARED_REQUESTS,
  ACTION_PREPARED_TOKENS,
  ACTION_REQUESTS,
  ACTION_RUN,
  ACTION_TOKENS,
  ACTION_WORDS,
  CONTROL_LEAVE,
  DECISION_LEAVE,
  DECISION_PADDED_REQUESTS,
  DECISION_PADDED_TOKENS,
  DECISION_PARTS,
  DECISION_WORDS,
  EAGER_PARTS_MAXIMA,
  GATHER_NONE,
  GATHER_PADDED,
  GATHER_SUM,
  PART_GATHER,
  PART_WORDS,
  POLICY_EAGER_PARTS,
  POLICY_EXCLUSIVE_RESOURCES,
  POLICY_TOKEN_ALIGNMENT,
  RUN_EAGER,
  RUN_FULL,
  RUN_PARK,
  VOTE_CONTROL,
  VOTE_DECODE_REQUESTS,
  VOTE_PART0_TOKENS,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
  VOTE_UBATCH_VETO,
} from '../layout';
import { vote } from '../table';
import { policy } from '../vote-rules';
import { get } from '../words';

function action(actions: usize, rank: i32, word: i32): i32 {
  return get(actions + ((<usize>(rank * ACTION_WORDS)) << 2), word);
}

/** A word of the decision's record of `part`. */
export function partWord(decision: usize, ranks: i32, part: i32, word: i32): i32 {
  return get(decision, DECISION_WORDS + part * (PART_WORDS + ranks) + word);
}

/** Rows the decision lets a rank bring to a part's collectives. */
function agreedTokens(decision: usize, ranks: i32, part: i32, rank: i32): i32 {
  return partWord(decision, ranks, part, PART_WORDS + rank);
}

/** P1: what a rank prepares and runs follows from the decision: nothing of it is the rank's own idea. */
export function followsDecision(actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    if (action(actions, rank, ACTION_PREPARED_TOKENS) != action(actions, rank, ACTION_TOKENS)) return false;
    if (action(actions, rank, ACTION_PREPARED_REQUESTS) != action(actions, rank, ACTION_REQUESTS)) return false;
    for (let part = 0; part < action(actions, rank, ACTION_PARTS); part++) {
      if (action(actions, rank, ACTION_PART0_TOKENS + part) != agreedTokens(decision, ranks, part, rank)) return false;
    }
  }
  return true;
}

/** P2: the ranks enter the same collectives in the same order, each with a shape that the others expect. */
export function entersAlike(actions: usize, ranks: i32, decision: usize): boolean {
  if (ranks == 1) return true;
  for (let rank = 0; rank < ranks; rank++) {
    if (action(actions, rank, ACTION_RUN) != action(actions, 0, ACTION_RUN)) return false;
    if (action(actions, rank, ACTION_KEY) != action(actions, 0, ACTION_KEY)) return false;
    if (action(actions, rank, ACTION_GATHER) != action(actions, 0, ACTION_GATHER)) return false;
    const parts = action(actions, rank, ACTION_PARTS);
    if (parts != action(actions, 0, ACTION_PARTS)) return false;
    for (let part = 0; part < parts; part++) {
      if (action(actions, rank, ACTION_PART0_TOKENS + part) != agreedTokens(decision, ranks, part, rank)) return false;
    }
  }
  return true;
}

/** P2 beyond a step: ranks leave together or not at all, and nobody who has work or wishes to stay is left behind. */
export function leavesTogether(table: usize, ranks: i32, decision: usize): boolean {
  let all = true;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, VOTE_TOKENS) > 0 || vote(table, rank, VOTE_CONTROL) != CONTROL_LEAVE) all = false;
  }
  return (get(decision, DECISION_LEAVE) != 0) == all;
}

/** P3: every part has a row on every rank, an idle one's dummy too; the parts are those of all, and of a graph make it up. */
export function partsHoldTokens(actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    const run = action(actions, rank, ACTION_RUN);
    if (action(actions, rank, ACTION_PARTS) != get(decision, DECISION_PARTS)) return false;
    if (run == RUN_PARK) continue;
    let total = 0;
    for (let part = 0; part < action(actions, rank, ACTION_PARTS); part++) {
      const tokens = agreedTokens(decision, ranks, part, rank);
      if (tokens < 1) return false;
      total += tokens;
    }
    if (run != RUN_EAGER && total != get(decision, DECISION_PADDED_TOKENS)) return false;
  }
  return true;
}

/**
 * P4: a padded gather moves the same number of rows from every rank; a graph, whose sizes are baked, holds no other; any gather
 * moves at least a rank's own tokens, and those of its own cut where the parts are sized by the ranks' cuts.
 */
export function gathersAlike(table: usize, actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    const parts = action(actions, rank, ACTION_PARTS);
    const ownCut =
      parts > 1 && action(actions, rank, ACTION_RUN) == RUN_EAGER && policy(POLICY_EAGER_PARTS) == EAGER_PARTS_MAXIMA;
    let rows = 0;
    for (let part = 0; part < parts; part++) {
      const kind = partWord(decision, ranks, part, PART_GATHER);
      const tokens = action(actions, rank, ACTION_PART0_TOKENS + part);
      rows += tokens;
      if ((kind == GATHER_NONE) != (ranks == 1)) return false;
      if (action(actions, rank, ACTION_KEY) >= 0 && kind != (ranks == 1 ? GATHER_NONE : GATHER_PADDED)) return false;
      // Parts have agreed sizes, which a sum of the ranks' own would not be.
      if (kind == GATHER_SUM && parts > 1) return false;
      if (kind == GATHER_PADDED && tokens != action(actions, 0, ACTION_PART0_TOKENS + part)) return false;
      if (ownCut && tokens < vote(table, rank, VOTE_PART0_TOKENS + part)) return false;
    }
    if (parts > 0 && rows < vote(table, rank, VOTE_TOKENS)) return false;
  }
  return true;
}

/** P5, on sizes: tensors are as long as what runs reads, aligned where they cross ranks, and hold what the rank has. */
export function sizesFit(table: usize, actions: usize, ranks: i32, decision: usize): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    const run = action(actions, rank, ACTION_RUN);
    const tokens = action(actions, rank, ACTION_PREPARED_TOKENS);
    if (tokens < vote(table, rank, VOTE_TOKENS)) return false;
    if (run == RUN_PARK) continue;
    const requests = action(actions, rank, ACTION_PREPARED_REQUESTS);
    const parts = get(decision, DECISION_PARTS);
    if (run != RUN_EAGER && tokens != get(decision, DECISION_PADDED_TOKENS)) return false;
    if (run == RUN_FULL && requests != get(decision, DECISION_PADDED_REQUESTS)) return false;
    if (run == RUN_EAGER && parts == 1 && tokens != agreedTokens(decision, ranks, 0, rank)) return false;
    for (let part = 0; part < parts; part++) {
      if (agreedTokens(decision, ranks, part, rank) % policy(POLICY_TOKEN_ALIGNMENT) != 0) return false;
    }
    const own = vote(table, rank, VOTE_PREFILL_REQUESTS) + vote(table, rank, VOTE_DECODE_REQUESTS);
    if (requests < own || (run != RUN_FULL && requests != max(1, own))) return false;
  }
  return true;
}

/** P11: parts that overlap have every resource of theirs to themselves, and no rank's batch forbids its being cut. */
export function overlapsAlone(table: usize, actions: usize, ranks: i32): boolean {
  for (let rank = 0; rank < ranks; rank++) {
    if (action(actions, rank, ACTION_PARTS) <= 1) continue;
    if (vote(table, rank, VOTE_TOKENS) > 0 && vote(table, rank, VOTE_UBATCH_VETO) != 0) return false;
    if (policy(POLICY_EXCLUSIVE_RESOURCES) != 0 && action(actions, rank, ACTION_OVERLAP) != 0) return false;
  }
  return true;
}
