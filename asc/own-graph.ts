// On which graph a rank alone would run its batch, from its vote.
import { ownKey } from './choose';
import { keyAt } from './keys';
import { GraphAgreement, Key, Mode, OwnGraph, Policy, Region, Vote } from './layout';
import { reduce } from './reduction';
import { get, policy, region, set } from './words';

/**
 * Writes on which graph of at most mode `most` this rank alone would run its batch: its padded tokens, and its mode where the ranks agree by mode. It
 * is the choice that all ranks make together, applied to a table of one row. Its reduction is apart from that of the last table,
 * which explains the last decision.
 */
export function writeOwnGraph(row: usize, most: i32): void {
  const tokens = get(row, Vote.Tokens);
  const byMode = policy(Policy.GraphAgreement) != GraphAgreement.Shape;
  set(row, Vote.GraphMode, policy(Policy.EnforceEager) != 0 ? Mode.None : most);
  set(row, Vote.PaddedTokens, tokens);
  if (tokens == 0 || policy(Policy.EnforceEager) != 0) return;
  const reduction = region(Region.OwnReduction);
  reduce(row, 1, 0, reduction);
  const key = ownKey(reduction);
  if (key >= 0) set(row, Vote.PaddedTokens, get(keyAt(key), Key.Tokens));
  if (byMode) set(row, Vote.GraphMode, key < 0 ? Mode.None : get(keyAt(key), Key.Mode));
}

/** The same of the vote that this planner casts: most steps hold as many requests and tokens as the one before, and have its graph. */
export function writeCastGraph(row: usize, most: i32): void {
  const kept = region(Region.OwnGraph);
  if (isOf(kept, row, most)) {
    set(row, Vote.PaddedTokens, get(kept, OwnGraph.PaddedTokens));
    set(row, Vote.GraphMode, get(kept, OwnGraph.GraphMode));
    return;
  }
  writeOwnGraph(row, most);
  set(kept, OwnGraph.Tokens, get(row, Vote.Tokens));
  set(kept, OwnGraph.PrefillRequests, get(row, Vote.PrefillRequests));
  set(kept, OwnGraph.DecodeRequests, get(row, Vote.DecodeRequests));
  set(kept, OwnGraph.UniformQueryLen, get(row, Vote.UniformQueryLen));
  set(kept, OwnGraph.MaxQueryLen, get(row, Vote.MaxQueryLen));
  set(kept, OwnGraph.MaxDecodeQueryLen, get(row, Vote.MaxDecodeQueryLen));
  set(kept, OwnGraph.Variant, get(row, Vote.Variant));
  set(kept, OwnGraph.MostMode, most);
  set(kept, OwnGraph.PaddedTokens, get(row, Vote.PaddedTokens));
  set(kept, OwnGraph.GraphMode, get(row, Vote.GraphMode));
}

/** Whether the graph that is kept is that of the batch in `row`. */
function isOf(kept: usize, row: usize, most: i32): boolean {
  return (
    get(kept, OwnGraph.Tokens) == get(row, Vote.Tokens) &&
    get(kept, OwnGraph.PrefillRequests) == get(row, Vote.PrefillRequests) &&
    get(kept, OwnGraph.DecodeRequests) == get(row, Vote.DecodeRequests) &&
    get(kept, OwnGraph.UniformQueryLen) == get(row, Vote.UniformQueryLen) &&
    get(kept, OwnGraph.MaxQueryLen) == get(row, Vote.MaxQueryLen) &&
    get(kept, OwnGraph.MaxDecodeQueryLen) == get(row, Vote.MaxDecodeQueryLen) &&
    get(kept, OwnGraph.Variant) == get(row, Vote.Variant) &&
    get(kept, OwnGraph.MostMode) == most
  );
}

/** Forgets the graph that is kept: no vote has so many tokens. */
export function forgetGraph(): void {
  set(region(Region.OwnGraph), OwnGraph.Tokens, -1);
}
