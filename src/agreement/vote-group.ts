import type { Requests, Row } from '../batch/index.js';
import { DECISION_WORDS, ENUMS, FACT_WORDS, indexOf, LOCAL_WORDS, REDUCED_WORDS, VOTE_WORDS } from '../layout/index.js';
import type { DecisionView } from './decision.js';
import type { RawRules } from './raw-rules.js';

/** One request's share of a batch. */
export interface BatchChunk {
  readonly phase: 'decode' | 'prefill';
  /** Tokens computed before the step, and in it. */
  readonly start: number;
  readonly queryLen: number;
  readonly lastChunk: boolean;
}

/** What the chunks of a batch add up to; all 0 where it has none. */
export interface BatchTotals {
  readonly tokens: number;
  readonly prefillRequests: number;
  readonly decodeRequests: number;
  /** Most and fewest tokens of a chunk, and most of a decode. */
  readonly maxQueryLen: number;
  readonly minQueryLen: number;
  readonly maxDecodeQueryLen: number;
  readonly maxSeqLen: number;
}

/** What all ranks of a table need together, before it is decided how they run: each number the maximum over ranks. */
export interface AgreedShape {
  /** Real tokens. */
  readonly tokens: number;
  readonly prefillRequests: number;
  readonly decodeRequests: number;
  /** Of both kinds together on one rank: at most the sum of the two. */
  readonly requests: number;
  /** The ranks agreed to micro-batches. */
  readonly ubatched: boolean;
}

/**
 * The votes of all ranks in one memory, written from what each rank schedules: how the steps of a whole group are decided in
 * one process, without a device. Rows and decisions equal those of one planner per rank.
 */
export class VoteGroup {
  readonly rules: RawRules;
  /** The decision resolved last. */
  readonly decision: DecisionView;
  readonly #requests: Requests;
  readonly #reduction: Int32Array;
  readonly #local: Int32Array;
  /** The last decision, dated to the step before the one that is resolved. */
  readonly #previous: Int32Array;
  readonly #remembers: boolean;
  #hasPrevious = false;
  #settled = true;
  /** Facts of the batches that only decode, all query lengths equal: where they are cut follows from their counts. */
  readonly #decodeFacts: Map<number, Int32Array> = new Map();
  readonly #rows: Row[] = [];

  constructor(rules: RawRules) {
    this.rules = rules;
    this.decision = rules.decision;
    this.#requests = rules.memory.requests(() => {});
    this.#reduction = rules.memory.words('reduction');
    this.#local = rules.memory.words('local');
    this.#previous = new Int32Array(this.decision.words.length);
    this.#remembers = rules.policy.ubatchHysteresis > 0;
  }

  /** Whether the same votes in the next step will get the same decision. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Writes the vote of a rank with this batch. `blocksOf` gives the KV blocks of chunk `index`, which the cut may depend on. */
  vote(rank: number, chunks: readonly BatchChunk[], blocksOf: (index: number) => readonly number[]): void {
    const { facts, policy } = this.rules;
    const totals = totalsOf(chunks);
    const decodes = totals.decodeRequests;
    this.#writeTotals(totals);
    if (policy.ubatches > 1 && chunks.length > 0) {
      const maxSeqLen = facts[F.maxSeqLen];
      const queryLen = decodes === chunks.length ? facts[F.uniformQueryLen] : 0;
      const shape = decodes * 65536 + queryLen;
      const known = queryLen > 0 ? this.#decodeFacts.get(shape) : undefined;
      if (known !== undefined) facts.set(known);
      else {
        this.#gather(chunks, blocksOf);
        if (queryLen > 0) this.#decodeFacts.set(shape, facts.slice());
      }
      facts[F.maxSeqLen] = maxSeqLen;
    }
    this.rules.voteFacts(rank);
  }

  /**
   * Writes the vote of a rank whose batch has these totals and cannot be cut. It costs far less than `vote`: for a policy
   * without micro-batches, and for callers that need not know whether a step with a prefill is cut.
   */
  voteTotals(rank: number, totals: BatchTotals): void {
    this.#writeTotals(totals);
    this.rules.voteFacts(rank);
  }

  /** Every rank votes to leave, and has no request. */
  leave(): void {
    this.rules.facts.fill(0);
    for (let rank = 0; rank < this.rules.ranks; rank++) this.rules.voteFacts(rank, LEAVE);
  }

  /** The votes as they are `steps` steps further, where all batches are decodes of one token. */
  lengthen(steps: number): void {
    for (const row of this.rules.rows) if (row[V.tokens] > 0) row[V.maxSeqLen] += steps;
  }

