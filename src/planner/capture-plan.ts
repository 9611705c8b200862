import { Faults, type Limits } from '../config.js';
import { LockstepError, shown } from '../errors.js';
import { ENUMS, KEY_WORDS, MAX_QUERY_LENS, word } from './layout.js';
import { completePolicy, type Policy, ubatchMinRequests } from './policy.js';

/**
 * One captured graph, compared by value. There are three kinds: decode keys (full, no prefill slots), mixed keys (full, with
 * prefill slots) and piecewise keys, whose attention runs outside the graph, so that only tokens count.
 */
export interface CaptureKey {
  readonly mode: 'full' | 'piecewise';
  /** Tokens the graph computes; of a decode key `decodeRequests * queryLen`. */
  readonly tokens: number;
  /** Slots whose requests may have up to `maxQueryLen` tokens. A prefill slot may hold a decode. */
  readonly prefillRequests: number;
  readonly decodeRequests: number;
  /** Most tokens of a request in a decode slot (1 + speculative tokens); 0 where there are none. */
  readonly queryLen: number;
  /** Most tokens of any request; 0 in a piecewise key, which holds any. */
  readonly maxQueryLen: number;
  /** 1 plain; more: overlapping micro-batches. */
  readonly parts: number;
  /** LoRA case or other kernel variant; 0 is the plain model. */
  readonly variant: number;
  /** Bit set of the collectives its forward holds; 0 none. */
  readonly collectives: number;
}

/** Every graph to capture. */
export interface CapturePlan {
  readonly keys: readonly CaptureKey[];
}

/** What `decodePlan` needs to know to turn a ladder into keys. */
export interface DecodePlanOptions {
  /** Captured sizes in tokens, any order. A size above what the batch can reach is lowered to it. */
  readonly sizes: readonly number[];
  readonly limits: Pick<Limits, 'maxNumSeqs' | 'queryLen'>;
  /** What is left out takes its default. */
  readonly policy: Partial<Policy>;
  /** Capture sizes from the threshold on both plain and ubatched; else ubatched only. Default: as the policy says. */
  readonly twins?: boolean;
}

/**
 * Keys of a ladder for decode steps. Each size is rounded up to whole requests of `queryLen` tokens; sizes above
 * `maxNumSeqs` requests become that; then each is rounded up to the policy's token alignment. With `policy.ubatches > 1`,
 * sizes from the decode threshold on that leave every part at least one aligned request get an ubatched twin. Largest
 * first, the order of capture. Throws `ERR_CONFIG_INVALID` with every fault at once.
 * Sources: vLLM's CudaGraphManager (rounding per graph); vLLM PR 27771 (twins).
 */
export function decodePlan(options: DecodePlanOptions): CapturePlan {
  const { maxNumSeqs, queryLen } = options.limits;
  const faults = new Faults();
  faults.integer('limits.maxNumSeqs', maxNumSeqs, 1, 1 << 16);
  faults.integer('limits.queryLen', queryLen, 1, 1 << 10);
  for (const [index, size] of options.sizes.entries()) faults.integer(`sizes[${index}]`, size, 1, 2 ** 31 - 1);
  faults.throwIfAny('This ladder');
  const policy = completePolicy(options.policy);
  const unit = alignedRequests(queryLen, policy);
  const requests = new Set<number>();
  for (const size of options.sizes) {
    requests.add(Math.ceil(Math.min(Math.ceil(size / queryLen), maxNumSeqs) / unit) * unit);
  }
  const keys: CaptureKey[] = [];
  for (const count of [...requests].sort((a, b) => b - a)) {
    const plain = decodeKey(count, queryLen, 1);
    const ubatched = reachesUbatches(plain, policy) && divides(count, queryLen, policy) ? policy.ubatches : 1;
    if (ubatched > 1) keys.push(decodeKey(count, queryLen, ubatched));
    if (ubatched === 1 || (options.twins ?? policy.twins)) keys.push(plain);
  }
  return Object.freeze({ keys: Object.freeze(keys) });
}

