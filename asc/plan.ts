// The capture plan as resolve() sees it: which key serves how many decode requests, and the hash ranks compare.
import { KEY_WORDS, Key, LAYOUT_VERSION, Limit, MAX_PARTS, MAX_QUERY_LENS, Mode, POLICY_WORDS, Region } from './layout';
import { get, limit, region, set } from './words';

/** Address of capture key `index`. */
export function keyAt(index: i32): usize {
  return region(Region.Keys) + ((<usize>(index * KEY_WORDS)) << 2);
}

/** Index of the smallest configured query length that holds `queryLen`, or -1. The configured lengths ascend; 0 ends them. */
export function queryLenIndex(queryLen: i32): i32 {
  const at = region(Region.QueryLens);
  for (let i = 0; i < MAX_QUERY_LENS; i++) {
    const configured = get(at, i);
    if (configured == 0) return -1;
    if (configured >= queryLen) return i;
  }
  return -1;
}

/** Order of keys: by tokens, then prefill slots, decode slots, and query lengths. Source: Megatron's batch dimensions. */
export function smaller(key: usize, other: usize): boolean {
  const tokens = get(key, Key.Tokens) - get(other, Key.Tokens);
  if (tokens != 0) return tokens < 0;
  const prefills = get(key, Key.PrefillRequests) - get(other, Key.PrefillRequests);
  if (prefills != 0) return prefills < 0;
  const decodes = get(key, Key.DecodeRequests) - get(other, Key.DecodeRequests);
  if (decodes != 0) return decodes < 0;
  const queryLen = get(key, Key.QueryLen) - get(other, Key.QueryLen);
  if (queryLen != 0) return queryLen < 0;
  return get(key, Key.MaxQueryLen) < get(other, Key.MaxQueryLen);
}

function plane(queryIndex: i32, parts: i32): usize {
  const rows = limit(Limit.MaxPaddedRequests) + 1;
  return region(Region.Dispatch) + ((<usize>((queryIndex * MAX_PARTS + parts - 1) * rows)) << 2);
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

/** Index of the smallest decode key of `parts` parts and any variant that holds `requests` requests, or -1. */
export function dispatch(queryIndex: i32, parts: i32, requests: i32): i32 {
  if (requests > limit(Limit.MaxPaddedRequests)) return -1;
  return get(plane(queryIndex, parts), requests);
}

/** Fills the dispatch table from the keys, and returns the hash of policy and keys (never 0). */
export function installPlan(): i32 {
  const rows = limit(Limit.MaxPaddedRequests) + 1;
  const keys = limit(Limit.NumKeys);
  for (let q = 0; q < MAX_QUERY_LENS; q++) {
    for (let parts = 1; parts <= MAX_PARTS; parts++) {
      const table = plane(q, parts);
      for (let requests = 0; requests < rows; requests++) set(table, requests, -1);
    }
  }
  for (let index = 0; index < keys; index++) {
    const key = keyAt(index);
    if (get(key, Key.Mode) != Mode.Full || get(key, Key.PrefillRequests) > 0) continue;
    const q = queryLenIndex(get(key, Key.QueryLen));
    const table = plane(q, get(key, Key.Parts));
    const holds = get(key, Key.DecodeRequests);
    for (let requests = 1; requests <= holds; requests++) {
      const other = get(table, requests);
      if (other < 0 || smaller(key, keyAt(other))) set(table, requests, index);
    }
  }
  return planHash(keys);
}

/** FNV-1a over what ranks must share: the policy's words, the limits a peer's votes rely on, the words of every key. */
function planHash(keys: i32): i32 {
  let hash: u32 = 2166136261;
  hash = mix(hash, LAYOUT_VERSION);
  for (let i = 0; i < POLICY_WORDS; i++) hash = mix(hash, get(region(Region.Policy), i));
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
