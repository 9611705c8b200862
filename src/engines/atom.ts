import { Faults } from '../config.js';
import { decodeKey } from '../planner/capture-key.js';
import { ENUMS, VOTE_WORDS, word } from '../planner/layout.js';
import { createPlanner, type StepPlanner } from '../planner/step-planner.js';

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
  readonly isPrefill: boolean;
  /** Requests of this rank. */
  readonly numRequests: number;
  /** The largest number of decode tokens on any rank. */
  readonly paddedTokensAcrossRanks: number;
  /** No rank holds a prefill. A rank that is alone says true whatever it holds. */
  readonly uniformDecodeAcrossRanks: boolean;
}

/** ATOM's ForwardMode: whether a graph runs, and two sizes in requests. */
export interface AtomForwardMode {
  readonly useGraph: boolean;
  /** Its `effective_bs`: what sizes this rank's attention. */
  readonly attentionBatch: number;
  /** Its `moe_pad_bs`: what the MoE layer's collectives are padded to. */
  readonly moePadBatch: number;
}

type Words = Partial<Record<(typeof VOTE_WORDS)[number], number>>;

/** Builds the adapter. Errors: ERR_CONFIG_INVALID with every fault at once. */
export async function createAtomAdapter(options: AtomOptions): Promise<AtomAdapter> {
  const { captureSizes, queryLen = 1, enforceEager = false, maxNumSeqs = 1024 } = options;
  const faults = new Faults();
  for (const size of captureSizes) faults.integer('a capture size', size, 1, 1 << 16);
  faults.integer('queryLen', queryLen, 1, 1 << 10);
  faults.integer('maxNumSeqs', maxNumSeqs, 1, 1 << 16);
  faults.throwIfAny('This ATOM configuration');
  const keys = [...new Set(captureSizes)].map((size) => decodeKey(size, queryLen, 1));
  const planner = await createPlanner({
    limits: { maxNumSeqs, maxNumBatchedTokens: maxNumSeqs * queryLen, maxModelLen: queryLen, numBlocks: 2, queryLen },
    plan: { keys },
    policy: { enforceEager },
    rank: 0,
    ranks: 2,
  });
  return new AtomAdapter(planner);
}

/**
 * ATOM's words over `resolve`: whether a step runs as a graph, and of which size, is decided there, from this rank's row
 * and that of one peer which stands for all others. Only ATOM's own two sizes are worked out here.
 * Source: ATOM `ForwardMode`.
 */
export class AtomAdapter {
  readonly #planner: StepPlanner;

  /** `planner`: rank 0 of 2. */
  constructor(planner: StepPlanner) {
    this.#planner = planner;
  }

  /** What the step runs as. Errors: ERR_CONFIG_INVALID for facts that cannot be, ERR_DISPOSED. */
  forwardMode(step: AtomStep): AtomForwardMode {
    const { queryLen, maxNumSeqs } = this.#planner.limits;
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

    const own = isPrefill ? prefill(numRequests) : decode(numRequests, queryLen);
    const peer = decodesEverywhere ? decode(paddedBatch, queryLen) : uniformDecodeAcrossRanks ? {} : prefill(1);
    const graphRequests = this.#graph(own, peer);
    if (graphRequests !== undefined) {
      return { useGraph: true, attentionBatch: graphRequests, moePadBatch: graphRequests };
    }
    // A padded all-gather still runs in a uniform eager step, so its size must be equal on every rank.
    return { useGraph: false, attentionBatch: numRequests, moePadBatch: decodesEverywhere ? paddedBatch : numRequests };
  }

  dispose(): void {
    this.#planner.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Requests of the graph these two rows agree on; undefined in eager. */
  #graph(own: Words, peer: Words): number | undefined {
    const planner = this.#planner;
    const idle = planner.vote();
    try {
      const { table } = planner;
      table.set(idle, idle.length);
      write(table.subarray(0, idle.length), own);
      write(table.subarray(idle.length), peer);
      const decision = planner.resolve(table, null);
      return decision.run === 'full' ? decision.paddedRequests : undefined;
    } finally {
      planner.abandon();
    }
  }
}

function prefill(requests: number): Words {
  return { phase: ENUMS.PHASE.prefill, tokens: requests, part0Tokens: requests, prefillRequests: requests };
}

function decode(requests: number, queryLen: number): Words {
  const tokens = requests * queryLen;
  return {
    phase: ENUMS.PHASE.decode,
    tokens,
    part0Tokens: tokens,
    decodeRequests: requests,
    uniformQueryLen: queryLen,
    maxQueryLen: queryLen,
  };
}

function write(row: Int32Array, words: Words): void {
  for (const [name, value] of Object.entries(words)) row[word(VOTE_WORDS, name as keyof Words)] = value;
}
