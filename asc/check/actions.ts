// What a rank does after a decision. The current rules act on the decision alone; former rules also read the rank's own row.

import { ownKey } from '../choose';
import { partAt } from '../decision';
import { keyAt, queryLenIndex, queryLenOf } from '../keys';
import {
  Action,
  Decision,
  Dummies,
  GraphLookup,
  IdleRanks,
  Key,
  Local,
  Mode,
  PART_WORDS,
  Part,
  PartSizes,
  Phase,
  Policy,
  Prepare,
  Region,
  Run,
  Veto,
  VOTE_WORDS,
  Vote,
} from '../layout';
import { sizeLocal } from '../local';
import { reduce } from '../reduction';
import { copy, get, policy, region, set } from '../words';

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
  if (get(decision, Decision.Run) == Run.Park) return;
  if (get(row, Vote.Tokens) == 0) actIdle(row, action);
  else if (policy(Policy.GraphLookup) == GraphLookup.Own) runOwnGraph(row, action);
}

/**
 * What a rank without requests does instead under former rules: it returns before the step, or runs its dummy eager, or on the graph of a
 * decode of one token. Sources: vLLM before pull requests 28224, 24963 and 25906.
 */
function actIdle(row: usize, action: usize): void {
  if (policy(Policy.IdleRanks) == IdleRanks.Return) {
    writeRun(action, Run.Park, -1, 0, 0, 0);
    set(action, Action.Gather, 0);
    return;
  }
  const dummies = policy(Policy.Dummies);
  if (dummies == Dummies.Eager) writeRun(action, Run.Eager, -1, 1, 1, 1);
  if (dummies != Dummies.OneToken) return;
  const dummy = region(Region.OwnVote);
  copy(dummy, row, VOTE_WORDS);
  set(dummy, Vote.Phase, Phase.Decode);
  set(dummy, Vote.Tokens, 1);
  set(dummy, Vote.DecodeRequests, 1);
  set(dummy, Vote.UniformQueryLen, 1);
  set(dummy, Vote.MaxQueryLen, 1);
  set(dummy, Vote.MaxDecodeQueryLen, 1);
  set(dummy, Vote.GraphVeto, Veto.None);
  runOwnGraph(dummy, action);
}

/** The rank runs the graph that it alone would run its batch on, whatever the ranks agreed on. Source: Megatron before pull request 3033. */
function runOwnGraph(row: usize, action: usize): void {
  const requests = get(row, Vote.PrefillRequests) + get(row, Vote.DecodeRequests);
  const reduction = region(Region.OwnReduction);
  reduce(row, 1, 0, reduction);
  const eager = policy(Policy.EnforceEager) != 0 || get(row, Vote.GraphVeto) != 0;
  const index = eager ? -1 : ownKey(reduction);
  if (index < 0) {
    writeRun(action, Run.Eager, -1, get(row, Vote.Tokens), requests, 1);
    return;
  }
  const key = keyAt(index);
  const full = get(key, Key.Mode) == Mode.Full;
  const slots = get(key, Key.PrefillRequests) + get(key, Key.DecodeRequests);
  writeRun(action, full ? Run.Full : Run.Piecewise, index, get(key, Key.Tokens), full ? slots : requests, 1);
}

/** Writes that a rank prepares and runs so many tokens, in one part or in none. */
function writeRun(action: usize, run: i32, key: i32, tokens: i32, requests: i32, parts: i32): void {
  set(action, Action.Run, run);
  set(action, Action.Key, key);
  set(action, Action.Tokens, tokens);
  set(action, Action.Requests, requests);
  set(action, Action.PreparedTokens, tokens);
  set(action, Action.PreparedRequests, requests);
  set(action, Action.Parts, parts);
  set(action, Action.Overlap, 0);
  set(action, Action.Part0Tokens, tokens);
}

/**
 * Writes the sizes of the tensors that input preparation fills. Under the former rule 'local' the rank itself rounds a decode up
 * to a captured size, even if the step runs eager. Source: ATOM before its ForwardMode record (pull request 1120).
 */
function writePreparedSizes(decision: usize, row: usize, action: usize, tokens: i32, requests: i32): void {
  const whole = get(decision, Decision.Run) == Run.Eager && get(decision, Decision.Parts) == 1;
  const own = whole && get(row, Vote.Phase) == Phase.Decode && policy(Policy.Prepare) == Prepare.Local;
  set(action, Action.PreparedTokens, own ? get(row, Vote.PaddedTokens) : tokens);
  set(action, Action.PreparedRequests, requests);
  const q = own ? queryLenIndex(get(row, Vote.MaxQueryLen)) : -1;
  if (q >= 0) set(action, Action.PreparedRequests, max(requests, get(row, Vote.PaddedTokens) / queryLenOf(q)));
}

/** Rows that a part brings to its collectives. Under the former rule 'local' they are those of the rank's own cut. */
function partTokens(decision: usize, row: usize, rank: i32, part: i32): i32 {
  if (get(decision, Decision.Parts) > 1 && policy(Policy.PartSizes) == PartSizes.Local) {
    return get(row, Vote.Part0Tokens + part);
  }
  return get(partAt(decision, part, get(decision, Decision.Ranks)), PART_WORDS + rank);
}
