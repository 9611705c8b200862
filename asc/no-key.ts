// Why no captured graph runs a step: what the key that came nearest to holding it lacks.
import {
  ANY_PARTS,
  conditionOf,
  conditionsPassed,
  decodeSlotsTooShort,
  firstFailure,
  lacking,
  missingDecodeSlots,
  mixedGraphsRunDecodes,
  phaseRuns,
  verdict,
} from './candidates';
import { writeEagerRun } from './decision';
import { keyInPlace, placeOf, placeOfKind } from './key-order';
import { keyAt, kindOf } from './keys';
import { GraphAgreement, Key, KeyKind, Limit, Mode, Phase, Policy, Reason, Reduced, Verdict, Vote } from './layout';
import { rankOf, rankOfPhase, rankOfRequests } from './table';
import { get, limit, policy } from './words';

/** Runs a step eager that no key holds, and writes what the nearest key lacks, and which rank's batch needs it. */
export function runWithoutKey(table: usize, reduction: usize, decision: usize): void {
  const ranks = get(reduction, Reduced.Ranks);
  const index = nearestKey(reduction);
  const found = index < 0 ? Verdict.Phase : verdict(keyAt(index), reduction, ANY_PARTS);
  if (found == Verdict.Phase || found == Verdict.Mode) {
    const rank = rankOfPhase(table, ranks, get(reduction, Reduced.PrefillRequests) > 0);
    writeEagerRun(table, reduction, decision, Reason.NoKeyForPhase, rank, get(reduction, Reduced.Phase));
    return;
  }
  if (found == Verdict.Variant) {
    writeEagerRun(table, reduction, decision, Reason.NoKeyForVariant, -1, get(reduction, Reduced.Variant));
    return;
  }
  const key = keyAt(index);
  if (found == Verdict.QueryLength) {
    const inSlot = kindOf(key) == KeyKind.Mixed && decodeSlotsTooShort(key, reduction);
    const longest = get(reduction, inSlot ? Reduced.MaxDecodeQueryLen : Reduced.MaxQueryLen);
    const rank = rankOf(table, ranks, inSlot ? Vote.MaxDecodeQueryLen : Vote.MaxQueryLen, longest);
    writeEagerRun(table, reduction, decision, Reason.NoKeyForQueryLength, rank, longest);
  } else if (found == Verdict.PaddingFactor) {
    const rank = rankOf(table, ranks, Vote.Tokens, get(reduction, Reduced.Tokens));
    writeEagerRun(table, reduction, decision, Reason.AbovePaddingFactor, rank, get(key, Key.Tokens));
  } else if (found == Verdict.NotExact) {
    // The key may have the tokens of the largest batch, and another rank fewer.
    const fewer = get(key, Key.Tokens) == get(reduction, Reduced.PaddedTokens);
    const tokens = get(reduction, fewer ? Reduced.MinTokens : Reduced.Tokens);
    const rank = rankOf(table, ranks, Vote.Tokens, tokens);
    writeEagerRun(table, reduction, decision, Reason.NoExactKey, rank, get(key, Key.Tokens));
  } else {
    const rank = rankAbove(table, reduction, key, found);
    writeEagerRun(table, reduction, decision, Reason.AboveLadder, rank, lacking(key, found, reduction));
  }
}

/** First rank whose batch is too large for `key`, by the condition that the key fails. */
function rankAbove(table: usize, reduction: usize, key: usize, found: i32): i32 {
  const ranks = get(reduction, Reduced.Ranks);
  if (found == Verdict.Tokens) {
    const padded = policy(Policy.GraphAgreement) == GraphAgreement.MinModePadded;
    return rankOf(table, ranks, padded ? Vote.PaddedTokens : Vote.Tokens, get(reduction, Reduced.PaddedTokens));
  }
  if (found == Verdict.PrefillRequests) {
    return rankOf(table, ranks, Vote.PrefillRequests, get(reduction, Reduced.PrefillRequests));
  }
  if (kindOf(key) == KeyKind.Mixed && missingDecodeSlots(key, reduction) == 0) {
    return rankOfRequests(table, ranks, get(reduction, Reduced.Requests));
  }
  return rankOf(table, ranks, Vote.DecodeRequests, get(reduction, Reduced.DecodeRequests));
}

/**
 * Index of the nearest key, or -1 if there are no keys: of the keys that pass most conditions the one that lacks least, and of
 * equals the first of the plan. Where full graphs run decodes, the nearest is one of those.
 */
function nearestKey(reduction: usize): i32 {
  const keys = limit(Limit.NumKeys);
  const firstMixed = placeOfKind(KeyKind.Mixed);
  const firstPiecewise = placeOfKind(KeyKind.Piecewise);
  const decodes = get(reduction, Reduced.Phase) == Phase.Decode;
  const ofDecodes = mixedGraphsRunDecodes() ? firstPiecewise : firstMixed;
  const end = decodes && get(reduction, Reduced.GraphMode) == Mode.Full && ofDecodes > 0 ? ofDecodes : keys;
  // Keys of decodes do not run a step with prefills, and are further off than any key that does.
  const othersRun = !decodes && firstMixed < keys && phaseRuns(kindOf(keyAt(keyInPlace(keys - 1))), reduction);
  // Piecewise keys differ only in variant and size, so three of them stand for all: the first, which fails the mode or the variant
  // as the others do, and those just below and above the step's size.
  const variant = get(reduction, Reduced.Variant);
  const above = placeOf(KeyKind.Piecewise, variant, get(reduction, Reduced.PaddedTokens));
  let nearest = -1;
  let most: i64 = -1;
  for (let place = othersRun ? firstMixed : 0; place < end && place <= above; place++) {
    if (place > firstPiecewise) place = max(place, above - 1);
    const index = keyInPlace(place);
    const own = nearness(keyAt(index), reduction);
    if (own < most || (own == most && index > nearest)) continue;
    nearest = index;
    most = own;
  }
  return nearest;
}

/** Grows with the conditions that a key passes, and among keys that pass as many falls with what the key lacks. */
function nearness(key: usize, reduction: usize): i64 {
  const failure = firstFailure(key, reduction);
  return ((<i64>conditionsPassed(failure) + 1) << 32) - <i64>lacking(key, conditionOf(failure), reduction);
}
