import { checkHas, checkList, checkOptions, Faults } from '../checks.js';
import type { Limits } from '../config.js';
import { gcd } from '../numbers.js';
import { completePolicy, type Policy, ubatchMinRequests } from '../policy/index.js';
import { type CaptureKey, decodeKey, keyKind } from './capture-key.js';

/** Every graph to capture. */
export interface CapturePlan {
  /** The graphs, in any order: a key is named by its index here. */
  readonly keys: readonly CaptureKey[];
}

/** What `decodePlan` needs to know to turn a ladder into keys. */
export interface DecodePlanOptions {
  /** Captured sizes in tokens, any order. A size above what the batch can reach is lowered to it. */
  readonly sizes: readonly number[];
  /** The limits that a size must fit. */
  readonly limits: Pick<Limits, 'maxNumSeqs' | 'queryLen'>;
  /** A limit that is left out takes its default. */
  readonly policy: Partial<Policy>;
  /** Capture sizes from the threshold on both plain and ubatched; else ubatched only. Default: as the policy says. */
  readonly twins?: boolean;
}

/**
 * Keys of a ladder for decode steps. Each size is rounded up to whole requests of `queryLen` tokens; sizes above
 * `maxNumSeqs` requests become that; then each is rounded up to the policy's token alignment. With `policy.ubatches > 1`,
 * sizes from the decode threshold on that leave every part at least one aligned request get an ubatched twin. Largest
 * first, the order of capture. Throws `ERR_CONFIG_INVALID` with every fault at once.
 * Sources: vLLM's CudaGraphManager (rounding per graph); vLLM pull request 27771 (twins).
 */
export function decodePlan(options: DecodePlanOptions): CapturePlan {
  checkOptions('the options of decodePlan', options, ['sizes', 'limits'], ['policy', 'twins']);
  checkList('sizes', options.sizes);
  checkHas('limits', options.limits, ['maxNumSeqs', 'queryLen']);
  const { maxNumSeqs, queryLen } = options.limits;
  const faults = new Faults();
  faults.integer('limits.maxNumSeqs', maxNumSeqs, 1, 1 << 16);
  faults.integer('limits.queryLen', queryLen, 1, 1 << 10);
  for (const [index, size] of options.sizes.entries()) faults.integer(`sizes[${index}]`, size, 1, 2 ** 31 - 1);
  faults.throwIfAny('This ladder');
  const policy = completePolicy(options.policy);
  const graphs = decodeGraphs(options.sizes, options.limits, policy, options.twins ?? policy.twins);
  return Object.freeze({
    keys: Object.freeze(graphs.map(([requests, parts]) => decodeKey(requests, queryLen, parts))),
  });
}

/** The requests and parts of each key that `decodePlan` makes of a ladder, in its order; nothing is checked, and no key is made. */
export function decodeGraphs(
  sizes: readonly number[],
  { maxNumSeqs, queryLen }: Pick<Limits, 'maxNumSeqs' | 'queryLen'>,
  policy: Policy,
  twins: boolean,
): (readonly [requests: number, parts: number])[] {
  const unit = alignmentUnit(queryLen, policy);
  const requests = new Set<number>();
  for (const size of sizes) {
    requests.add(Math.ceil(Math.min(Math.ceil(size / queryLen), maxNumSeqs) / unit) * unit);
  }
  const leastCut = leastUbatchedSize(queryLen, policy);
  const graphs: (readonly [number, number])[] = [];
  for (const count of [...requests].sort((a, b) => b - a)) {
    const cut = count * queryLen >= leastCut;
    if (cut) graphs.push([count, policy.ubatches]);
    if (!cut || twins) graphs.push([count, 1]);
  }
  return graphs;
}

/**
 * The smallest size, in tokens, that is captured in micro-batches: the smallest at which the policy can agree to them and every part
 * gets at least one aligned request. Infinity if no step is cut.
 */
export function leastUbatchedSize(queryLen: number, policy: Policy): number {
  if (policy.ubatches === 1) return Infinity;
  const unit = alignmentUnit(queryLen, policy);
  const agreeing = policy.ubatchCaptureMinRequests === 0 ? ubatchMinRequests(policy) : policy.ubatchCaptureMinRequests;
  const requests = Math.max(
    agreeing,
    policy.ubatches * unit,
    Math.ceil(leastUbatchedTokens(queryLen, policy) / queryLen),
  );
  return Math.ceil(requests / unit) * unit * queryLen;
}

/** Fewest tokens of a decode, in whole requests, with which ranks can agree to micro-batches. Infinity where no step is cut. */
export function leastAgreedSize(queryLen: number, policy: Policy): number {
  if (policy.ubatches === 1) return Infinity;
  return Math.max(ubatchMinRequests(policy), Math.ceil(leastUbatchedTokens(queryLen, policy) / queryLen)) * queryLen;
}

/** Fewest tokens of a rank's decodes, counted at `queryLen` each, with which ranks can agree to micro-batches on a decode graph. */
function leastUbatchedTokens(queryLen: number, policy: Policy): number {
  const { ubatchAgreement, ubatchThresholdDecode, ubatchThresholdPrefill, ubatchHysteresis, decodeMatch } = policy;
  if (ubatchAgreement === 'same-phase') return 1;
  // That rule holds decodes of several lengths to the threshold of prefills, and they have at least one token less than as many of one length.
  const lengths = ubatchAgreement === 'min-tokens' && decodeMatch === 'padded' && queryLen > 1;
  const ofLengths = lengths ? ubatchThresholdPrefill + 1 : Infinity;
  return Math.min(ubatchThresholdDecode, ofLengths) - ubatchHysteresis;
}

/** Fewest decodes whose tokens are a multiple of the token alignment: graphs are cut at multiples of them (asc/parts.ts). */
function alignmentUnit(queryLen: number, policy: Pick<Policy, 'tokenAlignment'>): number {
  return policy.tokenAlignment / gcd(policy.tokenAlignment, queryLen);
}

/** Whether each part of `requests` decodes gets at least one whole aligned request. */
export function divides(
  requests: number,
  queryLen: number,
  policy: Pick<Policy, 'ubatches' | 'tokenAlignment'>,
): boolean {
  return policy.ubatches > 1 && Math.floor(requests / policy.ubatches / alignmentUnit(queryLen, policy)) >= 1;
}

/** The decode query lengths of a plan, ascending. */
export function queryLens(plan: CapturePlan): number[] {
  const lengths = plan.keys.filter((key) => keyKind(key) === 'decode').map((key) => key.queryLen);
  return [...new Set(lengths)].sort((a, b) => a - b);
}
