// The properties of a step that concern captured graphs: no graph is missed, and none runs a batch that it does not hold.

import { keyAt } from '../keys';
import { Decision, GraphAgreement, Key, Limit, MixedGraphs, Mode, Part, Phase, Policy, Run, Vote } from '../layout';
import { vote } from '../table';
import { get, limit, policy } from '../words';
import { partWord } from './laws';

/** P6: an eager step was vetoed, or no captured graph could hold it. */
export function graphNotMissed(table: usize, ranks: i32, decision: usize): boolean {
  if (policy(Policy.EnforceEager) != 0) return true;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, Vote.Tokens) > 0 && vote(table, rank, Vote.GraphVeto) != 0) return true;
  }
  const queryLen = get(decision, Decision.Phase) == Phase.Decode ? shortestQueryLen(table, ranks) : 0;
  const most = mostTokens(table, ranks);
  for (let index = 0, keys = limit(Limit.NumKeys); index < keys; index++) {
    const key = keyAt(index);
    if (sizeServes(key, most, decision, queryLen) && holdsEach(key, table, ranks)) return false;
  }
  return true;
}

function mostTokens(table: usize, ranks: i32): i32 {
  let most = 0;
  for (let rank = 0; rank < ranks; rank++) most = max(most, vote(table, rank, Vote.Tokens));
  return most;
}

/** The shortest captured query length that holds every token of every decode, or 0. */
function shortestQueryLen(table: usize, ranks: i32): i32 {
  let shortest = 0;
  for (let index = 0, keys = limit(Limit.NumKeys); index < keys; index++) {
    const key = keyAt(index);
    const length = get(key, Key.QueryLen);
    if (get(key, Key.Mode) == Mode.Piecewise || get(key, Key.PrefillRequests) > 0) continue;
    let holds = true;
    for (let rank = 0; rank < ranks; rank++) {
      if (vote(table, rank, Vote.MaxQueryLen) > length) holds = false;
    }
    if (holds && (shortest == 0 || length < shortest)) shortest = length;
  }
  return shortest;
}

/** Whether a key of these sizes serves a decode step of this query length, or another step, of at most `most` tokens a rank. */
function sizeServes(key: usize, most: i32, decision: usize, queryLen: i32): boolean {
  if (get(key, Key.Tokens) < most) return false;
  const decode = get(decision, Decision.Phase) == Phase.Decode;
  if (get(key, Key.Mode) == Mode.Piecewise) return withinPadding(key, most);
  const choice = policy(Policy.MixedGraphs);
  if (!decode) return choice != MixedGraphs.Decodes && withinPadding(key, most);
  if (get(key, Key.PrefillRequests) == 0) return get(key, Key.QueryLen) == queryLen;
  return (choice == MixedGraphs.AnyStep || choice == MixedGraphs.Decodes) && withinPadding(key, most);
}

/** Whether `key` has the variant of every busy rank, and slots for its requests unless it needs none. */
function holdsEach(key: usize, table: usize, ranks: i32): boolean {
  const piecewise = get(key, Key.Mode) == Mode.Piecewise;
  for (let rank = 0; rank < ranks; rank++) {
    if (vote(table, rank, Vote.Tokens) == 0) continue;
    if (vote(table, rank, Vote.Variant) != get(key, Key.Variant)) return false;
    if (!piecewise && !slotsHold(key, table, rank)) return false;
  }
  return true;
}

/**
 * P9: the graph that runs has the sizes it was captured with, its slots hold every rank's batch (tokens, prefills, decodes and
 * variant), no rank forbids it, and a graph that is not of decodes alone is within the padding factor.
 */
export function keyHoldsBatch(table: usize, ranks: i32, decision: usize): boolean {
  const index = get(decision, Decision.CaptureKey);
  const run = get(decision, Decision.Run);
  if ((run == Run.Full || run == Run.Piecewise) != index >= 0) return false;
  if (index < 0) return true;
  const key = keyAt(index);
  if (policy(Policy.EnforceEager) != 0 || !runsAsCaptured(key, ranks, decision)) return false;
  let most = 0;
  for (let rank = 0; rank < ranks; rank++) {
    const tokens = vote(table, rank, Vote.Tokens);
    if (tokens > get(key, Key.Tokens)) return false;
    if (get(key, Key.Mode) != Mode.Piecewise && !slotsHold(key, table, rank)) return false;
    if (tokens == 0) continue;
    if (vote(table, rank, Vote.Variant) != get(key, Key.Variant) || vote(table, rank, Vote.GraphVeto) != 0)
      return false;
    most = max(most, tokens);
  }
  const decodes = get(key, Key.Mode) != Mode.Piecewise && get(key, Key.PrefillRequests) == 0;
  return decodes || policy(Policy.GraphAgreement) != GraphAgreement.Shape || withinPadding(key, most);
}

function withinPadding(key: usize, most: i32): boolean {
  return <i64>get(key, Key.Tokens) * 1000 <= <i64>most * <i64>policy(Policy.MaxPaddingPermille);
}

/** Whether the step has the mode, sizes and parts of its key. Each part of a decode graph must be whole windows of its requests. */
function runsAsCaptured(key: usize, ranks: i32, decision: usize): boolean {
  const piecewise = get(key, Key.Mode) == Mode.Piecewise;
  const requests = get(key, Key.PrefillRequests) + get(key, Key.DecodeRequests);
  if ((get(decision, Decision.Run) == Run.Piecewise) != piecewise) return false;
  if (get(decision, Decision.PaddedTokens) != get(key, Key.Tokens)) return false;
  if (get(decision, Decision.PaddedRequests) != requests) return false;
  if (piecewise) return true;
  const parts = get(decision, Decision.Parts);
  if (parts != get(key, Key.Parts)) return false;
  if (get(key, Key.PrefillRequests) > 0) return true;
  for (let part = 0; part < parts; part++) {
    const windows = partWord(decision, ranks, part, Part.PaddedRequests) * get(key, Key.QueryLen);
    if (partWord(decision, ranks, part, Part.PaddedTokens) != windows) return false;
  }
  return true;
}

/** Whether prefills fit the prefill slots, decodes fit the slots that are left, and no request is longer than its slot. */
function slotsHold(key: usize, table: usize, rank: i32): boolean {
  const prefills = vote(table, rank, Vote.PrefillRequests);
  const decodes = vote(table, rank, Vote.DecodeRequests);
  const prefillSlots = get(key, Key.PrefillRequests);
  const decodeSlots = get(key, Key.DecodeRequests);
  if (prefills > prefillSlots || decodes > decodeSlots + prefillSlots - prefills) return false;
  if (decodeSlots > 0 && vote(table, rank, Vote.MaxDecodeQueryLen) > get(key, Key.QueryLen)) return false;
  return vote(table, rank, Vote.MaxQueryLen) <= get(key, Key.MaxQueryLen);
}
