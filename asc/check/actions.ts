// What a rank does after a decision. Today's rules act on the decision alone; the hooks of older rules also look at the rank itself.
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
  DECISION_CAPTURE_KEY,
  DECISION_OVERLAP,
  DECISION_PARTS,
  DECISION_RANKS,
  DECISION_RUN,
  LOCAL_ATTENTION_REQUESTS,
  LOCAL_PADDED_TOKENS,
  PART_GATHER,
  PART_SIZES_LOCAL,
  PART_WORDS,
  PHASE_DECODE,
  POLICY_PART_SIZES,
  POLICY_PREPARE,
  PREPARE_LOCAL,
  REGION_LOCAL,
  RUN_EAGER,
  VOTE_MAX_QUERY_LEN,
  VOTE_PADDED_TOKENS,
  VOTE_PART0_TOKENS,
  VOTE_PHASE,
} from '../layout';
import { sizeLocal } from '../local';
import { queryLenIndex, queryLenOf } from '../plan';
import { partAt } from '../run';
import { policy } from '../vote-rules';
import { get, region, set } from '../words';

/** Writes what `rank`, which voted `row`, does in the step of `decision`. */
export function act(decision: usize, row: usize, rank: i32, action: usize): void {
  const local = region(REGION_LOCAL);
  const parts = get(decision, DECISION_PARTS);
  sizeLocal(decision, row, rank, local);
  const tokens = get(local, LOCAL_PADDED_TOKENS);
  const requests = get(local, LOCAL_ATTENTION_REQUESTS);
  set(action, ACTION_RUN, get(decision, DECISION_RUN));
  set(action, ACTION_KEY, get(decision, DECISION_CAPTURE_KEY));
  set(action, ACTION_TOKENS, tokens);
  set(action, ACTION_REQUESTS, requests);
  set(action, ACTION_PARTS, parts);
  set(action, ACTION_OVERLAP, get(decision, DECISION_OVERLAP));
  set(action, ACTION_GATHER, parts > 0 ? get(partAt(decision, 0, get(decision, DECISION_RANKS)), PART_GATHER) : 0);
  preparation(decision, row, action, tokens, requests);
  for (let part = 0; part < parts; part++) {
    set(action, ACTION_PART0_TOKENS + part, partTokens(decision, row, rank, part));
  }
}

/**
 * Sizes of the tensors that input preparation fills. Hook 'local': it rounds a decode up to a captured size by itself, also where
 * the step runs eager. Source: ATOM before its ForwardMode record (PR 1120).
 */
function preparation(decision: usize, row: usize, action: usize, tokens: i32, requests: i32): void {
  const byItself = policy(POLICY_PREPARE) == PREPARE_LOCAL && get(row, VOTE_PHASE) == PHASE_DECODE;
  const own = byItself && get(decision, DECISION_RUN) == RUN_EAGER && get(decision, DECISION_PARTS) == 1;
  const padded = get(row, VOTE_PADDED_TOKENS);
  const q = queryLenIndex(get(row, VOTE_MAX_QUERY_LEN));
  set(action, ACTION_PREPARED_TOKENS, own ? padded : tokens);
  set(action, ACTION_PREPARED_REQUESTS, own && q >= 0 ? max(requests, padded / queryLenOf(q)) : requests);
}

/** Rows a part brings to its collectives. Hook 'local': those of the rank's own cut. */
function partTokens(decision: usize, row: usize, rank: i32, part: i32): i32 {
  if (policy(POLICY_PART_SIZES) == PART_SIZES_LOCAL && get(decision, DECISION_PARTS) > 1) {
    return get(row, VOTE_PART0_TOKENS + part);
  }
  return get(partAt(decision, part, get(decision, DECISION_RANKS)), PART_WORDS + rank);
}
