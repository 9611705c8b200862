import { type DecisionView, PARK_REASONS } from '../agreement/index.js';
import { VOTE_WORDS, word } from '../layout/index.js';

/** Most numbers of a timeline, about: they travel in documents. */
const NUMBERS = 8192;
const MOST_BINS = 2048;
const LEAST_BINS = 32;
const TOKENS = word(VOTE_WORDS, 'tokens');

/** What one rank did, bin by bin. Tokens. */
export interface RankTimeline {
  /** Real tokens of all steps. */
  readonly tokens: readonly number[];
  /** Of the steps that ran as graphs: real tokens, what was added up to the rank with the most, and from that up to the graph's size. */
  readonly graphTokens: readonly number[];
  readonly toLargest: readonly number[];
  readonly toGraph: readonly number[];
  /** Graph steps in which this rank had the most tokens, and so decided the size; the first of several. */
  readonly largest: readonly number[];
}

/** How many decodes had so many tokens on their largest rank, and how many of those ran as graphs. */
export interface DecodeSize {
  readonly tokens: number;
  readonly steps: number;
  readonly graphSteps: number;
}

/**
 * The decisions of a run in bins of equally many steps, few enough to be put into a document. Every decision is in one kind:
 * `graph`, `piecewise`, `ubatched`, `twin`, `eager: REASON`, or `no step: REASON`.
 */
export interface TimelineDocument {
  readonly ranks: number;
  /** Decisions, those included that no step followed. */
  readonly decisions: number;
  /** Decisions of each bin; the last bin may have fewer. */
  readonly perBin: number;
  readonly kinds: Readonly<Record<string, readonly number[]>>;
  /** Steps in which at least one rank was idle. */
  readonly idle: readonly number[];
  readonly byRank: readonly RankTimeline[];
  /** Padding of each rank, in tokens, by who caused it: each rank that had the most tokens, and at the end the size of the graph. */
  readonly paddedBy: readonly (readonly number[])[];
  readonly decodes: readonly DecodeSize[];
}

/** Decisions that were alike: the first, how many, and each process's vote in the first. */
export interface TimelineSpan {
  readonly step: number;
  readonly steps: number;
  readonly decision: DecisionView;
  /** int32[32] of each process. */
  readonly rows: readonly Int32Array[];
}

type Series = Float64Array<ArrayBuffer>;

/** Collects a timeline while steps are decided, in bounded memory: bins are joined two by two when there would be too many. */
export class StepTimeline {
  readonly #ranks: number;
  readonly #replicaSize: number;
  readonly #capacity: number;
  #perBin = 1;
  #decisions = 0;
  readonly #kinds = new Map<string, Series>();
  readonly #idle: Series;
  readonly #byRank: Readonly<Record<keyof RankTimeline, Series>>[];
  readonly #paddedBy: Series[];
  readonly #decodes = new Map<number, { steps: number; graphSteps: number }>();

