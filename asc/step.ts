// What a planner's step asks at once: each call from JavaScript costs as much as one of these rules.
import { Limit, Region, Resolve, VOTE_WORDS } from './layout';
import { sizeOwn } from './local';
import { writeCastGraph } from './own-graph';
import { resolveKin } from './resolve';
import { admitBeside, hashDecision, sealVote } from './seal';
import { rowAt } from './table';
import { writeBatch } from './vote';
import { copy, limit, region } from './words';

/**
 * Writes this planner's vote from its facts into its row of the table, as `writeVote` and then `sealVote`, and keeps it: gathering into the table may
 * change the row.
 */
export function castVote(
  step: i32,
  planHash: i32,
  decisionHash: i32,
  control: i32,
  faultCode: i32,
  variant: i32,
  graphVeto: i32,
  ubatchVeto: i32,
): void {
  const rank = limit(Limit.Rank);
  const row = rowAt(region(Region.Votes), rank);
  const facts = region(Region.Facts);
  writeCastGraph(row, writeBatch(row, facts, step, planHash, control, faultCode, variant, graphVeto, ubatchVeto));
  sealVote(row, rank, decisionHash);
  copy(region(Region.OwnVote), row, VOTE_WORDS);
}

/** Resolves a table that is admitted, as `admit` and then `resolve`: Resolve.Ok, or why either refuses it. This planner has cast its vote. */
export function resolveSealed(table: usize, ranks: i32, previous: usize, decision: usize): i32 {
  const refused = admitBeside(table, ranks, limit(Limit.Rank));
  return refused != Resolve.Ok ? refused : resolveKin(table, ranks, previous, decision);
}

/**
 * Writes the sizes of this planner's own tensors, and returns the hash of `decision`. Writes nothing and returns 0 if the table's row of
 * this rank is not its vote: the decision is then about another batch than the one that would be built.
 */
export function sizeHashed(decision: usize): i32 {
  return sizeOwn(decision) ? hashDecision(decision) : 0;
}
