// Whether a captured key holds what the ranks need, and why not: the one predicate behind every choice of a graph.
import { keyInPlace, placeOf } from './key-order';
import { keyAt, kindOf, queryLenIndex, queryLenOf } from './keys';
import {
  DecodeMatch,
  GraphAgreement,
  Key,
  KeyKind,
  Limit,
  MixedGraphs,
  MixedMatch,
  Phase,
  Policy,
  Reduced,
  Verdict,
} from './layout';
import { get, limit, policy } from './words';

/** Any number of parts, as an argument of `verdict`. */
export const ANY_PARTS: i32 = 0;

/** What a decode key must pass, in this order. A verdict names the first condition that a key fails. */
const DECODE_CONDITIONS: StaticArray<i32> = [
  Verdict.Phase,
  Verdict.Mode,
  Verdict.QueryLength,
  Verdict.Variant,
  Verdict.Tokens,
  Verdict.Requests,
  Verdict.NotExact,
];

/** What a mixed or a piecewise key must pass, in this order. A piecewise key passes those on phase, requests and lengths. */
const OTHER_CONDITIONS: StaticArray<i32> = [
  Verdict.Phase,
  Verdict.Mode,
  Verdict.Variant,
  Verdict.Tokens,
  Verdict.PrefillRequests,
  Verdict.Requests,
  Verdict.QueryLength,
  Verdict.PaddingFactor,
];

function conditionsOf(kind: i32): StaticArray<i32> {
  return kind == KeyKind.Decode ? DECODE_CONDITIONS : OTHER_CONDITIONS;
}

/** Verdict.Chosen if a key of `parts` parts holds what the ranks need, else the first condition that it fails. */
export function verdict(key: usize, reduction: usize, parts: i32): i32 {
  const kind = kindOf(key);
  const conditions = conditionsOf(kind);
  const passed = conditionsPassed(key, kind, reduction);
  if (passed < conditions.length) return unchecked(conditions[passed]);
  // A piecewise key may be cut at run time, whatever it was captured as.
  if (kind == KeyKind.Piecewise || parts == ANY_PARTS || get(key, Key.Parts) == parts) return Verdict.Chosen;
  return get(key, Key.Parts) > 1 ? Verdict.UbatchesNotAgreed : Verdict.NotUbatched;
}

/** Number of conditions that a key passes before it fails one: of all of them where it fails none. */
function conditionsPassed(key: usize, kind: i32, reduction: usize): i32 {
  const conditions = conditionsOf(kind);
  for (let i = 0; i < conditions.length; i++) {
    let passes = false;
    // The switch stays in the loop: two verdicts are in every step, and a call for each condition costs as much as the condition.
    switch (unchecked(conditions[i])) {
      case Verdict.Phase:
        passes = phaseRuns(kind, reduction);
        break;
      case Verdict.Mode:
        passes = get(key, Key.Mode) <= get(reduction, Reduced.GraphMode);
        break;
      case Verdict.QueryLength:
        passes =
          kind == KeyKind.Decode
            ? get(key, Key.QueryLen) == agreedQueryLen(reduction)
            : kind == KeyKind.Piecewise || slotsHoldQueries(key, reduction);
        break;
      case Verdict.Variant:
        passes = get(key, Key.Variant) == get(reduction, Reduced.Variant);
        break;
      case Verdict.Tokens:
        passes = get(key, Key.Tokens) >= get(reduction, Reduced.PaddedTokens);
        break;
      case Verdict.PrefillRequests:
        passes =
          kind == KeyKind.Piecewise ||
          policy(Policy.MixedMatch) == MixedMatch.SlotCount ||
          get(key, Key.PrefillRequests) >= get(reduction, Reduced.PrefillRequests);
        break;
      case Verdict.Requests:
        passes =
          kind == KeyKind.Decode
            ? get(key, Key.DecodeRequests) >= get(reduction, Reduced.DecodeRequests)
            : kind == KeyKind.Piecewise || slotsHoldRequests(key, reduction);
        break;
      case Verdict.NotExact:
        passes = isExact(key, reduction);
        break;
      default:
        passes = tokensBeyondPadding(key, reduction) == 0;
    }
    if (!passes) return i;
  }
  return conditions.length;
}

/** Grows with the conditions that a key passes, and among keys that pass as many falls with what the key lacks. */
export function nearness(key: usize, reduction: usize): i64 {
  const kind = kindOf(key);
  const conditions = conditionsOf(kind);
  const passed = conditionsPassed(key, kind, reduction);
  // A key that fails none has parts that were not agreed on: it is as far off as one that fails the first.
  if (passed == conditions.length) return (<i64>1) << 32;
  return ((<i64>passed + 1) << 32) - <i64>lacking(key, unchecked(conditions[passed]), reduction);
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
  const keys = limit(Limit.NumKeys);
  for (let place = placeOf(kind, variant, get(reduction, Reduced.PaddedTokens)); place < keys; place++) {
    const index = keyInPlace(place);
    const key = keyAt(index);
    if (kindOf(key) != kind || get(key, Key.Variant) != variant) return -1;
    const found = verdict(key, reduction, parts);
    if (found == Verdict.Chosen) return index;
    // A larger key of the same kind fails these as well.
    if (found == Verdict.Phase || found == Verdict.Mode) return -1;
    if (found == Verdict.PaddingFactor || found == Verdict.NotExact) return -1;
  }
  return -1;
}
