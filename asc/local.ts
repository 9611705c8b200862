// What sizes one rank's tensors in a step: its part of the decision, from its own row. build_step() places the batch in these sizes.
import {
  DECISION_PADDED_PREFILL_REQUESTS,
  DECISION_PADDED_REQUESTS,
  DECISION_PADDED_TOKENS,
  DECISION_PARTS,
  DECISION_QUERY_LEN,
  DECISION_RUN,
  DECISION_WORDS,
  LIMIT_RANK,
  LOCAL_ATTENTION_REQUESTS,
  LOCAL_PADDED_TOKENS,
  LOCAL_QUERY_LEN,
  PART_WORDS,
  REGION_LOCAL,
  REGION_OWN_VOTE,
  REGION_VOTES,
  RUN_EAGER,
  RUN_FULL,
  RUN_PARK,
  VOTE_DECODE_REQUESTS,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
  VOTE_WORDS,
} from './layout';
import { rowAt } from './table';
import { get, limit, region, sameWords, set } from './words';

/**
 * Sizes this planner's own local plan for `decision`. Returns 0, or, with nothing done, 1 where the table's row of this rank is
 * not its vote: the decision is then about another batch than the one that is built.
 */
export function sizeOwn(decision: usize): i32 {
  const rank = limit(LIMIT_RANK);
  const vote = region(REGION_OWN_VOTE);
  if (!sameWords(vote, rowAt(region(REGION_VOTES), rank), VOTE_WORDS)) return 1;
  sizeLocal(decision, vote, rank, region(REGION_LOCAL));
  return 0;
}

/**
 * Writes the padded tokens, attention requests and query length of `rank` into its local plan. In a decode graph every request
 * has a window of the key's query length; elsewhere tokens are packed, which a query length of 0 says.
 */
export function sizeLocal(decision: usize, row: usize, rank: i32, local: usize): void {
  const run = get(decision, DECISION_RUN);
  const requests = max(1, get(row, VOTE_PREFILL_REQUESTS) + get(row, VOTE_DECODE_REQUESTS));
  const full = run == RUN_FULL;
  let tokens = get(decision, DECISION_PADDED_TOKENS);
  if (run == RUN_EAGER) {
    // Cut into parts, only the parts are padded: each has buffers of its own.
    tokens =
      get(decision, DECISION_PARTS) > 1 ? get(row, VOTE_TOKENS) : get(decision, DECISION_WORDS + PART_WORDS + rank);
  }
  set(local, LOCAL_PADDED_TOKENS, tokens);
  set(local, LOCAL_ATTENTION_REQUESTS, run == RUN_PARK ? 0 : full ? get(decision, DECISION_PADDED_REQUESTS) : requests);
  const windows = full && get(decision, DECISION_PADDED_PREFILL_REQUESTS) == 0;
  set(local, LOCAL_QUERY_LEN, windows ? get(decision, DECISION_QUERY_LEN) : 0);
}
