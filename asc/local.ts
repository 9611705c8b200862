// The sizes of one rank's tensors in a step, from the decision and the rank's own row. build_step() fills tensors of these sizes.
import { DECISION_WORDS, Decision, Limit, Local, PART_WORDS, Region, Run, VOTE_WORDS, Vote } from './layout';
import { rowAt } from './table';
import { get, limit, region, sameWords, set } from './words';

/** Writes the sizes of this planner's own tensors for `decision`. Writes nothing and returns false if the table's row of this rank is not its vote. */
export function sizeOwn(decision: usize): bool {
  const rank = limit(Limit.Rank);
  const vote = region(Region.OwnVote);
  if (!sameWords(vote, rowAt(region(Region.Votes), rank), VOTE_WORDS)) return false;
  sizeLocal(decision, vote, rank, region(Region.Local));
  return true;
}

/**
 * Writes the padded tokens, attention requests and query length of `rank` into `local`. In a decode graph every request has a
 * window of the key's query length. Elsewhere tokens are packed, and the query length is 0.
 */
export function sizeLocal(decision: usize, row: usize, rank: i32, local: usize): void {
  const run = get(decision, Decision.Run);
  const requests = max(1, get(row, Vote.PrefillRequests) + get(row, Vote.DecodeRequests));
  const full = run == Run.Full;
  let tokens = get(decision, Decision.PaddedTokens);
  if (run == Run.Eager) {
    // If the batch is cut, only its parts are padded: each part has buffers of its own.
    tokens =
      get(decision, Decision.Parts) > 1 ? get(row, Vote.Tokens) : get(decision, DECISION_WORDS + PART_WORDS + rank);
  }
  set(local, Local.PaddedTokens, tokens);
  set(local, Local.AttentionRequests, run == Run.Park ? 0 : full ? get(decision, Decision.PaddedRequests) : requests);
  const windows = full && get(decision, Decision.PaddedPrefillRequests) == 0;
  set(local, Local.QueryLen, windows ? get(decision, Decision.QueryLen) : 0);
}
