// The capture plan as resolve() sees it: which key serves how many decode requests, and the hash ranks compare.
import {
  KEY_DECODE_REQUESTS,
  KEY_MAX_QUERY_LEN,
  KEY_MODE,
  KEY_PARTS,
  KEY_PREFILL_REQUESTS,
  KEY_QUERY_LEN,
  KEY_TOKENS,
  KEY_WORDS,
  LAYOUT_VERSION,
  LIMIT_MAX_PADDED_REQUESTS,
  LIMIT_MAX_REQUESTS,
  LIMIT_MAX_TOKENS,
  LIMIT_NUM_KEYS,
  LIMIT_QUERY_LEN,
  LIMIT_RANKS,
  LIMIT_REPLICA_SIZE,
  MAX_PARTS,
  MAX_QUERY_LENS,
  MODE_FULL,
  POLICY_WORDS,
  REGION_DISPATCH,
  REGION_KEYS,
  REGION_POLICY,
  REGION_QUERY_LENS,
} from './layout';
import { get, limit, region, set } from './words';

/** Address of capture key `index`. */
export function keyAt(index: i32): usize {
  return region(REGION_KEYS) + ((<usize>(index * KEY_WORDS)) << 2);
}

/** Index of the smallest configured query length that holds `queryLen`, or -1. The configured lengths ascend; 0 ends them. */
export function queryLenIndex(queryLen: i32): i32 {
  const at = region(REGION_QUERY_LENS);
  for (let i = 0; i < MAX_QUERY_LENS; i++) {
    const configured = get(at, i);
    if (configured == 0) return -1;
    if (configured >= queryLen) return i;
  }
  return -1;
}

/** Order of keys: by tokens, then prefill slots, decode slots, and query lengths. Source: Megatron's batch dimensions. */
export function smaller(key: usize, other: usize): boolean {
  const tokens = get(key, KEY_TOKENS) - get(other, KEY_TOKENS);
  if (tokens != 0) return tokens < 0;
  const prefills = get(key, KEY_PREFILL_REQUESTS) - get(other, KEY_PREFILL_REQUESTS);
  if (prefills != 0) return prefills < 0;
  const decodes = get(key, KEY_DECODE_REQUESTS) - get(other, KEY_DECODE_REQUESTS);
  if (decodes != 0) return decodes < 0;
  const queryLen = get(key, KEY_QUERY_LEN) - get(other, KEY_QUERY_LEN);
  if (queryLen != 0) return queryLen < 0;
  return get(key, KEY_MAX_QUERY_LEN) < get(other, KEY_MAX_QUERY_LEN);
}

function plane(queryIndex: i32, parts: i32): usize {
  const rows = limit(LIMIT_MAX_PADDED_REQUESTS) + 1;
  return region(REGION_DISPATCH) + ((<usize>((queryIndex * MAX_PARTS + parts - 1) * rows)) << 2);
}

/** Configured query length `index`. */
export function queryLenOf(index: i32): i32 {
  return get(region(REGION_QUERY_LENS), index);
}

/** Whether decode keys of exactly this query length are configured. */
export function isQueryLen(queryLen: i32): boolean {
  const index = queryLen > 0 ? queryLenIndex(queryLen) : -1;
  return index >= 0 && queryLenOf(index) == queryLen;
}

/** Index of the smallest decode key of `parts` parts and any variant that holds `requests` requests, or -1. */
export function dispatch(queryIndex: i32, parts: i32, requests: i32): i32 {
  if (requests > limit(LIMIT_MAX_PADDED_REQUESTS)) return -1;
  return get(plane(queryIndex, parts), requests);
}

/** Fills the dispatch table from the keys, and returns the hash of policy and keys (never 0). */
export function installPlan(): i32 {
  const rows = limit(LIMIT_MAX_PADDED_REQUESTS) + 1;
  const keys = limit(LIMIT_NUM_KEYS);
  for (let q = 0; q < MAX_QUERY_LENS; q++) {
    for (let parts = 1; parts <= MAX_PARTS; parts++) {
      const table = plane(q, parts);
      for (let requests = 0; requests < rows; requests++) set(table, requests, -1);
    }
  }
  for (let index = 0; index < keys; index++) {
    const key = keyAt(index);
    if (get(key, KEY_MODE) != MODE_FULL || get(key, KEY_PREFILL_REQUESTS) > 0) continue;
    const q = queryLenIndex(get(key, KEY_QUERY_LEN));
    const table = plane(q, get(key, KEY_PARTS));
    const holds = get(key, KEY_DECODE_REQUESTS);
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
  for (let i = 0; i < POLICY_WORDS; i++) hash = mix(hash, get(region(REGION_POLICY), i));
  hash = mix(hash, limit(LIMIT_RANKS));
  hash = mix(hash, limit(LIMIT_REPLICA_SIZE));
  hash = mix(hash, limit(LIMIT_MAX_REQUESTS));
  hash = mix(hash, limit(LIMIT_MAX_TOKENS));
  hash = mix(hash, limit(LIMIT_QUERY_LEN));
  hash = mix(hash, keys);
  for (let i = 0; i < keys * KEY_WORDS; i++) hash = mix(hash, get(region(REGION_KEYS), i));
  return hash == 0 ? 1 : <i32>hash;
}

function mix(hash: u32, word: i32): u32 {
  for (let byte = 0; byte < 32; byte += 8) hash = (hash ^ ((<u32>word >> byte) & 0xff)) * 16777619;
  return hash;
}