  /** What the ranks decide in `step`. The previous decision counts as that of every step since. Errors: those of `StepPlanner.resolve`. */
  resolve(step: number): DecisionView {
    for (const row of this.rules.rows) row[V.step] = step;
    if (!this.#remembers) return this.rules.resolve(step);
    const wasCut = this.#hasPrevious && this.decision.partCount > 1;
    if (this.#hasPrevious) {
      this.#previous.set(this.decision.words);
      this.#previous[D.step] = step - 1;
    }
    const decision = this.rules.resolve(step, this.#hasPrevious ? this.#previous : undefined);
    this.#hasPrevious = true;
    // A decision reads one thing of the previous one: whether it ran in micro-batches.
    this.#settled = decision.partCount > 1 === wasCut;
    return decision;
  }

  /** The shape of the table resolved last. */
  shape(): AgreedShape {
    const reduction = this.#reduction;
    return {
      tokens: reduction[R.tokens],
      prefillRequests: reduction[R.prefillRequests],
      decodeRequests: reduction[R.decodeRequests],
      requests: reduction[R.requests],
      ubatched: reduction[R.parts] > 1,
    };
  }

  /** Real tokens of a rank in the table. */
  tokens(rank: number): number {
    return this.rules.rows[rank][V.tokens];
  }

  /** Tokens that a rank computes under the decision resolved last, padding included. */
  paddedTokens(rank: number): number {
    const { rules, rows } = this.rules;
    rules.sizeLocal(this.decision.words.byteOffset, rows[rank].byteOffset, rank, this.#local.byteOffset);
    return this.#local[L.paddedTokens];
  }

  /** Writes the facts that are sums and maxima, as for a batch that is never cut. */
  #writeTotals(totals: BatchTotals): void {
    const { facts } = this.rules;
    facts.fill(0);
    facts[F.tokens] = totals.tokens;
    facts[F.prefillRequests] = totals.prefillRequests;
    facts[F.decodeRequests] = totals.decodeRequests;
    facts[F.uniformQueryLen] = totals.maxQueryLen === totals.minQueryLen ? totals.maxQueryLen : 0;
    facts[F.maxQueryLen] = totals.maxQueryLen;
    facts[F.maxDecodeQueryLen] = totals.maxDecodeQueryLen;
    facts[F.maxSeqLen] = totals.maxSeqLen;
    facts[F.part0Tokens] = totals.tokens;
  }

  /** Gathers the facts of a real batch in the metadata module, which knows where a rank cuts. */
  #gather(chunks: readonly BatchChunk[], blocksOf: (index: number) => readonly number[]): void {
    const { metadata } = this.rules.memory;
    for (const [index, chunk] of chunks.entries()) {
      const row = this.#requests.add({ blockIds: blocksOf(index), numComputedTokens: chunk.start });
      this.#requests.schedule(row, chunk);
      this.#rows.push(row);
    }
    metadata.gather_facts(this.rules.policy.ubatches);
    metadata.state_clear_schedule();
    for (const row of this.#rows) this.#requests.remove(row);
    this.#rows.length = 0;
  }
}

function totalsOf(chunks: readonly BatchChunk[]): BatchTotals {
  let tokens = 0;
  let decodeRequests = 0;
  let maxQueryLen = 0;
  let maxDecodeQueryLen = 0;
  let minQueryLen = chunks.length > 0 ? Infinity : 0;
  let maxSeqLen = 0;
  for (const { phase, start, queryLen } of chunks) {
    tokens += queryLen;
    if (queryLen > maxQueryLen) maxQueryLen = queryLen;
    if (queryLen < minQueryLen) minQueryLen = queryLen;
    if (start + queryLen > maxSeqLen) maxSeqLen = start + queryLen;
    if (phase === 'prefill') continue;
    decodeRequests++;
    if (queryLen > maxDecodeQueryLen) maxDecodeQueryLen = queryLen;
  }
  const prefillRequests = chunks.length - decodeRequests;
  return { tokens, prefillRequests, decodeRequests, maxQueryLen, minQueryLen, maxDecodeQueryLen, maxSeqLen };
}

const LEAVE = Object.freeze({ control: ENUMS.CONTROL.leave });

const F = indexOf(FACT_WORDS);
const V = indexOf(VOTE_WORDS);
const D = indexOf(DECISION_WORDS);
const R = indexOf(REDUCED_WORDS);
const L = indexOf(LOCAL_WORDS);
