// What sizes one rank's tensors in a step: its part of the decision, from its own row.
import {
  DECISION_PADDED_PREFILL_REQUESTS,
  DECISION_PADDED_REQUESTS,
  DECISION_PADDED_TOKENS,
  DECISION_PARTS,
  DECISION_QUERY_LEN,
  DECISION_RUN,
  DECISION_WORDS,
  LOCAL_ATTENTION_REQUESTS,
  LOCAL_PADDED_TOKENS,
  LOCAL_QUERY_LEN,
  PART_WORDS,
  RUN_EAGER,
  RUN_FULL,
  RUN_PARK,
  VOTE_DECODE_REQUESTS,
  VOTE_PREFILL_REQUESTS,
  VOTE_TOKENS,
} from './layout';
import { get, set } from './words';

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
