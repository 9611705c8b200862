import { createRawRules, type RawRules } from '../../agreement/index.js';
import { checkArguments, checkList, checkOptions, Faults, withoutUndefined } from '../../checks.js';
import { type CaptureKey, decodeKey, piecewiseKey } from '../../keys/index.js';
import type { Policy } from '../../policy/index.js';
import { namedPolicy } from '../policies.js';
import { engineCapture } from '../profile/engine-capture.js';
import type { EngineProfile } from '../profile/engine-profile.js';
import type { VllmGraphMode } from './agreement.js';

/** What does not change from step to step. */
export interface VllmDispatchOptions {
  /** cudagraph_capture_sizes, in tokens. Not beside `profile`. */
  readonly captureSizes?: readonly number[];
  /** vLLM as it is run: its graphs and its policy, without micro-batches. In place of everything else. */
  readonly profile?: Omit<EngineProfile, 'engine'>;
  /** Tokens of one decode request: 1 + drafts. Default 1. */
  readonly queryLen?: number;
  /** Not beside `profile`, and needed without it. */
  readonly maxNumSeqs?: number;
  /** Most tokens of a batch. Default 8192, or the largest capture size. */
  readonly maxNumBatchedTokens?: number;
}

/** A batch, as vLLM's V2 runner looks a graph up for it. */
export interface VllmBatch {
  /** Requests of the batch. */
  readonly numRequests: number;
  /** Tokens of the batch. */
  readonly numTokens: number;
  /** Tokens of each request where all have as many; null: a mixed batch. */
  readonly uniformQueryLen: number | null;
  /** Tokens of the longest request of a batch that only decodes and is not uniform, as where drafts are missing. Default: it holds a prefill. */
  readonly longestDecode?: number;
}

/** vLLM's BatchExecutionDescriptor, as far as it says what runs. */
export interface VllmDispatch {
  /** What runs: a full graph, the graphs of pieces, or none. */
  readonly mode: VllmGraphMode;
  /** Tokens that it runs with, padding included. */
  readonly numTokens: number;
  /** null: not padded. */
  readonly numRequests: number | null;
}

/** Builds the adapter. Errors: ERR_CONFIG_INVALID with every fault at once. */
export async function createVllmDispatcher(options: VllmDispatchOptions): Promise<VllmDispatcher> {
  checkOptions('vLLM dispatch options', options, [], OPTIONS);
  const { maxNumBatchedTokens, queryLen, keys, policy } =
    options.profile === undefined ? ofSizes(options) : ofProfile(options.profile, options);
  const rules = await createRawRules({
    limits: {
      maxNumSeqs: Math.min(1 << 16, maxNumBatchedTokens),
      maxNumBatchedTokens,
      maxModelLen: 1,
      numBlocks: 2,
      queryLen,
    },
    keys,
    policy,
  });
  return new VllmDispatcher(rules);
}

const OPTIONS: readonly (keyof VllmDispatchOptions)[] = [
  'captureSizes',
  'profile',
  'queryLen',
  'maxNumSeqs',
  'maxNumBatchedTokens',
];

/** What a dispatcher looks graphs up by. */
interface Dispatching {
  readonly maxNumBatchedTokens: number;
  readonly queryLen: number;
  readonly keys: readonly CaptureKey[];
  readonly policy: Policy;
}

function ofSizes(options: VllmDispatchOptions): Dispatching {
  checkList('captureSizes', options.captureSizes);
  const { captureSizes = [], queryLen = 1, maxNumSeqs = 0 } = options;
  const largest = Math.max(1, ...captureSizes);
  const { maxNumBatchedTokens = Math.max(8192, largest) } = options;
  const faults = new Faults();
  for (const size of captureSizes) faults.integer('a capture size', size, 1, 1 << 16);
  faults.integer('queryLen', queryLen, 1, 1 << 10);
  faults.integer('maxNumSeqs', maxNumSeqs, 1, 1 << 16);
  faults.integer('maxNumBatchedTokens', maxNumBatchedTokens, queryLen, 1 << 22);
  faults.throwIfAny('This vLLM configuration');
  const keys = vllmKeys(captureSizes, queryLen, maxNumSeqs);
  return { maxNumBatchedTokens, queryLen, keys, policy: namedPolicy('vllm-v2') };
}

