import { createRawRules, type DecisionView, type FactWord, type RawRules } from '../../agreement/index.js';
import { checkArguments, Faults } from '../../checks.js';
import { LockstepError } from '../../errors.js';
import { decodeKey } from '../../keys/index.js';
import { namedPolicy } from '../policies.js';

/** What does not change from step to step. */
export interface AtomOptions {
  /** Captured decode batches, in requests. */
  readonly captureSizes: readonly number[];
  /** Tokens of one decode request: 1 + drafts. Default 1. */
  readonly queryLen?: number;
  /** Run no graph. Default false. */
  readonly enforceEager?: boolean;
  /** Most requests of a rank, padded ones included. Default 1024. */
  readonly maxNumSeqs?: number;
}

/** One rank's step, and what its ranks agreed on. */
export interface AtomStep {
  /** Whether this rank holds a prefill. */
  readonly isPrefill: boolean;
  /** Requests of this rank. */
  readonly numRequests: number;
  /** The largest number of decode tokens on any rank. */
  readonly paddedTokensAcrossRanks: number;
  /** No rank holds a prefill. A single rank says true whatever it holds. */
  readonly uniformDecodeAcrossRanks: boolean;
}

/** ATOM's ForwardMode: whether a graph runs, and two sizes in requests. */
export interface AtomForwardMode {
  /** Whether a graph runs. */
  readonly useGraph: boolean;
  /** Its `effective_bs`: what sizes this rank's attention. */
  readonly attentionBatch: number;
  /** Its `moe_pad_bs`: what the MoE layer's collectives are padded to. */
  readonly moePadBatch: number;
}

type Facts = Partial<Record<FactWord, number>>;

/** Builds the adapter. Errors: ERR_CONFIG_INVALID with every fault at once. */
export async function createAtomAdapter(options: AtomOptions): Promise<AtomAdapter> {
  checkArguments('createAtomAdapter', { options: [options, 'object', 'captureSizes'] });
  checkArguments('createAtomAdapter', { captureSizes: [options.captureSizes, 'list'] });
  const { captureSizes, queryLen = 1, enforceEager = false, maxNumSeqs = 1024 } = options;
  const faults = new Faults();
  for (const size of captureSizes) faults.integer('a capture size', size, 1, 1 << 16);
  faults.integer('queryLen', queryLen, 1, 1 << 10);
  faults.integer('maxNumSeqs', maxNumSeqs, 1, 1 << 16);
  faults.throwIfAny('This ATOM configuration');
  const rules = await createRawRules({
    limits: { maxNumSeqs, maxNumBatchedTokens: maxNumSeqs * queryLen, maxModelLen: queryLen, numBlocks: 2, queryLen },
    keys: [...new Set(captureSizes)].map((size) => decodeKey(size, queryLen, 1)),
    // ATOM gathers whole requests, so tokens are counted in multiples of one request's.
    policy: { ...namedPolicy('atom'), enforceEager, tokenAlignment: queryLen },
    ranks: 2,
  });
  return new AtomAdapter(rules);
}

/**
 * `resolve` in ATOM's terms, under the policy `atom`, over two votes: this rank's, and that of one peer which stands for
 * all others. Source: ATOM `ForwardMode`.
 */
export class AtomAdapter {
  #rules: RawRules | undefined;

  /** `rules`: of two ranks, with ATOM's captured batches as decode keys. */
  constructor(rules: RawRules) {
    this.#rules = rules;
  }

  /** What the step runs as. Errors: ERR_CONFIG_INVALID for impossible facts, ERR_DISPOSED. */
  forwardMode(step: AtomStep): AtomForwardMode {
    const rules = this.#rules;
    if (rules === undefined) throw new LockstepError('ERR_DISPOSED', 'This ATOM adapter was disposed');
    const { queryLen, maxNumSeqs } = rules.limits;
    const { isPrefill, numRequests, paddedTokensAcrossRanks, uniformDecodeAcrossRanks } = step;
    const decodesEverywhere = uniformDecodeAcrossRanks && !isPrefill;
    const paddedBatch = Math.ceil(paddedTokensAcrossRanks / queryLen);
    const faults = new Faults();
    faults.integer('numRequests', numRequests, 1, maxNumSeqs);
    if (
      decodesEverywhere &&
      faults.integer('paddedTokensAcrossRanks', paddedTokensAcrossRanks, 1, maxNumSeqs * queryLen)
    ) {
      faults.check(
        paddedBatch >= numRequests,
        `paddedTokensAcrossRanks (${paddedTokensAcrossRanks}) is below this rank's own ${numRequests * queryLen} tokens`,
      );
    }
    faults.throwIfAny('This step');

    rules.vote(0, isPrefill ? prefill(numRequests, queryLen) : decode(numRequests, queryLen));
    rules.vote(
      1,
      decodesEverywhere ? decode(paddedBatch, queryLen) : uniformDecodeAcrossRanks ? {} : prefill(1, queryLen),
    );
    const decision = rules.resolve();
    return {
      useGraph: decision.run === 'full',
      attentionBatch: decision.run === 'full' ? decision.paddedRequests : numRequests,
      moePadBatch: gatheredTokens(decision) / queryLen,
    };
  }

  /** Every later call throws ERR_DISPOSED. */
  dispose(): void {
    this.#rules = undefined;
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Tokens that this rank brings to the MoE layer's collectives. */
function gatheredTokens(decision: DecisionView): number {
  return decision.parts[0].gather.tokensPerRank[0];
}

/** ATOM counts prefills in requests: each stands for as many tokens as a decode. */
function prefill(requests: number, queryLen: number): Facts {
  const tokens = requests * queryLen;
  return { tokens, part0Tokens: tokens, prefillRequests: requests, maxQueryLen: queryLen };
}

function decode(requests: number, queryLen: number): Facts {
  const tokens = requests * queryLen;
  return {
    tokens,
    part0Tokens: tokens,
    decodeRequests: requests,
    uniformQueryLen: queryLen,
    maxQueryLen: queryLen,
    maxDecodeQueryLen: queryLen,
  };
}
