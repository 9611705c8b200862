import { checkHas, Faults } from '../checks.js';
import { shown } from '../errors.js';
import { ENUMS, KEY_WORDS, word } from '../layout/index.js';
import type { CheckedPolicy } from '../policy/index.js';

/**
 * One captured graph, compared by value. There are three kinds: decode keys (full, no prefill slots), mixed keys (full, with
 * prefill slots) and piecewise keys, whose attention runs outside the graph, so that only tokens count.
 */
export interface CaptureKey {
  /** `full`: attention is in the graph. `piecewise`: it runs between the graphs of pieces. */
  readonly mode: 'full' | 'piecewise';
  /** Tokens the graph computes; of a decode key `decodeRequests * queryLen`. */
  readonly tokens: number;
  /** Slots whose requests may have up to `maxQueryLen` tokens. A prefill slot may hold a decode. */
  readonly prefillRequests: number;
  /** Slots whose requests have at most `queryLen` tokens, all of them decodes. */
  readonly decodeRequests: number;
  /** Most tokens of a request in a decode slot (1 + speculative tokens); 0 where there are none. */
  readonly queryLen: number;
  /** Most tokens of any request; 0 in a piecewise key, which holds any. */
  readonly maxQueryLen: number;
  /** 1: plain; more: overlapping micro-batches. */
  readonly parts: number;
  /** LoRA case or other kernel variant; 0 is the plain model. */
  readonly variant: number;
  /** Bit set of the collectives its forward holds; 0 none. */
  readonly collectives: number;
}

/** A full graph of `requests` decodes of `queryLen` tokens in `parts` micro-batches. */
export function decodeKey(requests: number, queryLen: number, parts: number): CaptureKey {
  checkNumbers({ requests, queryLen, parts });
  return Object.freeze({
    mode: 'full',
    tokens: requests * queryLen,
    prefillRequests: 0,
    decodeRequests: requests,
    queryLen,
    maxQueryLen: queryLen,
    parts,
    variant: 0,
    collectives: 0,
  });
}

/** A full graph with slots for prefills and for decodes of up to `queryLen` tokens. Source: Megatron's batch dimensions. */
export function mixedKey(
  tokens: number,
  prefillRequests: number,
  decodeRequests: number,
  queryLen: number,
): CaptureKey {
  checkNumbers({ tokens, prefillRequests, decodeRequests, queryLen });
  return Object.freeze({
    mode: 'full',
    tokens,
    prefillRequests,
    decodeRequests,
    queryLen: decodeRequests > 0 ? queryLen : 0,
    maxQueryLen: tokens,
    parts: 1,
    variant: 0,
    collectives: 0,
  });
}

/** Graphs of the pieces between attention, for any batch of up to `tokens` tokens. Source: vLLM's piecewise graphs. */
export function piecewiseKey(tokens: number): CaptureKey {
  checkNumbers({ tokens });
  return Object.freeze({
    mode: 'piecewise',
    tokens,
    prefillRequests: 0,
    decodeRequests: 0,
    queryLen: 0,
    maxQueryLen: 0,
    parts: 1,
    variant: 0,
    collectives: 0,
  });
}

/** Which steps a key holds by itself: decodes alone, any with a prefill, or any at all. A policy's `mixedGraphs` can say more of the second. */
export type KeyKind = 'decode' | 'mixed' | 'piecewise';

/** Kind of a key, from its mode and its prefill slots. */
export function keyKind(key: CaptureKey): KeyKind {
  checkHas('a capture key', key, []);
  if (key.mode === 'piecewise') return 'piecewise';
  return key.prefillRequests > 0 ? 'mixed' : 'decode';
}

/** Whether steps that only decode run on this key as a full graph, under a policy with these choices. */
export function runsDecodes(key: CaptureKey, { mixedGraphs }: Pick<CheckedPolicy, 'mixedGraphs'>): boolean {
  const kind = keyKind(key);
  return kind === 'decode' || (kind === 'mixed' && (mixedGraphs === 'any-step' || mixedGraphs === 'decodes'));
}

/** What a step with a prefill needs from a graph: each number the maximum over ranks. */
export interface MixedStep {
  /** Tokens that the graph must have, before padding. */
  readonly tokens: number;
  readonly prefillRequests: number;
  readonly decodeRequests: number;
  /** Of both kinds together on one rank: at most the sum of the two. */
  readonly requests: number;
  /** Most tokens of a request, and of a decode. Default 0: not known, and no graph is too short for them. */
  readonly maxQueryLen?: number;
  readonly maxDecodeQueryLen?: number;
}

/**
 * Whether a mixed key has the tokens and slots that a step with a prefill needs, by the policy's `mixedMatch`. A prefill slot may hold
 * a decode. `leastTokensOn` says how far the key may pad the step. The rules decide each step by their own
 * `mixedVerdict` (asc/candidates.ts), and a test holds the two to each other.
 */
export function holds(key: CaptureKey, step: MixedStep, match: CheckedPolicy['mixedMatch'] = 'slots'): boolean {
  const { tokens, prefillRequests, decodeRequests, requests, maxQueryLen = 0, maxDecodeQueryLen = 0 } = step;
  if (key.tokens < tokens || key.maxQueryLen < maxQueryLen) return false;
  if (match !== 'slot-count' && key.prefillRequests < prefillRequests) return false;
  if (match === 'strict' && key.decodeRequests < decodeRequests) return false;
  if (key.prefillRequests + key.decodeRequests < requests) return false;
  return key.decodeRequests === 0 || key.queryLen >= maxDecodeQueryLen;
}

/** The keys as the rules module reads them. */
export function keyWords(keys: readonly CaptureKey[]): Int32Array {
  const words = new Int32Array(keys.length * KEY_WORDS.length);
  for (const [index, key] of keys.entries()) {
    const at = index * KEY_WORDS.length;
    words[at + word(KEY_WORDS, 'mode')] = ENUMS.MODE[key.mode];
    words[at + word(KEY_WORDS, 'tokens')] = key.tokens;
    words[at + word(KEY_WORDS, 'prefillRequests')] = key.prefillRequests;
    words[at + word(KEY_WORDS, 'decodeRequests')] = key.decodeRequests;
    words[at + word(KEY_WORDS, 'queryLen')] = key.queryLen;
    words[at + word(KEY_WORDS, 'maxQueryLen')] = key.maxQueryLen;
    words[at + word(KEY_WORDS, 'parts')] = key.parts;
    words[at + word(KEY_WORDS, 'variant')] = key.variant;
    words[at + word(KEY_WORDS, 'collectives')] = key.collectives;
  }
  return words;
}

/** Whether they make a key that can be captured is checked with the plan. */
function checkNumbers(given: Readonly<Record<string, unknown>>): void {
  // A plan makes thousands of keys to choose from: words are made for wrong ones alone.
  if (Object.values(given).every((value) => typeof value === 'number')) return;
  const faults = new Faults();
  for (const [name, value] of Object.entries(given)) {
    faults.check(typeof value === 'number', `${name} is ${shown(value)}; it must be a number`, name);
  }
  faults.throwIfAny('This key');
}
