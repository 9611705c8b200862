// Whether a captured key holds what the ranks need, and why not: the one predicate behind every choice of a graph.
import {
  DecodeMatch,
  GraphAgreement,
  Key,
  Limit,
  MixedGraphs,
  MixedMatch,
  Mode,
  Need,
  Phase,
  Policy,
  Verdict,
} from './layout';
import { need } from './need';
import { keyAt, queryLenIndex, queryLenOf, smaller } from './plan';
import { policy } from './vote-rules';
import { get, limit } from './words';

/** Kinds of keys. A step looks for one kind after the other. */
export const DECODE_KEY: i32 = 0;
export const MIXED_KEY: i32 = 1;
export const PIECEWISE_KEY: i32 = 2;

/** Any number of parts, as an argument of `verdict`. */
export const ANY_PARTS: i32 = 0;

export function kindOf(key: usize): i32 {
  if (get(key, Key.Mode) == Mode.Piecewise) return PIECEWISE_KEY;
  return get(key, Key.PrefillRequests) > 0 ? MIXED_KEY : DECODE_KEY;
}

/** Verdict.Chosen where key `index` of `parts` parts holds what the ranks need, else the first thing that it lacks. */
export function verdict(index: i32, ranks: i32, parts: i32): i32 {
  const key = keyAt(index);
  const kind = kindOf(key);
  if (kind == DECODE_KEY && need(Need.Phase) != Phase.Decode) return Verdict.Phase;
  if (kind == MIXED_KEY && (need(Need.Phase) == Phase.Decode || !mixedGraphsRun(ranks))) return Verdict.Phase;
  if (get(key, Key.Mode) > need(Need.GraphMode)) return Verdict.Mode;
  if (kind == DECODE_KEY && get(key, Key.QueryLen) != agreedQueryLen()) return Verdict.QueryLength;
  if (get(key, Key.Variant) != need(Need.Variant)) return Verdict.Variant;
  if (get(key, Key.Tokens) < need(Need.PaddedTokens)) return Verdict.Tokens;
  if (kind != PIECEWISE_KEY) {
    const found = kind == DECODE_KEY ? decodeVerdict(key) : mixedVerdict(key);
    if (found != Verdict.Chosen) return found;
  }
  if (kind != DECODE_KEY && beyondPadding(key) > 0) return Verdict.PaddingFactor;
  // A piecewise key may be cut at run time, whatever it was captured as.
  if (kind == PIECEWISE_KEY || parts == ANY_PARTS || get(key, Key.Parts) == parts) return Verdict.Chosen;
  return get(key, Key.Parts) > 1 ? Verdict.UbatchesNotAgreed : Verdict.NotUbatched;
}

function decodeVerdict(key: usize): i32 {
  return get(key, Key.DecodeRequests) < need(Need.DecodeRequests) ? Verdict.Requests : Verdict.Chosen;
}

/** Query length of the decode keys that can serve the step; 0 where there are none. */
export function agreedQueryLen(): i32 {
  if (policy(Policy.DecodeMatch) == DecodeMatch.Uniform) return need(Need.UniformQueryLen);
  const q = queryLenIndex(need(Need.MaxQueryLen));
  return q < 0 ? 0 : queryLenOf(q);
}

function mixedVerdict(key: usize): i32 {
  const prefills = get(key, Key.PrefillRequests);
  if (policy(Policy.MixedMatch) != MixedMatch.SlotCount && prefills < need(Need.PrefillRequests)) {
    return Verdict.PrefillRequests;
  }
  if (strictShortage(key) > 0) return Verdict.Requests;
  // A prefill slot may hold a decode, so what counts is the requests of each rank, not the sum of two maxima.
  const decodes = get(key, Key.DecodeRequests);
  if (prefills + decodes < need(Need.Requests)) return Verdict.Requests;
  if (shortDecodeSlots(key)) return Verdict.QueryLength;
  return get(key, Key.MaxQueryLen) < need(Need.MaxQueryLen) ? Verdict.QueryLength : Verdict.Chosen;
}

/** Decodes without a decode slot, where the policy wants one for each. */
export function strictShortage(key: usize): i32 {
  const short = need(Need.DecodeRequests) - get(key, Key.DecodeRequests);
  return policy(Policy.MixedMatch) == MixedMatch.Strict ? max(0, short) : 0;
}

/** Whether some decode has more tokens than this mixed key's decode slots have places. */
export function shortDecodeSlots(key: usize): boolean {
  return get(key, Key.DecodeRequests) > 0 && get(key, Key.QueryLen) < need(Need.MaxDecodeQueryLen);
}

/** Source of 'one-rank': Megatron, where any prefill on any expert-parallel rank makes all of them eager. */
function mixedGraphsRun(ranks: i32): boolean {
  const choice = policy(Policy.MixedGraphs);
  if (choice == MixedGraphs.Never) return false;
  return choice == MixedGraphs.Agreed || ranks == 1;
}

/**
 * Tokens of a mixed or piecewise key beyond what the policy lets the largest batch be padded to. Only `shape` bounds padding:
 * vLLM's runners take any size up to the largest.
 */
function beyondPadding(key: usize): i32 {
  if (policy(Policy.GraphAgreement) != GraphAgreement.Shape) return 0;
  const most = (<i64>need(Need.Tokens) * <i64>policy(Policy.MaxPaddingPermille)) / 1000;
  return <i32>max(<i64>0, <i64>get(key, Key.Tokens) - most);
}

/** How much of what it lacks a key with this verdict lacks; 0 where that is no count. */
export function lacking(key: usize, found: i32): i32 {
  if (found == Verdict.Tokens) return need(Need.PaddedTokens) - get(key, Key.Tokens);
  if (found == Verdict.PrefillRequests) return need(Need.PrefillRequests) - get(key, Key.PrefillRequests);
  if (found == Verdict.PaddingFactor) return beyondPadding(key);
  if (found == Verdict.Requests) {
    if (kindOf(key) == DECODE_KEY) return need(Need.DecodeRequests) - get(key, Key.DecodeRequests);
    const short = strictShortage(key);
    return short > 0 ? short : need(Need.Requests) - get(key, Key.PrefillRequests) - get(key, Key.DecodeRequests);
  }
  if (found != Verdict.QueryLength) return 0;
  if (kindOf(key) == MIXED_KEY && shortDecodeSlots(key)) {
    return need(Need.MaxDecodeQueryLen) - get(key, Key.QueryLen);
  }
  // Of a decode key that is too long nothing is lacking: the ranks agreed on another length.
  return max(0, need(Need.MaxQueryLen) - get(key, Key.MaxQueryLen));
}

/** Index of the smallest key of a kind that holds what the ranks need, or -1. By tokens, then slots, then query lengths. */
export function smallestKey(kind: i32, ranks: i32, parts: i32): i32 {
  let best = -1;
  for (let index = 0, keys = limit(Limit.NumKeys); index < keys; index++) {
    if (kindOf(keyAt(index)) != kind || verdict(index, ranks, parts) != Verdict.Chosen) continue;
    if (best < 0 || smaller(keyAt(index), keyAt(best))) best = index;
  }
  return best;
}

/** Whether the plan has a key of this kind. */
export function hasKind(kind: i32): boolean {
  for (let index = 0, keys = limit(Limit.NumKeys); index < keys; index++) {
    if (kindOf(keyAt(index)) == kind) return true;
  }
  return false;
}