/** A full graph of `requests` decodes of `queryLen` tokens in `parts` micro-batches. */
export function decodeKey(requests: number, queryLen: number, parts: number): CaptureKey {
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

export type KeyKind = 'decode' | 'mixed' | 'piecewise';

export function keyKind(key: CaptureKey): KeyKind {
  if (key.mode === 'piecewise') return 'piecewise';
  return key.prefillRequests > 0 ? 'mixed' : 'decode';
}

/** Whether the ranks can come to agree to micro-batches in a step that this plain key holds. */
function reachesUbatches(plain: CaptureKey, policy: Policy): boolean {
  const least = policy.ubatchAgreement === 'same-phase' ? 1 : policy.ubatchThresholdDecode - policy.ubatchHysteresis;
  const requests = policy.ubatchCaptureMinRequests === 0 ? ubatchMinRequests(policy) : policy.ubatchCaptureMinRequests;
  return plain.tokens >= least && plain.decodeRequests >= requests;
}

/** Fewest decodes whose tokens are a multiple of the token alignment. */
function alignedRequests(queryLen: number, policy: Policy): number {
  return policy.tokenAlignment / gcd(policy.tokenAlignment, queryLen);
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Whether each part of `requests` decodes gets at least one whole aligned request. */
function divides(requests: number, queryLen: number, policy: Policy): boolean {
  return policy.ubatches > 1 && Math.floor(requests / policy.ubatches / alignedRequests(queryLen, policy)) >= 1;
}

/** Throws `ERR_CONFIG_INVALID` with everything that keeps `plan` from being run under `limits` and `policy`. */
export function checkPlan(plan: CapturePlan, limits: Limits, policy: Policy): void {
  if (!Array.isArray(plan.keys)) {
    throw new LockstepError('ERR_CONFIG_INVALID', 'A capture plan holds its graphs in an array named keys', { plan });
  }
  const faults = new Faults();
  const seen = new Set<string>();
  for (const [index, key] of plan.keys.entries()) {
    const name = `keys[${index}]`;
    if (typeof key !== 'object' || key === null) {
      faults.check(false, `${name} is ${shown(key)}; it must be a capture key`);
      continue;
    }
    faults.names(name, key, Object.keys(decodeKey(1, 1, 1)));
    if (key.mode === 'piecewise') checkPiecewise(faults, name, key);
    else if (key.mode === 'full' && key.prefillRequests > 0) checkMixed(faults, name, key, limits);
    else checkDecode(faults, name, key, limits, policy);
    faults.integer(`${name}.variant`, key.variant, 0, 2 ** 31 - 1);
    faults.integer(`${name}.collectives`, key.collectives, 0, 2 ** 31 - 1);
    faults.check(
      !Number.isInteger(key.tokens) || key.tokens % policy.tokenAlignment === 0,
      `${name}.tokens is ${key.tokens}; it must be a multiple of the policy's tokenAlignment (${policy.tokenAlignment})`,
    );
    const value = KEY_FIELDS.map((field) => key[field]).join();
    faults.check(!seen.has(value), `${name} repeats an earlier key`);
    seen.add(value);
  }
  faults.throwIfAny('This capture plan');
  const lengths = queryLens(plan);
  faults.check(
    lengths.length <= MAX_QUERY_LENS,
    `the plan has ${lengths.length} query lengths (${lengths.join(', ')}); at most ${MAX_QUERY_LENS} fit`,
  );
  faults.throwIfAny('This capture plan');
}

function checkDecode(faults: Faults, name: string, key: CaptureKey, limits: Limits, policy: Policy): void {
  faults.check(key.mode === 'full', `${name}.mode is ${shown(key.mode)}; it must be "full" or "piecewise"`);
  faults.check(
    key.prefillRequests === 0,
    `${name}.prefillRequests is ${shown(key.prefillRequests)}; it must be an integer of at least 0`,
  );
  const counted = [
    faults.integer(`${name}.queryLen`, key.queryLen, 1, limits.queryLen),
    faults.integer(`${name}.decodeRequests`, key.decodeRequests, 1, 1 << 16),
  ].every(Boolean);
  faults.check(
    key.tokens === key.decodeRequests * key.queryLen && key.maxQueryLen === key.queryLen,
    `${name}: tokens must be decodeRequests * queryLen, and maxQueryLen queryLen`,
  );
  faults.check(
    !counted || key.parts === 1 || (key.parts === policy.ubatches && divides(key.decodeRequests, key.queryLen, policy)),
    `${name}.parts is ${key.parts}; it must be 1, or the policy's ubatches (${policy.ubatches}) with a whole aligned request in each part`,
  );
}

function checkMixed(faults: Faults, name: string, key: CaptureKey, limits: Limits): void {
  faults.integer(`${name}.tokens`, key.tokens, 1, 1 << 22);
  faults.integer(`${name}.prefillRequests`, key.prefillRequests, 1, 1 << 16);
  faults.integer(`${name}.decodeRequests`, key.decodeRequests, 0, 1 << 16);
  faults.check(
    key.tokens >= key.prefillRequests + key.decodeRequests,
    `${name}.tokens is ${key.tokens}; its ${key.prefillRequests} + ${key.decodeRequests} requests have a token each`,
  );
  faults.integer(`${name}.queryLen`, key.queryLen, key.decodeRequests > 0 ? 1 : 0, limits.queryLen);
  faults.integer(`${name}.maxQueryLen`, key.maxQueryLen, Math.max(1, key.queryLen || 0), 1 << 22);
  faults.check(key.parts === 1, `${name}.parts is ${key.parts}; graphs with prefill slots have one part`);
}

function checkPiecewise(faults: Faults, name: string, key: CaptureKey): void {
  faults.integer(`${name}.tokens`, key.tokens, 1, 1 << 22);
  for (const field of ['prefillRequests', 'decodeRequests', 'queryLen', 'maxQueryLen'] as const) {
    faults.check(key[field] === 0, `${name}.${field} is ${shown(key[field])}; a piecewise graph has none (0)`);
  }
  faults.check(key.parts === 1, `${name}.parts is ${key.parts}; piecewise graphs have one part`);
}

const KEY_FIELDS = Object.keys(decodeKey(1, 1, 1)) as readonly (keyof CaptureKey)[];

/** The decode query lengths of a plan, ascending. */
export function queryLens(plan: CapturePlan): number[] {
  const lengths = plan.keys.filter((key) => keyKind(key) === 'decode').map((key) => key.queryLen);
  return [...new Set(lengths)].sort((a, b) => a - b);
}

/** The keys as the rules module reads them. */
export function keyWords(plan: CapturePlan): Int32Array {
  const words = new Int32Array(plan.keys.length * KEY_WORDS.length);
  for (const [index, key] of plan.keys.entries()) {
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
