// Prepares the rules for a capture plan: the order of its keys, the dispatch table, and the hash that ranks compare.
import { smaller, sortKeys } from './key-order';
import { dispatchTable, keyAt, kindOf, queryLenIndex } from './keys';
import {
  KEY_WORDS,
  Key,
  KeyKind,
  LAYOUT_VERSION,
  Limit,
  MAX_PARTS,
  MAX_QUERY_LENS,
  POLICY_WORDS,
  Region,
} from './layout';
import { forgetGraph } from './own-graph';
import { get, limit, policy, region, set } from './words';

/** Sorts the keys, fills the dispatch table from them, forgets what was found with others, and returns the hash of policy and keys (never 0). */
export function installPlan(): i32 {
  const keys = limit(Limit.NumKeys);
  sortKeys();
  fillDispatch(keys);
  forgetGraph();
  return hashPlan(keys);
}

function fillDispatch(keys: i32): void {
  const rows = limit(Limit.MaxPaddedRequests) + 1;
  for (let q = 0; q < MAX_QUERY_LENS; q++) {
    for (let parts = 1; parts <= MAX_PARTS; parts++) {
      const table = dispatchTable(q, parts);
      for (let requests = 0; requests < rows; requests++) set(table, requests, -1);
    }
  }
  for (let index = 0; index < keys; index++) {
    const key = keyAt(index);
    if (kindOf(key) != KeyKind.Decode) continue;
    const table = dispatchTable(queryLenIndex(get(key, Key.QueryLen)), get(key, Key.Parts));
    const holds = get(key, Key.DecodeRequests);
    for (let requests = 1; requests <= holds; requests++) {
      const other = get(table, requests);
      if (other < 0 || smaller(key, keyAt(other))) set(table, requests, index);
    }
  }
}

/** FNV-1a over what ranks must share: the policy's words, the limits a peer's votes rely on, and the words of every key. */
function hashPlan(keys: i32): i32 {
  let hash: u32 = 2166136261;
  hash = mix(hash, LAYOUT_VERSION);
  for (let word = 0; word < POLICY_WORDS; word++) hash = mix(hash, policy(word));
  hash = mix(hash, limit(Limit.Ranks));
  hash = mix(hash, limit(Limit.ReplicaSize));
  hash = mix(hash, limit(Limit.MaxRequests));
  hash = mix(hash, limit(Limit.MaxTokens));
  hash = mix(hash, limit(Limit.QueryLen));
  hash = mix(hash, keys);
  for (let i = 0; i < keys * KEY_WORDS; i++) hash = mix(hash, get(region(Region.Keys), i));
  return hash == 0 ? 1 : <i32>hash;
}

function mix(hash: u32, word: i32): u32 {
  for (let byte = 0; byte < 32; byte += 8) hash = (hash ^ ((<u32>word >> byte) & 0xff)) * 16777619;
  return hash;
}
