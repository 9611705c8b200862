import type { LogBatch, LogCapture, LogFact, LogTime } from './log-batch.js';

type BatchFact = Extract<LogFact, { kind: 'batch' }>;

/** Lines of one moment that belong to one step, by rank. */
interface Step {
  readonly at: number;
  readonly moment: string;
  readonly byRank: Map<string, LogBatch>;
}

/**
 * Makes steps of an engine's lines. Lines of several ranks that have their moment and phase in common are one step, whose batch is
 * that of the largest rank. A rank has one line in a step. Shapes are counted in the order in which they first came.
 */
export class LogSteps {
  readonly #counts = new Map<string, { readonly batch: LogBatch; readonly at: number; count: number }>();
  /** The open step of each phase. */
  readonly #open = new Map<LogBatch['phase'], Step>();
  /** Rows without a moment of more than one rank, each with its rank. */
  readonly #ranked = new Map<string, LogBatch[]>();
  readonly #captures = new Map<string, LogCapture>();
  readonly #times = new Map<string, { times: readonly LogTime[]; earlier: LogTime[] }>();
  mode: string | null = null;
  sizes: readonly number[] | null = null;
  /** Facts of any kind. */
  facts = 0;

  /** `repeats`: how often a collector of logs says that the line came once more. */
  add(fact: LogFact, repeats: number): void {
    this.facts++;
    if (fact.kind === 'mode') this.mode = fact.mode;
    else if (fact.kind === 'sizes') this.sizes = fact.sizes;
    else if (fact.kind === 'capture') this.#capture(fact.what, fact.capture);
    else if (fact.kind === 'times') this.#time(fact.process, fact.times);
    else if (fact.kind === 'batch') this.#batch(fact, 1 + repeats);
  }

  #batch({ batch, rank, moment }: BatchFact, times: number): void {
    const counted = { ...batch, count: batch.count * times };
    if (rank === undefined) {
      this.#count(counted, this.facts);
    } else if (moment === undefined) {
      const rows = this.#ranked.get(rank);
      if (rows === undefined) this.#ranked.set(rank, [counted]);
      else rows.push(counted);
    } else {
      const step = this.#open.get(batch.phase);
      if (step?.moment === moment && !step.byRank.has(rank)) {
        step.byRank.set(rank, counted);
        return;
      }
      this.#close(batch.phase);
      this.#open.set(batch.phase, { at: this.facts, moment, byRank: new Map([[rank, counted]]) });
    }
  }

  #close(phase: LogBatch['phase']): void {
    const step = this.#open.get(phase);
    this.#open.delete(phase);
    if (step === undefined) return;
    const batches = [...step.byRank.values()];
    const largest = batches.reduce((most, batch) => (batch.tokens > most.tokens ? batch : most));
    if (largest.tokens === 0) return;
    const ranks = batches.length;
    const rankTokens = batches.reduce((sum, { tokens }) => sum + tokens, 0);
    this.#count(ranks > 1 ? { ...largest, ranks, rankTokens } : largest, step.at);
  }

  /** `at` orders shapes by their first line. */
  #count(batch: LogBatch, at: number): void {
    const { count, ranks, rankTokens, ...shape } = batch;
    const key = Object.values({ ...shape, ranks, rankTokens }).join();
    const seen = this.#counts.get(key);
    if (seen === undefined) this.#counts.set(key, { batch, at, count });
    else seen.count += count;
  }

  #capture(what: string, { bytes, seconds }: LogCapture): void {
    const { bytes: mostBytes, seconds: mostSeconds } = this.#captures.get(what) ?? { bytes: 0, seconds: 0 };
    this.#captures.set(what, { bytes: Math.max(bytes, mostBytes), seconds: Math.max(seconds, mostSeconds) });
  }

  #time(process: string, times: readonly LogTime[]): void {
    const of = (list: readonly LogTime[]): number => list.reduce((sum, { count }) => sum + count, 0);
    const before = this.#times.get(process);
    if (before === undefined) this.#times.set(process, { times, earlier: [] });
    else {
      // Counts that fall are of a process that was started anew under the same name.
      if (of(times) < of(before.times)) before.earlier.push(...before.times);
      before.times = times;
    }
  }

  /** What capturing took in all; null where no line says so. */
  get capture(): LogCapture | null {
    if (this.#captures.size === 0) return null;
    const all = [...this.#captures.values()];
    return {
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
      seconds: all.reduce((sum, { seconds }) => sum + seconds, 0),
    };
  }

  /** Statistics of the process that counted most: those of one model say the same. Empty where there are none. */
  get times(): readonly LogTime[] {
    let most: readonly LogTime[] = [];
    let steps = 0;
    for (const { times, earlier } of this.#times.values()) {
      const all = [...earlier, ...times];
      const sum = all.reduce((total, { count }) => total + count, 0);
      if (sum > steps) [most, steps] = [all, sum];
    }
    return most;
  }

  /** Every shape with its count. Rows without a moment are joined where several ranks have some. */
  batches(): LogBatch[] {
    for (const phase of [...this.#open.keys()]) this.#close(phase);
    const ranked = [...this.#ranked.values()];
    this.#ranked.clear();
    for (const batch of ranked.length > 1 ? joined(ranked) : (ranked[0] ?? [])) this.#count(batch, this.facts);
    return [...this.#counts.values()].sort((a, b) => a.at - b.at).map(({ batch, count }) => ({ ...batch, count }));
  }
}

/**
 * The steps of ranks that take each step together and count their own rows: a step of a padded size is a row of every rank. There
 * are as many as the rank with most rows of that size has, and the largest rows are the steps' own.
 */
function joined(ranks: readonly (readonly LogBatch[])[]): LogBatch[] {
  const byPadded = new Map<string, LogBatch[][]>();
  for (const rows of ranks) {
    const own = new Map<string, LogBatch[]>();
    for (const row of rows) {
      const key = `${row.padded} ${row.mode}`;
      const of = own.get(key);
      if (of === undefined) own.set(key, [row]);
      else of.push(row);
    }
    for (const [key, of] of own) byPadded.set(key, [...(byPadded.get(key) ?? []), of]);
  }
  return [...byPadded.values()].flatMap((lists) => {
    let left = Math.max(...lists.map((rows) => rows.reduce((sum, { count }) => sum + count, 0)));
    const steps: LogBatch[] = [];
    for (const row of lists.flat().sort((a, b) => b.tokens - a.tokens)) {
      const count = Math.min(left, row.count);
      if (count > 0) steps.push({ ...row, count });
      left -= count;
    }
    return steps;
  });
}
