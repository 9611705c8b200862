import { Faults, type Limits } from '../config.js';
import { LockstepError, shown } from '../errors.js';
import { ENUMS, KEY_WORDS, MAX_QUERY_LENS, word } from './layout.js';
import { completePolicy, type Policy } from './policy.js';

/** One captured graph, compared by value. */
export interface CaptureKey {
  readonly mode: 'full';
  /** Tokens the graph computes: `decodeRequests * queryLen`. */
  readonly tokens: number;
  readonly prefillRequests: number;
  readonly decodeRequests: number;
  /** Tokens each decode request has a place for (1 + speculative tokens). */
  readonly queryLen: number;
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
  /** Capture sizes from the threshold on both plain and ubatched; else ubatched only. Default true. */
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
    const reachesThreshold = plain.tokens >= policy.ubatchThresholdDecode;
    const ubatched = reachesThreshold && divides(count, queryLen, policy) ? policy.ubatches : 1;
    if (ubatched > 1) keys.push(decodeKey(count, queryLen, ubatched));
    if (ubatched === 1 || options.twins !== false) keys.push(plain);
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
    faults.check(key.mode === 'full', `${name}.mode is ${shown(key.mode)}; decode steps run full graphs`);
    faults.check(
      key.prefillRequests === 0,
      `${name}.prefillRequests is ${key.prefillRequests}; prefill and mixed steps run eager`,
    );
    const counted = [
      faults.integer(`${name}.queryLen`, key.queryLen, 1, limits.queryLen),
      faults.integer(`${name}.decodeRequests`, key.decodeRequests, 1, 1 << 16),
    ].every(Boolean);
    faults.check(
      key.tokens === key.decodeRequests * key.queryLen && key.maxQueryLen === key.queryLen,
      `${name}: tokens must be decodeRequests * queryLen, and maxQueryLen queryLen`,
    );
    faults.integer(`${name}.variant`, key.variant, 0, 2 ** 31 - 1);
    faults.integer(`${name}.collectives`, key.collectives, 0, 2 ** 31 - 1);
    faults.check(
      !counted || key.tokens % policy.tokenAlignment === 0,
      `${name}.tokens is ${key.tokens}; it must be a multiple of the policy's tokenAlignment (${policy.tokenAlignment})`,
    );
    faults.check(
      !counted ||
        key.parts === 1 ||
        (key.parts === policy.ubatches && divides(key.decodeRequests, key.queryLen, policy)),
      `${name}.parts is ${key.parts}; it must be 1, or the policy's ubatches (${policy.ubatches}) with a whole aligned request in each part`,
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

const KEY_FIELDS = Object.keys(decodeKey(1, 1, 1)) as readonly (keyof CaptureKey)[];

/** The decode query lengths of a plan, ascending. */
export function queryLens(plan: CapturePlan): number[] {
  return [...new Set(plan.keys.map((key) => key.queryLen))].sort((a, b) => a - b);
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
