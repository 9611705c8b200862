import type { Requests, Row } from '../batch/index.js';
import { DECISION_WORDS, ENUMS, FACT_WORDS, LOCAL_WORDS, NEED_WORDS, VOTE_WORDS, word } from '../layout/index.js';
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
 * one process, with no device behind them. Rows and decisions are those that as many planners would come to.
 */
export class VoteGroup {
  readonly rules: RawRules;
  /** The decision resolved last. */
  readonly decision: DecisionView;
  readonly #requests: Requests;
  readonly #need: Int32Array;
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
    this.#need = rules.memory.words('need');
    this.#local = rules.memory.words('local');
    this.#previous = new Int32Array(this.decision.words.length);
    this.#remembers = rules.policy.ubatchHysteresis > 0;
  }

  /** The same votes in the next step will be decided as the last ones were. */
  get settled(): boolean {
    return this.#settled;
  }

  /**
   * Writes the vote of a rank with this batch. `blocksOf` gives the KV blocks of chunk `index`, which the cut may depend on; without it
   * the rank votes as one that cannot be cut, which costs far less: for who does not ask whether a step with a prefill is.
   */
  vote(rank: number, chunks: readonly BatchChunk[], blocksOf?: (index: number) => readonly number[]): void {
    const { facts, policy } = this.rules;
    const decodes = this.#count(chunks);
    if (policy.ubatches > 1 && chunks.length > 0 && blocksOf !== undefined) {
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

  /** Every rank votes to leave, and has no request. */
  leave(): void {
    this.rules.facts.fill(0);
    for (let rank = 0; rank < this.rules.ranks; rank++) this.rules.voteFacts(rank, LEAVE);
  }

  /** The votes as they are `steps` steps further, where all batches are decodes of one token. */
  lengthen(steps: number): void {
    for (const row of this.rules.rows) if (row[V.tokens] > 0) row[V.maxSeqLen] += steps;
  }

  /** What the ranks decide in `step`. The decision before stands for all steps since it was made. Errors: those of `StepPlanner.resolve`. */
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
    // All that a decision reads of the one before it is whether that ran in micro-batches.
    this.#settled = decision.partCount > 1 === wasCut;
    return decision;
  }

  /** Of the table resolved last. */
  shape(): AgreedShape {
    const need = this.#need;
    return {
      tokens: need[N.tokens],
      prefillRequests: need[N.prefillRequests],
      decodeRequests: need[N.decodeRequests],
      requests: need[N.requests],
      ubatched: need[N.parts] > 1,
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

  /** Writes the facts that are sums and maxima, as for a batch that is never cut. Returns the decodes. */
  #count(chunks: readonly BatchChunk[]): number {
    let tokens = 0;
    let decodes = 0;
    let longest = 0;
    let longestDecode = 0;
    let shortest = chunks.length > 0 ? Infinity : 0;
    let maxSeqLen = 0;
    for (const { phase, start, queryLen } of chunks) {
      tokens += queryLen;
      if (queryLen > longest) longest = queryLen;
      if (queryLen < shortest) shortest = queryLen;
      if (start + queryLen > maxSeqLen) maxSeqLen = start + queryLen;
      if (phase === 'prefill') continue;
      decodes++;
      if (queryLen > longestDecode) longestDecode = queryLen;
    }
    const { facts } = this.rules;
    facts.fill(0);
    facts[F.tokens] = tokens;
    facts[F.prefillRequests] = chunks.length - decodes;
    facts[F.decodeRequests] = decodes;
    facts[F.uniformQueryLen] = longest === shortest ? longest : 0;
    facts[F.maxQueryLen] = longest;
    facts[F.maxDecodeQueryLen] = longestDecode;
    facts[F.maxSeqLen] = maxSeqLen;
    facts[F.part0Tokens] = tokens;
    return decodes;
  }

  /** Facts of a real batch in the metadata module, which knows where a rank cuts. */
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

const LEAVE = Object.freeze({ control: ENUMS.CONTROL.leave });

const F = indices(FACT_WORDS);
const V = indices(VOTE_WORDS);
const D = indices(DECISION_WORDS);
const N = indices(NEED_WORDS);
const L = indices(LOCAL_WORDS);

function indices<T extends string>(words: readonly T[]): Record<T, number> {
  return Object.fromEntries(words.map((name) => [name, word(words, name)])) as Record<T, number>;
}
