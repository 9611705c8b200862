// Why no captured graph runs a step: what the key that came nearest to holding it lacks.
import {
  ANY_PARTS,
  DECODE_KEY,
  hasKind,
  kindOf,
  lacking,
  MIXED_KEY,
  shortDecodeSlots,
  strictShortage,
  verdict,
} from './candidates';
import { GraphAgreement, Key, Limit, Mode, Need, Phase, Policy, Reason, Verdict, Vote } from './layout';
import { need } from './need';
import { keyAt } from './plan';
import { eager } from './run';
import { rankOf, rankOfPhase, rankOfRequests } from './table';
import { policy } from './vote-rules';
import { get, limit } from './words';

/** Runs a step eager that no key holds. */
export function noKey(table: usize, ranks: i32, decision: usize): void {
  const index = nearestKey(ranks);
  const found = index < 0 ? Verdict.Phase : verdict(index, ranks, ANY_PARTS);
  if (found == Verdict.Phase || found == Verdict.Mode) {
    const rank = rankOfPhase(table, ranks, need(Need.PrefillRequests) > 0);
    eager(table, ranks, decision, Reason.NoKeyForPhase, rank, need(Need.Phase));
    return;
  }
  if (found == Verdict.Variant) {
    eager(table, ranks, decision, Reason.NoKeyForVariant, -1, need(Need.Variant));
    return;
  }
  const key = keyAt(index);
  if (found == Verdict.QueryLength) {
    const inSlot = kindOf(key) == MIXED_KEY && shortDecodeSlots(key);
    const longest = need(inSlot ? Need.MaxDecodeQueryLen : Need.MaxQueryLen);
    const rank = rankOf(table, ranks, inSlot ? Vote.MaxDecodeQueryLen : Vote.MaxQueryLen, longest);
    eager(table, ranks, decision, Reason.NoKeyForQueryLength, rank, longest);
  } else if (found == Verdict.PaddingFactor) {
    const rank = rankOf(table, ranks, Vote.Tokens, need(Need.Tokens));
    eager(table, ranks, decision, Reason.AbovePaddingFactor, rank, get(key, Key.Tokens));
  } else {
    eager(table, ranks, decision, Reason.AboveLadder, rankAbove(table, ranks, key, found), lacking(key, found));
  }
}

/** The rank whose batch `key` is too small for. */
function rankAbove(table: usize, ranks: i32, key: usize, found: i32): i32 {
  if (found == Verdict.Tokens) {
    const padded = policy(Policy.GraphAgreement) == GraphAgreement.MinModePadded;
    return rankOf(table, ranks, padded ? Vote.PaddedTokens : Vote.Tokens, need(Need.PaddedTokens));
  }
  if (found == Verdict.PrefillRequests) {
    return rankOf(table, ranks, Vote.PrefillRequests, need(Need.PrefillRequests));
  }
  if (kindOf(key) == MIXED_KEY && strictShortage(key) == 0) return rankOfRequests(table, ranks, need(Need.Requests));
  return rankOf(table, ranks, Vote.DecodeRequests, need(Need.DecodeRequests));
}

/** Of the keys that passed most conditions the one that lacks least, or -1 where there are none. */
function nearestKey(ranks: i32): i32 {
  // Where decodes have keys of their own, those explain a step of decodes.
  const decodes = need(Need.Phase) == Phase.Decode && need(Need.GraphMode) == Mode.Full && hasKind(DECODE_KEY);
  let best = -1;
  let passed = -1;
  let lack = 0;
  for (let index = 0, keys = limit(Limit.NumKeys); index < keys; index++) {
    const key = keyAt(index);
    if (decodes && kindOf(key) != DECODE_KEY) continue;
    const found = verdict(index, ranks, ANY_PARTS);
    const ownPassed = conditionsPassed(found, kindOf(key));
    const ownLack = lacking(key, found);
    if (ownPassed < passed || (ownPassed == passed && ownLack >= lack)) continue;
    best = index;
    passed = ownPassed;
    lack = ownLack;
  }
  return best;
}

/** What a decode key must pass, in the order in which `verdict` asks. */
const DECODE_CONDITIONS: StaticArray<i32> = [
  Verdict.Phase,
  Verdict.Mode,
  Verdict.QueryLength,
  Verdict.Variant,
  Verdict.Tokens,
  Verdict.Requests,
];

/** The same of a mixed or a piecewise key, of which the latter is not asked about requests. */
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

/** Conditions that a key with this verdict passed before it failed. */
function conditionsPassed(found: i32, kind: i32): i32 {
  const conditions = kind == DECODE_KEY ? DECODE_CONDITIONS : OTHER_CONDITIONS;
  let passed = conditions.length - 1;
  while (passed > 0 && unchecked(conditions[passed]) != found) passed--;
  return passed;
}
