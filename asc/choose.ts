// Which captured graph a step runs on. Where no graph runs it, no-key.ts says why.
import { ANY_PARTS, agreedQueryLen, mixedGraphsRunDecodes, smallestKey, verdict } from './candidates';
import { writeEagerRun, writeGraphRun } from './decision';
import { smaller } from './key-order';
import { dispatch, indexOfQueryLen, keyAt, kindOf } from './keys';
import {
  Decision,
  GraphAgreement,
  Key,
  KeyKind,
  LastPart,
  Mode,
  Phase,
  Policy,
  Reason,
  Reduced,
  Verdict,
  Vote,
} from './layout';
import { runWithoutKey } from './no-key';
import { rankOf } from './table';
import { get, policy, set } from './words';

/** Decides how a step that no rank vetoes runs. */
export function chooseRun(table: usize, reduction: usize, decision: usize): void {
  if (policy(Policy.GraphAgreement) != GraphAgreement.Shape) chooseByMode(table, reduction, decision);
  else if (get(reduction, Reduced.Phase) == Phase.Decode) chooseForDecodes(table, reduction, decision);
  else chooseForPrefills(table, reduction, decision);
}

/** Index of the smallest decode key of `parts` parts that holds what the ranks need, or -1. */
function decodeKey(reduction: usize, parts: i32): i32 {
  const q = indexOfQueryLen(agreedQueryLen(reduction));
  if (q < 0) return -1;
  // The dispatch table ignores variants: if its key has another variant, a larger key may still have ours.
  const index = dispatch(q, parts, get(reduction, Reduced.DecodeRequests));
  if (index < 0 || verdict(keyAt(index), reduction, parts) == Verdict.Chosen) return index;
  return smallestKey(KeyKind.Decode, reduction, parts);
}

/** Of decode key `index` and the smallest mixed key that holds these decodes, where the policy lets them run there, the smaller; or -1. */
function orMixed(index: i32, reduction: usize, parts: i32): i32 {
  if (!mixedGraphsRunDecodes()) return index;
  const mixed = smallestKey(KeyKind.Mixed, reduction, parts);
  if (index < 0 || mixed < 0) return max(index, mixed);
  return smaller(keyAt(mixed), keyAt(index)) ? mixed : index;
}

/** Every busy rank decodes: runs the smallest key that holds the largest of them, plain or ubatched as the ranks agreed. */
function chooseForDecodes(table: usize, reduction: usize, decision: usize): void {
  const parts = policy(Policy.Ubatches);
  const plain = orMixed(decodeKey(reduction, 1), reduction, 1);
  const twin = parts > 1 ? decodeKey(reduction, parts) : -1;
  const agreed = get(reduction, Reduced.Parts) > 1;
  if (agreed && twin >= 0 && (plain < 0 || notLarger(twin, plain))) {
    runUbatched(table, reduction, decision, twin);
    return;
  }
  const refusalRank = get(reduction, Reduced.RefusalRank);
  if (plain < 0) {
    const piecewise = smallestKey(KeyKind.Piecewise, reduction, ANY_PARTS);
    if (piecewise >= 0) writeGraphRun(reduction, decision, piecewise, Reason.GraphPiecewise, 1);
    else if (twin < 0) runWithoutKey(table, reduction, decision);
    else writeEagerRun(table, reduction, decision, Reason.NoPlainTwin, refusalRank, get(keyAt(twin), Key.Tokens));
    return;
  }
  if (kindOf(keyAt(plain)) == KeyKind.Mixed) {
    writeGraphRun(reduction, decision, plain, Reason.GraphMixed, 1);
    return;
  }
  let reason = Reason.Graph;
  if (get(reduction, Reduced.Wishes) + get(reduction, Reduced.HeldWishes) > 0) {
    const twinOfSize = twin >= 0 && get(keyAt(twin), Key.Tokens) == get(keyAt(plain), Key.Tokens);
    set(decision, Decision.PlainTwin, twinOfSize ? 1 : 0);
    reason = twinOfSize ? Reason.PlainTwin : Reason.PlainOnly;
    if (!agreed) set(decision, Decision.ReasonRank, refusalRank);
  }
  writeGraphRun(reduction, decision, plain, reason, 1);
}

/** Micro-batches are not worth a larger graph than the step needs without them. */
function notLarger(twin: i32, plain: i32): boolean {
  return get(keyAt(twin), Key.Tokens) <= get(keyAt(plain), Key.Tokens);
}

