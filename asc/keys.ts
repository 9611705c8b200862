// The keys of the capture plan as the rules read them: one record for each captured graph, and which decode key holds how many requests.
import { KEY_WORDS, Key, KeyKind, Limit, MAX_PARTS, MAX_QUERY_LENS, Mode, Region } from './layout';
import { get, limit, region } from './words';

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

/** Index of the configured query length that is exactly `queryLen`, or -1. */
export function indexOfQueryLen(queryLen: i32): i32 {
  const index = queryLen > 0 ? queryLenIndex(queryLen) : -1;
  return index >= 0 && queryLenOf(index) == queryLen ? index : -1;
}

/** Address of the dispatch table of one query length and number of parts: the index of a key by decode requests. */
export function dispatchTable(queryIndex: i32, parts: i32): usize {
  const rows = limit(Limit.MaxPaddedRequests) + 1;
  return region(Region.Dispatch) + ((<usize>((queryIndex * MAX_PARTS + parts - 1) * rows)) << 2);
}

/** Index of the smallest decode key of `parts` parts and any variant that holds `requests` requests, or -1. */
export function dispatch(queryIndex: i32, parts: i32, requests: i32): i32 {
  if (requests > limit(Limit.MaxPaddedRequests)) return -1;
  return get(dispatchTable(queryIndex, parts), requests);
}
