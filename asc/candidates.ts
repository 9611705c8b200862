// Whether a captured key holds what the ranks need, and why not: the one predicate behind every choice of a graph.
import { keyInPlace, placeOf, placeOfKind } from './key-order';
import { keyAt, kindOf, queryLenIndex, queryLenOf } from './keys';
import {
  DecodeMatch,
  GraphAgreement,
  Key,
  KeyKind,
  MixedGraphs,
  MixedMatch,
  Phase,
  Policy,
  Reduced,
  Verdict,
} from './layout';
import { get, policy } from './words';

/** Any number of parts, as an argument of `verdict`. */
export const ANY_PARTS: i32 = 0;

/** Verdict.Chosen if a key of `parts` parts holds what the ranks need, else the first condition that it fails. */
export function verdict(key: usize, reduction: usize, parts: i32): i32 {
  const found = conditionOf(firstFailure(key, reduction));
  if (found != Verdict.Chosen) return found;
  // A piecewise key may be cut at run time, whatever it was captured as.
  if (parts == ANY_PARTS || get(key, Key.Parts) == parts || kindOf(key) == KeyKind.Piecewise) return Verdict.Chosen;
  return get(key, Key.Parts) > 1 ? Verdict.UbatchesNotAgreed : Verdict.NotUbatched;
}

/** The condition of a failure. */
export function conditionOf(failure: i32): i32 {
  return failure & 0xff;
}

/** Number of conditions that the key passed before it failed. */
export function conditionsPassed(failure: i32): i32 {
  return failure >> 8;
}

/** The first condition that a key fails, whatever its parts, with the number of those that it passed before; or Verdict.Chosen. */
export function firstFailure(key: usize, reduction: usize): i32 {
  const kind = kindOf(key);
  return kind == KeyKind.Decode ? failureOfDecode(key, reduction) : failureOfOther(kind, key, reduction);
}

/**
 * The failure of a decode key. The conditions are written out in their order: two keys are looked at in every step, and a loop over a list of
 * conditions takes four times as long.
 */
function failureOfDecode(key: usize, reduction: usize): i32 {
  if (!phaseRuns(KeyKind.Decode, reduction)) return failed(Verdict.Phase, 0);
  if (!modeServes(key, reduction)) return failed(Verdict.Mode, 1);
  if (get(key, Key.QueryLen) != agreedQueryLen(reduction)) return failed(Verdict.QueryLength, 2);
  if (!variantServes(key, reduction)) return failed(Verdict.Variant, 3);
  if (!holdsTokens(key, reduction)) return failed(Verdict.Tokens, 4);
  if (get(key, Key.DecodeRequests) < get(reduction, Reduced.DecodeRequests)) return failed(Verdict.Requests, 5);
  return isExact(key, reduction) ? Verdict.Chosen : failed(Verdict.NotExact, 6);
}

/** The failure of a mixed or a piecewise key. A piecewise key passes the conditions on phase, requests and lengths. */
function failureOfOther(kind: i32, key: usize, reduction: usize): i32 {
  const mixed = kind == KeyKind.Mixed;
  if (!phaseRuns(kind, reduction)) return failed(Verdict.Phase, 0);
  if (!modeServes(key, reduction)) return failed(Verdict.Mode, 1);
  if (!variantServes(key, reduction)) return failed(Verdict.Variant, 2);
  if (!holdsTokens(key, reduction)) return failed(Verdict.Tokens, 3);
  if (mixed && !slotsHoldPrefills(key, reduction)) return failed(Verdict.PrefillRequests, 4);
  if (mixed && !slotsHoldRequests(key, reduction)) return failed(Verdict.Requests, 5);
  if (mixed && !slotsHoldQueries(key, reduction)) return failed(Verdict.QueryLength, 6);
  return tokensBeyondPadding(key, reduction) == 0 ? Verdict.Chosen : failed(Verdict.PaddingFactor, 7);
}

/** A failure, of which `conditionOf` and `conditionsPassed` read the two halves. */
function failed(condition: i32, passed: i32): i32 {
  return condition | (passed << 8);
}

function modeServes(key: usize, reduction: usize): boolean {
  return get(key, Key.Mode) <= get(reduction, Reduced.GraphMode);
}

function variantServes(key: usize, reduction: usize): boolean {
  return get(key, Key.Variant) == get(reduction, Reduced.Variant);
}

function holdsTokens(key: usize, reduction: usize): boolean {
  return get(key, Key.Tokens) >= get(reduction, Reduced.PaddedTokens);
}

/** Whether keys of this kind run steps of the phase that the ranks are in. */
export function phaseRuns(kind: i32, reduction: usize): boolean {
  if (kind == KeyKind.Piecewise) return true;
  const decodes = get(reduction, Reduced.Phase) == Phase.Decode;
  if (kind == KeyKind.Decode) return decodes;
  return decodes ? mixedGraphsRunDecodes() : mixedGraphsRunPrefills(get(reduction, Reduced.Ranks));
}

/** Whether steps that only decode may run on graphs with prefill slots. Source: vLLM's mode FULL, and its decodes of any length. */
export function mixedGraphsRunDecodes(): boolean {
  const choice = policy(Policy.MixedGraphs);
  return choice == MixedGraphs.AnyStep || choice == MixedGraphs.Decodes;
}

/** With 'one-rank' any prefill on one of several ranks makes all of them eager. Source: Megatron's expert parallelism. */
function mixedGraphsRunPrefills(ranks: i32): boolean {
  const choice = policy(Policy.MixedGraphs);
  if (choice == MixedGraphs.OneRank) return ranks == 1;
  return choice == MixedGraphs.Agreed || choice == MixedGraphs.AnyStep;
}

