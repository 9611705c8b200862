// Whether a captured key holds what the ranks need, and why not: the one predicate behind every choice of a graph.
import {
  DECODE_MATCH_UNIFORM,
  GRAPH_AGREEMENT_SHAPE,
  KEY_DECODE_REQUESTS,
  KEY_MAX_QUERY_LEN,
  KEY_MODE,
  KEY_PARTS,
  KEY_PREFILL_REQUESTS,
  KEY_QUERY_LEN,
  KEY_TOKENS,
  KEY_VARIANT,
  LIMIT_NUM_KEYS,
  MIXED_GRAPHS_AGREED,
  MIXED_GRAPHS_NEVER,
  MIXED_MATCH_SLOT_COUNT,
  MIXED_MATCH_STRICT,
  MODE_PIECEWISE,
  NEED_DECODE_REQUESTS,
  NEED_GRAPH_MODE,
  NEED_MAX_DECODE_QUERY_LEN,
  NEED_MAX_QUERY_LEN,
  NEED_PADDED_TOKENS,
  NEED_PHASE,
  NEED_PREFILL_REQUESTS,
  NEED_REQUESTS,
  NEED_TOKENS,
  NEED_UNIFORM_QUERY_LEN,
  NEED_VARIANT,
  PHASE_DECODE,
  POLICY_DECODE_MATCH,
  POLICY_GRAPH_AGREEMENT,
  POLICY_MAX_PADDING_PERMILLE,
  POLICY_MIXED_GRAPHS,
  POLICY_MIXED_MATCH,
  VERDICT_CHOSEN,
  VERDICT_MODE,
  VERDICT_NOT_UBATCHED,
  VERDICT_PADDING_FACTOR,
  VERDICT_PHASE,
  VERDICT_PREFILL_REQUESTS,
  VERDICT_QUERY_LENGTH,
  VERDICT_REQUESTS,
  VERDICT_TOKENS,
  VERDICT_UBATCHES_NOT_AGREED,
  VERDICT_VARIANT,
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
  if (get(key, KEY_MODE) == MODE_PIECEWISE) return PIECEWISE_KEY;
  return get(key, KEY_PREFILL_REQUESTS) > 0 ? MIXED_KEY : DECODE_KEY;
}

/** VERDICT_CHOSEN where key `index` of `parts` parts holds what the ranks need, else the first thing that it lacks. */
export function verdict(index: i32, ranks: i32, parts: i32): i32 {
  const key = keyAt(index);
  if (get(key, KEY_VARIANT) != need(NEED_VARIANT)) return VERDICT_VARIANT;
  if (get(key, KEY_MODE) > need(NEED_GRAPH_MODE)) return VERDICT_MODE;
  const kind = kindOf(key);
  if (kind == DECODE_KEY) return decodeVerdict(key, parts);
  if (kind == MIXED_KEY) return mixedVerdict(key, ranks);
  if (get(key, KEY_TOKENS) < need(NEED_PADDED_TOKENS)) return VERDICT_TOKENS;
  return paddingVerdict(key);
}

function decodeVerdict(key: usize, parts: i32): i32 {
  if (need(NEED_PHASE) != PHASE_DECODE) return VERDICT_PHASE;
  if (get(key, KEY_QUERY_LEN) != agreedQueryLen()) return VERDICT_QUERY_LENGTH;
  if (get(key, KEY_TOKENS) < need(NEED_PADDED_TOKENS)) return VERDICT_TOKENS;
  if (get(key, KEY_DECODE_REQUESTS) < need(NEED_DECODE_REQUESTS)) return VERDICT_REQUESTS;
  if (parts == ANY_PARTS || get(key, KEY_PARTS) == parts) return VERDICT_CHOSEN;
  return get(key, KEY_PARTS) > 1 ? VERDICT_UBATCHES_NOT_AGREED : VERDICT_NOT_UBATCHED;
}

/** Query length of the decode keys that can serve the step; 0 where there are none. */
export function agreedQueryLen(): i32 {
  if (policy(POLICY_DECODE_MATCH) == DECODE_MATCH_UNIFORM) return need(NEED_UNIFORM_QUERY_LEN);
  const q = queryLenIndex(need(NEED_MAX_QUERY_LEN));
  return q < 0 ? 0 : queryLenOf(q);
}

function mixedVerdict(key: usize, ranks: i32): i32 {
  if (need(NEED_PHASE) == PHASE_DECODE || !mixedGraphsRun(ranks)) return VERDICT_PHASE;
  if (get(key, KEY_TOKENS) < need(NEED_PADDED_TOKENS)) return VERDICT_TOKENS;
  const match = policy(POLICY_MIXED_MATCH);
  const prefills = get(key, KEY_PREFILL_REQUESTS);
  const decodes = get(key, KEY_DECODE_REQUESTS);
  if (match != MIXED_MATCH_SLOT_COUNT && prefills < need(NEED_PREFILL_REQUESTS)) return VERDICT_PREFILL_REQUESTS;
  if (match == MIXED_MATCH_STRICT && decodes < need(NEED_DECODE_REQUESTS)) return VERDICT_REQUESTS;
  // A prefill slot may hold a decode, so what counts is the requests of each rank, not the sum of two maxima.
  if (prefills + decodes < need(NEED_REQUESTS)) return VERDICT_REQUESTS;
  if (decodes > 0 && get(key, KEY_QUERY_LEN) < need(NEED_MAX_DECODE_QUERY_LEN)) return VERDICT_QUERY_LENGTH;
  if (get(key, KEY_MAX_QUERY_LEN) < need(NEED_MAX_QUERY_LEN)) return VERDICT_QUERY_LENGTH;
  return paddingVerdict(key);
}

/** Source of 'one-rank': Megatron, where any prefill on any expert-parallel rank makes all of them eager. */
export function mixedGraphsRun(ranks: i32): boolean {
  const choice = policy(POLICY_MIXED_GRAPHS);
  if (choice == MIXED_GRAPHS_NEVER) return false;
  return choice == MIXED_GRAPHS_AGREED || ranks == 1;
}

/** Only `shape` bounds padding: vLLM's runners take any size up to the largest. */
function paddingVerdict(key: usize): i32 {
  if (policy(POLICY_GRAPH_AGREEMENT) != GRAPH_AGREEMENT_SHAPE) return VERDICT_CHOSEN;
  const most = <i64>need(NEED_TOKENS) * <i64>policy(POLICY_MAX_PADDING_PERMILLE);
  return <i64>get(key, KEY_TOKENS) * 1000 <= most ? VERDICT_CHOSEN : VERDICT_PADDING_FACTOR;
}

/** Index of the smallest key of a kind that holds what the ranks need, or -1. By tokens, then prefills, then decodes. */
export function smallestKey(kind: i32, ranks: i32, parts: i32): i32 {
  let best = -1;
  for (let index = 0, keys = limit(LIMIT_NUM_KEYS); index < keys; index++) {
    if (kindOf(keyAt(index)) != kind || verdict(index, ranks, parts) != VERDICT_CHOSEN) continue;
    if (best < 0 || smaller(keyAt(index), keyAt(best))) best = index;
  }
  return best;
}

/** Whether the plan has a key of this kind. */
export function hasKind(kind: i32): boolean {
  for (let index = 0, keys = limit(LIMIT_NUM_KEYS); index < keys; index++) {
    if (kindOf(keyAt(index)) == kind) return true;
  }
  return false;
}