function ofProfile(
  profile: Omit<EngineProfile, 'engine'>,
  { profile: _, ...others }: VllmDispatchOptions,
): Dispatching {
  const faults = new Faults();
  const beside = Object.keys(withoutUndefined(others));
  faults.check(beside.length === 0, `a profile is given beside ${beside.join(', ')}: it says them itself`, 'profile');
  faults.throwIfAny('This vLLM configuration');
  const { keys, policy, profile: complete } = engineCapture({ ...profile, engine: 'vllm' }, { ubatches: 1 });
  const { maxNumBatchedTokens, queryLen } = complete;
  return { maxNumBatchedTokens, queryLen, keys, policy };
}

/**
 * Graphs that vLLM's V2 runner captures under FULL_AND_PIECEWISE: of each size a piecewise one, and a full one for uniform
 * decodes at the next multiple of the query length, unless that is beyond the largest size or the most requests.
 * Source: vLLM's CudaGraphManager.
 */
export function vllmKeys(captureSizes: readonly number[], queryLen: number, maxNumSeqs: number): CaptureKey[] {
  checkArguments('vllmKeys', { captureSizes: [captureSizes, 'list'] });
  const faults = new Faults();
  for (const size of captureSizes) faults.integer('a capture size', size, 1, 1 << 20);
  faults.integer('queryLen', queryLen, 1, 1 << 10);
  faults.integer('maxNumSeqs', maxNumSeqs, 1, 1 << 16);
  faults.throwIfAny('These vLLM keys');
  const sizes = [...new Set(captureSizes)].sort((a, b) => a - b);
  const largest = sizes.at(-1) ?? 0;
  const requests = new Set(sizes.map((size) => Math.ceil(size / queryLen)));
  const full = [...requests].filter((count) => count * queryLen <= largest && count <= maxNumSeqs);
  return [...full.map((count) => decodeKey(count, queryLen, 1)), ...sizes.map(piecewiseKey)];
}

/** `resolve` over one rank's vote, in vLLM's terms, under the policy `vllm-v2` or that of a profile. Source: vLLM's CudaGraphManager.dispatch. */
export class VllmDispatcher {
  readonly #rules: RawRules;

  /** `rules`: one rank, with the graphs of `vllmKeys`. */
  constructor(rules: RawRules) {
    this.#rules = rules;
  }

  /** What the batch runs on. Errors: ERR_CONFIG_INVALID for an impossible batch. */
  dispatch(batch: VllmBatch): VllmDispatch {
    const { numRequests, numTokens, uniformQueryLen, longestDecode } = batch;
    this.#check(batch);
    const length = uniformQueryLen ?? longestDecode;
    const decodes = length !== undefined;
    this.#rules.vote(0, {
      tokens: numTokens,
      part0Tokens: numTokens,
      prefillRequests: decodes ? 0 : numRequests,
      decodeRequests: decodes ? numRequests : 0,
      uniformQueryLen: uniformQueryLen ?? 0,
      maxQueryLen: length ?? numTokens - numRequests + 1,
      maxDecodeQueryLen: length ?? 0,
    });
    const { run, paddedTokens, paddedRequests } = this.#rules.resolve();
    if (run === 'full') return { mode: 'full', numTokens: paddedTokens, numRequests: paddedRequests };
    if (run === 'piecewise') return { mode: 'piecewise', numTokens: paddedTokens, numRequests: null };
    return { mode: 'none', numTokens, numRequests };
  }

  #check({ numRequests, numTokens, uniformQueryLen, longestDecode }: VllmBatch): void {
    const { maxNumSeqs, maxNumBatchedTokens } = this.#rules.limits;
    const faults = new Faults();
    const counted = faults.integer('numRequests', numRequests, 0, maxNumSeqs);
    if (faults.integer('numTokens', numTokens, 0, maxNumBatchedTokens) && counted) {
      faults.check(
        numTokens === 0 ? numRequests === 0 : numRequests > 0 && numTokens >= numRequests,
        `numTokens is ${numTokens}; each of ${numRequests} requests has a token or more, and a token has a request`,
      );
      faults.check(
        uniformQueryLen === null || numTokens === 0 || numRequests * uniformQueryLen === numTokens,
        `uniformQueryLen is ${uniformQueryLen}; ${numRequests} requests of it would not be ${numTokens} tokens`,
      );
    }
    if (longestDecode !== undefined) faults.integer('longestDecode', longestDecode, 1, this.#rules.limits.queryLen);
    faults.throwIfAny('This batch');
  }
}
