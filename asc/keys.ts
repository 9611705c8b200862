// The keys of the capture plan as the rules read them: one record for each captured graph, and the hash that ranks compare.

import { smaller, sortKeys } from './key-order';
import {
  KEY_WORDS,
  Key,
  KeyKind,
  LAYOUT_VERSION,
  Limit,
  MAX_PARTS,
  MAX_QUERY_LENS,
  Mode,
  POLICY_WORDS,
  Region,
} from './layout';
import { get, limit, policy, region, set } from './words';

/** Address of capture key `index`. */
export function keyAt(index: i32): usize {
  return region(Region.Keys) + ((<usize>(index * KEY_WORDS)) << 2);
}

/** A step looks for a key of one kind after the other. */
export function kindOf(key: usize): i32 {
  if (get(key, Key.Mode) == Mode.Piecewise) return KeyKind.Piecewise;
  return get(key, Key.PrefillRequests) > 0 ? KeyKind.Mixed : KeyKind.Decode;
}

/** Index of the smallest configured query length that holds `queryLen`, or -1. The configured lengths ascend, and 0 ends them. */
export function queryLenIndex(queryLen: i32): i32 {
  const at = region(Region.QueryLens);
  for (let i = 0; i < MAX_QUERY_LENS; i++) {
    const configured = get(at, i);
    if (configured == 0) return -1;
    if (configured >= queryLen) return i;
  }
  return -1;
}

/** Configured query length `index`. */
export function queryLenOf(index: i32): i32 {
  return get(region(Region.QueryLens), index);
}

/** Whether decode keys of exactly this query length are configured. */
export function isQueryLen(queryLen: i32): boolean {
  const index = queryLen > 0 ? queryLenIndex(queryLen) : -1;
  return index >= 0 && queryLenOf(index) == queryLen;
}

/** Address of the dispatch table of one query length and number of parts: the index of a key by decode requests. */
function dispatchTable(queryIndex: i32, parts: i32): usize {
  const rows = limit(Limit.MaxPaddedRequests) + 1;
  return region(Region.Dispatch) + ((<usize>((queryIndex * MAX_PARTS + parts - 1) * rows)) << 2);
}

/** Index of the smallest decode key of `parts` parts and any variant that holds `requests` requests, or -1. */
export function dispatch(queryIndex: i32, parts: i32, requests: i32): i32 {
  if (requests > limit(Limit.MaxPaddedRequests)) return -1;
  return get(dispatchTable(queryIndex, parts), requests);
}

/** Sorts the keys, fills the dispatch table from them, and returns the hash of policy and keys (never 0). */
export function installPlan(): i32 {
  const keys = limit(Limit.NumKeys);
  sortKeys();
  fillDispatch(keys);
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