/** Runs ubatched key `index`, or eager if the policy asks for that when the last part would be all padding on some rank. */
function runUbatched(table: usize, reduction: usize, decision: usize, index: i32): void {
  const parts = get(reduction, Reduced.Parts);
  const fewest = get(reduction, Reduced.MinTokens);
  const before = (get(keyAt(index), Key.Tokens) / parts) * (parts - 1);
  if (policy(Policy.LastPart) != LastPart.Eager || fewest > before) {
    writeGraphRun(reduction, decision, index, Reason.GraphUbatched, 1);
    return;
  }
  const rank = rankOf(table, get(reduction, Reduced.Ranks), Vote.Tokens, fewest);
  writeEagerRun(table, reduction, decision, Reason.EmptyPart, rank, before);
}

/** Some rank has a prefill: runs a mixed key whose slots hold every rank's requests, else a piecewise key. */
function chooseForPrefills(table: usize, reduction: usize, decision: usize): void {
  const mixed = smallestKey(KeyKind.Mixed, reduction, ANY_PARTS);
  if (mixed >= 0) {
    writeGraphRun(reduction, decision, mixed, Reason.GraphMixed, 1);
    return;
  }
  const piecewise = smallestKey(KeyKind.Piecewise, reduction, ANY_PARTS);
  if (piecewise >= 0) writeGraphRun(reduction, decision, piecewise, Reason.GraphPiecewise, 1);
  else runWithoutKey(table, reduction, decision);
}

/** Index of the smallest full key of `parts` parts that holds what the ranks need, or -1. */
function smallestFull(reduction: usize, parts: i32): i32 {
  if (get(reduction, Reduced.Phase) != Phase.Decode) return smallestKey(KeyKind.Mixed, reduction, parts);
  return orMixed(smallestKey(KeyKind.Decode, reduction, parts), reduction, parts);
}

/**
 * Runs the least mode that any rank found for its own batch, at a size that holds all batches. Each rank made its own search
 * when it voted. Source: vLLM's coordinate_batch_across_dp (V1) and dp_utils (V2).
 */
function chooseByMode(table: usize, reduction: usize, decision: usize): void {
  const parts = get(reduction, Reduced.Parts);
  const mode = get(reduction, Reduced.GraphMode);
  if (mode == Mode.None) {
    writeEagerRun(table, reduction, decision, Reason.RankEager, get(reduction, Reduced.EagerRank), 0);
    return;
  }
  if (mode == Mode.Full) {
    const key = smallestFull(reduction, parts);
    if (key >= 0) {
      const mixed = kindOf(keyAt(key)) == KeyKind.Mixed;
      if (parts > 1) runUbatched(table, reduction, decision, key);
      else writeGraphRun(reduction, decision, key, mixed ? Reason.GraphMixed : Reason.Graph, 1);
      return;
    }
    const other = smallestFull(reduction, ANY_PARTS);
    if (other >= 0) {
      const reason = parts > 1 ? Reason.NoUbatchedKey : Reason.NoPlainTwin;
      const refusalRank = get(reduction, Reduced.RefusalRank);
      writeEagerRun(table, reduction, decision, reason, refusalRank, get(keyAt(other), Key.Tokens));
      return;
    }
  }
  const piecewise = smallestKey(KeyKind.Piecewise, reduction, ANY_PARTS);
  if (piecewise < 0) runWithoutKey(table, reduction, decision);
  // V1 cuts what it padded to a piecewise size; V2 looks only for graphs captured with micro-batches.
  else if (parts == 1 || policy(Policy.GraphAgreement) == GraphAgreement.MinModePadded) {
    writeGraphRun(reduction, decision, piecewise, Reason.GraphPiecewise, parts);
  } else writeEagerRun(table, reduction, decision, Reason.NoUbatchedKey, -1, get(keyAt(piecewise), Key.Tokens));
}

/**
 * Index of the graph on which one rank would run its own batch, with any number of parts, or -1. `reduction` is that of a table
 * with its vote alone.
 */
export function ownKey(reduction: usize): i32 {
  let key = -1;
  if (get(reduction, Reduced.Phase) == Phase.Decode) {
    key = orMixed(decodeKey(reduction, 1), reduction, 1);
    if (key < 0 && policy(Policy.Ubatches) > 1) key = decodeKey(reduction, policy(Policy.Ubatches));
  } else key = smallestKey(KeyKind.Mixed, reduction, ANY_PARTS);
  return key < 0 ? smallestKey(KeyKind.Piecewise, reduction, ANY_PARTS) : key;
}
