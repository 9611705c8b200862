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
  const kind = kindOf(key);
  if (kind == DECODE_KEY && need(NEED_PHASE) != PHASE_DECODE) return VERDICT_PHASE;
  if (kind == MIXED_KEY && (need(NEED_PHASE) == PHASE_DECODE || !mixedGraphsRun(ranks))) return VERDICT_PHASE;
  if (get(key, KEY_MODE) > need(NEED_GRAPH_MODE)) return VERDICT_MODE;
  if (kind == DECODE_KEY && get(key, KEY_QUERY_LEN) != agreedQueryLen()) return VERDICT_QUERY_LENGTH;
  if (get(key, KEY_VARIANT) != need(NEED_VARIANT)) return VERDICT_VARIANT;
  if (get(key, KEY_TOKENS) < need(NEED_PADDED_TOKENS)) return VERDICT_TOKENS;
  if (kind != PIECEWISE_KEY) {
    const found = kind == DECODE_KEY ? decodeVerdict(key) : mixedVerdict(key);
    if (found != VERDICT_CHOSEN) return found;
  }
  if (kind != DECODE_KEY && beyondPadding(key) > 0) return VERDICT_PADDING_FACTOR;
  // A piecewise key may be cut at run time, whatever it was captured as.
  if (kind == PIECEWISE_KEY || parts == ANY_PARTS || get(key, KEY_PARTS) == parts) return VERDICT_CHOSEN;
  return get(key, KEY_PARTS) > 1 ? VERDICT_UBATCHES_NOT_AGREED : VERDICT_NOT_UBATCHED;
}

function decodeVerdict(key: usize): i32 {
  return get(key, KEY_DECODE_REQUESTS) < need(NEED_DECODE_REQUESTS) ? VERDICT_REQUESTS : VERDICT_CHOSEN;
}

/** Query length of the decode keys that can serve the step; 0 where there are none. */
export function agreedQueryLen(): i32 {
  if (policy(POLICY_DECODE_MATCH) == DECODE_MATCH_UNIFORM) return need(NEED_UNIFORM_QUERY_LEN);
  const q = queryLenIndex(need(NEED_MAX_QUERY_LEN));
  return q < 0 ? 0 : queryLenOf(q);
}

function mixedVerdict(key: usize): i32 {
  const prefills = get(key, KEY_PREFILL_REQUESTS);
  if (policy(POLICY_MIXED_MATCH) != MIXED_MATCH_SLOT_COUNT && prefills < need(NEED_PREFILL_REQUESTS)) {
    return VERDICT_PREFILL_REQUESTS;
  }
  if (strictShortage(key) > 0) return VERDICT_REQUESTS;
  // A prefill slot may hold a decode, so what counts is the requests of each rank, not the sum of two maxima.
  const decodes = get(key, KEY_DECODE_REQUESTS);
  if (prefills + decodes < need(NEED_REQUESTS)) return VERDICT_REQUESTS;
  if (shortDecodeSlots(key)) return VERDICT_QUERY_LENGTH;
  return get(key, KEY_MAX_QUERY_LEN) < need(NEED_MAX_QUERY_LEN) ? VERDICT_QUERY_LENGTH : VERDICT_CHOSEN;
}

/** Decodes without a decode slot, where the policy wants one for each. */
export function strictShortage(key: usize): i32 {
  const short = need(NEED_DECODE_REQUESTS) - get(key, KEY_DECODE_REQUESTS);
  return policy(POLICY_MIXED_MATCH) == MIXED_MATCH_STRICT ? max(0, short) : 0;
}

/** Whether some decode has more tokens than this mixed key's decode slots have places. */
export function shortDecodeSlots(key: usize): boolean {
  return get(key, KEY_DECODE_REQUESTS) > 0 && get(key, KEY_QUERY_LEN) < need(NEED_MAX_DECODE_QUERY_LEN);
}

/** Source of 'one-rank': Megatron, where any prefill on any expert-parallel rank makes all of them eager. */
function mixedGraphsRun(ranks: i32): boolean {
  const choice = policy(POLICY_MIXED_GRAPHS);
  if (choice == MIXED_GRAPHS_NEVER) return false;
  return choice == MIXED_GRAPHS_AGREED || ranks == 1;
}

/**
 * Tokens of a mixed or piecewise key beyond what the policy lets the largest batch be padded to. Only `shape` bounds padding:
 * vLLM's runners take any size up to the largest.
 */
function beyondPadding(key: usize): i32 {
  if (policy(POLICY_GRAPH_AGREEMENT) != GRAPH_AGREEMENT_SHAPE) return 0;
  const most = (<i64>need(NEED_TOKENS) * <i64>policy(POLICY_MAX_PADDING_PERMILLE)) / 1000;
  return <i32>max(<i64>0, <i64>get(key, KEY_TOKENS) - most);
}

/** How much of what it lacks a key with this verdict lacks; 0 where that is no count. */
export function lacking(key: usize, found: i32): i32 {
  if (found == VERDICT_TOKENS) return need(NEED_PADDED_TOKENS) - get(key, KEY_TOKENS);
  if (found == VERDICT_PREFILL_REQUESTS) return need(NEED_PREFILL_REQUESTS) - get(key, KEY_PREFILL_REQUESTS);
  if (found == VERDICT_PADDING_FACTOR) return beyondPadding(key);
  if (found == VERDICT_REQUESTS) {
    if (kindOf(key) == DECODE_KEY) return need(NEED_DECODE_REQUESTS) - get(key, KEY_DECODE_REQUESTS);
    const short = strictShortage(key);
    return short > 0 ? short : need(NEED_REQUESTS) - get(key, KEY_PREFILL_REQUESTS) - get(key, KEY_DECODE_REQUESTS);
  }
  if (found != VERDICT_QUERY_LENGTH) return 0;
  if (kindOf(key) == MIXED_KEY && shortDecodeSlots(key)) {
    return need(NEED_MAX_DECODE_QUERY_LEN) - get(key, KEY_QUERY_LEN);
  }
  // Of a decode key that is too long nothing is lacking: the ranks agreed on another length.
  return max(0, need(NEED_MAX_QUERY_LEN) - get(key, KEY_MAX_QUERY_LEN));
}

/** Index of the smallest key of a kind that holds what the ranks need, or -1. By tokens, then slots, then query lengths. */
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