/** Query length of the decode keys that can serve the step, or 0 if there are none. */
export function agreedQueryLen(reduction: usize): i32 {
  if (policy(Policy.DecodeMatch) != DecodeMatch.Padded) return get(reduction, Reduced.UniformQueryLen);
  const q = queryLenIndex(get(reduction, Reduced.MaxQueryLen));
  return q < 0 ? 0 : queryLenOf(q);
}

/**
 * Whether a decode key has the tokens of the largest batch and no more, where the policy pads none; with 'exact-all' those of every
 * rank, idle ones too. Source: SGLang's disable_cuda_graph_padding; TensorRT-LLM without enable_padding.
 */
function isExact(key: usize, reduction: usize): boolean {
  const match = policy(Policy.DecodeMatch);
  if (match != DecodeMatch.Exact && match != DecodeMatch.ExactAll) return true;
  if (get(key, Key.Tokens) != get(reduction, Reduced.PaddedTokens)) return false;
  return match == DecodeMatch.Exact || get(reduction, Reduced.MinTokens) == get(reduction, Reduced.Tokens);
}

/** Whether a mixed key has a prefill slot for each prefill, or the policy counts slots of both kinds together. */
function slotsHoldPrefills(key: usize, reduction: usize): boolean {
  if (policy(Policy.MixedMatch) == MixedMatch.SlotCount) return true;
  return get(key, Key.PrefillRequests) >= get(reduction, Reduced.PrefillRequests);
}

/** Whether a mixed key has a slot for each request. A prefill slot may hold a decode, so both kinds are counted together. */
function slotsHoldRequests(key: usize, reduction: usize): boolean {
  if (missingDecodeSlots(key, reduction) > 0) return false;
  return get(key, Key.PrefillRequests) + get(key, Key.DecodeRequests) >= get(reduction, Reduced.Requests);
}

/** Decodes that have no decode slot in this mixed key, if the policy wants one for each; else 0. */
export function missingDecodeSlots(key: usize, reduction: usize): i32 {
  const missing = get(reduction, Reduced.DecodeRequests) - get(key, Key.DecodeRequests);
  return policy(Policy.MixedMatch) == MixedMatch.Strict ? max(0, missing) : 0;
}

/** Whether the slots of a mixed key are long enough for the longest decode and the longest prefill. */
function slotsHoldQueries(key: usize, reduction: usize): boolean {
  return !decodeSlotsTooShort(key, reduction) && get(key, Key.MaxQueryLen) >= get(reduction, Reduced.MaxQueryLen);
}

/** Whether some decode has more tokens than a decode slot of this mixed key. */
export function decodeSlotsTooShort(key: usize, reduction: usize): boolean {
  return get(key, Key.DecodeRequests) > 0 && get(key, Key.QueryLen) < get(reduction, Reduced.MaxDecodeQueryLen);
}

/**
 * Tokens by which a mixed or piecewise key exceeds what the policy lets the largest batch be padded to. Only `shape` bounds
 * padding: vLLM's runners take any size up to the largest.
 */
function tokensBeyondPadding(key: usize, reduction: usize): i32 {
  if (policy(Policy.GraphAgreement) != GraphAgreement.Shape) return 0;
  const most = (<i64>get(reduction, Reduced.Tokens) * <i64>policy(Policy.MaxPaddingPermille)) / 1000;
  return <i32>max(<i64>0, <i64>get(key, Key.Tokens) - most);
}

/** By how much a key fails the condition `found`, or 0 if that is not a count. */
export function lacking(key: usize, found: i32, reduction: usize): i32 {
  const decode = kindOf(key) == KeyKind.Decode;
  switch (found) {
    case Verdict.Tokens:
      return get(reduction, Reduced.PaddedTokens) - get(key, Key.Tokens);
    case Verdict.PrefillRequests:
      return get(reduction, Reduced.PrefillRequests) - get(key, Key.PrefillRequests);
    case Verdict.Requests: {
      if (decode) return get(reduction, Reduced.DecodeRequests) - get(key, Key.DecodeRequests);
      const missing = missingDecodeSlots(key, reduction);
      if (missing > 0) return missing;
      return get(reduction, Reduced.Requests) - get(key, Key.PrefillRequests) - get(key, Key.DecodeRequests);
    }
    case Verdict.QueryLength:
      if (!decode && decodeSlotsTooShort(key, reduction)) {
        return get(reduction, Reduced.MaxDecodeQueryLen) - get(key, Key.QueryLen);
      }
      // A decode key that is too long lacks nothing: the ranks agreed on another length.
      return max(0, get(reduction, Reduced.MaxQueryLen) - get(key, Key.MaxQueryLen));
    case Verdict.NotExact:
      return get(key, Key.Tokens) - get(reduction, Reduced.PaddedTokens);
    case Verdict.PaddingFactor:
      return tokensBeyondPadding(key, reduction);
    default:
      return 0;
  }
}

/** Index of the smallest key of a kind that holds what the ranks need, or -1. By tokens, then slots, then query lengths. */
export function smallestKey(kind: i32, reduction: usize, parts: i32): i32 {
  const variant = get(reduction, Reduced.Variant);
  const end = placeOfKind(kind + 1);
  for (let place = placeOf(kind, variant, get(reduction, Reduced.PaddedTokens)); place < end; place++) {
    const index = keyInPlace(place);
    const key = keyAt(index);
    if (get(key, Key.Variant) != variant) return -1;
    const found = verdict(key, reduction, parts);
    if (found == Verdict.Chosen) return index;
    // A larger key of the same kind fails these as well.
    if (found == Verdict.Phase || found == Verdict.Mode) return -1;
    if (found == Verdict.PaddingFactor || found == Verdict.NotExact) return -1;
  }
  return -1;
}