  /** `ranks` data-parallel ranks of `replicaSize` processes each. */
  constructor(ranks: number, replicaSize = 1) {
    const bins = Math.min(MOST_BINS, Math.max(LEAST_BINS, NUMBERS / ranks));
    this.#ranks = ranks;
    this.#replicaSize = replicaSize;
    this.#capacity = 2 ** Math.floor(Math.log2(bins));
    const series = (): Series => new Float64Array(this.#capacity);
    this.#idle = series();
    this.#byRank = Array.from({ length: ranks }, () => ({
      tokens: series(),
      graphTokens: series(),
      toLargest: series(),
      toGraph: series(),
      largest: series(),
    }));
    this.#paddedBy = Array.from({ length: ranks }, () => new Float64Array(ranks + 1));
  }

  /** Adds decisions that follow those added before. */
  add({ step, steps, decision, rows }: TimelineSpan): void {
    while (step + steps > this.#capacity * this.#perBin) this.#join();
    this.#decisions = Math.max(this.#decisions, step + steps);
    const kind = kindOf(decision);
    const counts = this.#kinds.get(kind) ?? new Float64Array(this.#capacity);
    this.#kinds.set(kind, counts);
    const tokens = Array.from({ length: this.#ranks }, (_, rank) => rows[rank * this.#replicaSize][TOKENS]);
    const most = Math.max(...tokens);
    const graph = decision.run === 'full' || decision.run === 'piecewise';
    const idle = decision.run !== 'park' && decision.busyRanks < decision.ranks;
    for (let at = step; at < step + steps; ) {
      const bin = Math.floor(at / this.#perBin);
      const here = Math.min(step + steps, (bin + 1) * this.#perBin) - at;
      counts[bin] += here;
      if (idle) this.#idle[bin] += here;
      this.#addRanks(bin, here, tokens, graph ? { most, size: decision.paddedTokens } : null);
      at += here;
    }
    if (decision.run !== 'park' && decision.phase === 'decode') this.#addDecodes(most, steps, graph);
  }

  /** Adds the next decision, with the votes of all processes: int32[processes, 32]. */
  addStep(decision: DecisionView, table: Int32Array): void {
    const words = VOTE_WORDS.length;
    const rows = Array.from({ length: table.length / words }, (_, row) =>
      table.subarray(row * words, (row + 1) * words),
    );
    this.add({ step: this.#decisions, steps: 1, decision, rows });
  }

  #addRanks(bin: number, steps: number, tokens: number[], graph: { most: number; size: number } | null): void {
    const largest = graph === null ? -1 : tokens.indexOf(graph.most);
    for (const [rank, own] of tokens.entries()) {
      const series = this.#byRank[rank];
      series.tokens[bin] += steps * own;
      if (graph === null) continue;
      const toLargest = steps * (graph.most - own);
      const toGraph = steps * (graph.size - graph.most);
      series.graphTokens[bin] += steps * own;
      series.toLargest[bin] += toLargest;
      series.toGraph[bin] += toGraph;
      if (rank === largest) series.largest[bin] += steps;
      this.#paddedBy[rank][largest] += toLargest;
      this.#paddedBy[rank][this.#ranks] += toGraph;
    }
  }

  #addDecodes(tokens: number, steps: number, graph: boolean): void {
    const found = this.#decodes.get(tokens) ?? { steps: 0, graphSteps: 0 };
    found.steps += steps;
    if (graph) found.graphSteps += steps;
    this.#decodes.set(tokens, found);
  }

  /** Joins every two bins into one. */
  #join(): void {
    const all = [...this.#kinds.values(), this.#idle, ...this.#byRank.flatMap((series) => Object.values(series))];
    for (const series of all) {
      for (let bin = 0; bin < this.#capacity / 2; bin++) series[bin] = series[2 * bin] + series[2 * bin + 1];
      series.fill(0, this.#capacity / 2);
    }
    this.#perBin *= 2;
  }

  /** What was collected so far, by value. */
  document(): TimelineDocument {
    const bins = Math.ceil(this.#decisions / this.#perBin);
    const list = (series: Series): number[] => [...series.subarray(0, bins)];
    return {
      ranks: this.#ranks,
      decisions: this.#decisions,
      perBin: this.#perBin,
      kinds: Object.fromEntries([...this.#kinds].map(([kind, series]) => [kind, list(series)])),
      idle: list(this.#idle),
      byRank: this.#byRank.map(({ tokens, graphTokens, toLargest, toGraph, largest }) => ({
        tokens: list(tokens),
        graphTokens: list(graphTokens),
        toLargest: list(toLargest),
        toGraph: list(toGraph),
        largest: list(largest),
      })),
      paddedBy: this.#paddedBy.map((series) => [...series]),
      decodes: [...this.#decodes]
        .map(([tokens, counts]) => ({ tokens, ...counts }))
        .sort((one, other) => one.tokens - other.tokens),
    };
  }
}

/** The kind of a decision, as documents name it. */
function kindOf(decision: DecisionView): string {
  const { run, reason } = decision;
  if (run === 'park' || PARK_REASONS.includes(reason)) return `no step: ${reason}`;
  if (run === 'eager') return `eager: ${reason}`;
  if (decision.plainTwin) return 'twin';
  if (decision.partCount > 1) return 'ubatched';
  return run === 'piecewise' ? 'piecewise' : 'graph';
}
