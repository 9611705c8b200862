// What a planner's step asks at once: each call from JavaScript costs as much as one of these rules.
import { Resolve } from './layout';
import { sizeOwn } from './local';
import { resolveKin } from './resolve';
import { admit, hashDecision } from './seal';

/** Resolves a table that is admitted, as `admit` and then `resolve`: Resolve.Ok, or why either refuses it. */
export function resolveSealed(table: usize, ranks: i32, previous: usize, decision: usize): i32 {
  const refused = admit(table, ranks);
  return refused != Resolve.Ok ? refused : resolveKin(table, ranks, previous, decision);
}

/**
 * Writes the sizes of this planner's own tensors, and returns the hash of `decision`. Writes nothing and returns 0 if the table's row of
 * this rank is not its vote: the decision is then about another batch than the one that would be built.
 */
export function sizeHashed(decision: usize): i32 {
  return sizeOwn(decision) ? hashDecision(decision) : 0;
}
