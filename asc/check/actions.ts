// What a rank does after a decision. The current rules act on the decision alone; former rules also read the rank's own row.

import { partAt } from '../decision';
import { queryLenIndex, queryLenOf } from '../keys';
import {
  Action,
  Decision,
  Local,
  PART_WORDS,
  Part,
  PartSizes,
  Phase,
  Policy,
  Prepare,
  Region,
  Run,
  Vote,
} from '../layout';
import { sizeLocal } from '../local';
import { get, policy, region, set } from '../words';

/** Writes what `rank`, which voted `row`, does in the step of `decision`. */
export function act(decision: usize, row: usize, rank: i32, action: usize): void {
  const local = region(Region.Local);
  const parts = get(decision, Decision.Parts);
  sizeLocal(decision, row, rank, local);
  const tokens = get(local, Local.PaddedTokens);
  const requests = get(local, Local.AttentionRequests);
  set(action, Action.Run, get(decision, Decision.Run));
  set(action, Action.Key, get(decision, Decision.CaptureKey));
  set(action, Action.Tokens, tokens);
  set(action, Action.Requests, requests);
  set(action, Action.Parts, parts);
  set(action, Action.Overlap, get(decision, Decision.Overlap));
  set(action, Action.Gather, parts > 0 ? get(partAt(decision, 0, get(decision, Decision.Ranks)), Part.Gather) : 0);
  writePreparedSizes(decision, row, action, tokens, requests);
  for (let part = 0; part < parts; part++) {
    set(action, Action.Part0Tokens + part, partTokens(decision, row, rank, part));
  }
}

/**
 * Writes the sizes of the tensors that input preparation fills. Under the former rule 'local' the rank itself rounds a decode up
 * to a captured size, even if the step runs eager. Source: ATOM before its ForwardMode record (PR 1120).
 */
function writePreparedSizes(decision: usize, row: usize, action: usize, tokens: i32, requests: i32): void {
  const byItself = policy(Policy.Prepare) == Prepare.Local && get(row, Vote.Phase) == Phase.Decode;
  const own = byItself && get(decision, Decision.Run) == Run.Eager && get(decision, Decision.Parts) == 1;
  const padded = get(row, Vote.PaddedTokens);
  const q = queryLenIndex(get(row, Vote.MaxQueryLen));
  set(action, Action.PreparedTokens, own ? padded : tokens);
  set(action, Action.PreparedRequests, own && q >= 0 ? max(requests, padded / queryLenOf(q)) : requests);
}

/** Rows that a part brings to its collectives. Under the former rule 'local' they are those of the rank's own cut. */
function partTokens(decision: usize, row: usize, rank: i32, part: i32): i32 {
  if (policy(Policy.PartSizes) == PartSizes.Local && get(decision, Decision.Parts) > 1) {
    return get(row, Vote.Part0Tokens + part);
  }
  return get(partAt(decision, part, get(decision, Decision.Ranks)), PART_WORDS + rank);
}
