// What sizes one rank's tensors in a step: its part of the decision, from its own row. build_step() places the batch in these sizes.
import { DECISION_WORDS, Decision, Limit, Local, PART_WORDS, Region, Run, VOTE_WORDS, Vote } from './layout';
import { rowAt } from './table';
import { get, limit, region, sameWords, set } from './words';

/**
 * Sizes this planner's own local plan for `decision`. Returns 0, or, with nothing done, 1 where the table's row of this rank is
 * not its vote: the decision is then about another batch than the one that is built.
 */
export function sizeOwn(decision: usize): i32 {
  const rank = limit(Limit.Rank);
  const vote = region(Region.OwnVote);
  if (!sameWords(vote, rowAt(region(Region.Votes), rank), VOTE_WORDS)) return 1;
  sizeLocal(decision, vote, rank, region(Region.Local));
  return 0;
}

/**
 * Writes the padded tokens, attention requests and query length of `rank` into its local plan. In a decode graph every request
 * has a window of the key's query length; elsewhere tokens are packed, which a query length of 0 says.
 */
export function sizeLocal(decision: usize, row: usize, rank: i32, local: usize): void {
  const run = get(decision, Decision.Run);
  const requests = max(1, get(row, Vote.PrefillRequests) + get(row, Vote.DecodeRequests));
  const full = run == Run.Full;
  let tokens = get(decision, Decision.PaddedTokens);
  if (run == Run.Eager) {
    // Cut into parts, only the parts are padded: each has buffers of its own.
    tokens =
      get(decision, Decision.Parts) > 1 ? get(row, Vote.Tokens) : get(decision, DECISION_WORDS + PART_WORDS + rank);
  }
  set(local, Local.PaddedTokens, tokens);
  set(local, Local.AttentionRequests, run == Run.Park ? 0 : full ? get(decision, Decision.PaddedRequests) : requests);
  const windows = full && get(decision, Decision.PaddedPrefillRequests) == 0;
  set(local, Local.QueryLen, windows ? get(decision, Decision.QueryLen) : 0);
}
