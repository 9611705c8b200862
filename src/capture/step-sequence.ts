import { StepHistogram, type StepShape } from '../workload/index.js';

/** The ranks of a step: how many there are, and the real tokens of all of them. */
export interface StepRanks {
  readonly ranks: number;
  readonly tokens: number;
}

/** Steps of one shape, and the ranks and real tokens of all of them added up. */
export interface RankedShape extends StepRanks {
  readonly shape: StepShape;
}

/** When steps began and ended. */
export interface StepSpan {
  readonly begin: number;
  readonly end: number;
}

/**
 * The shapes of a service's steps in their order, each with the time at which it began: histograms are counted from it, in whole
 * or over a range of time. A shape is stored once, however often it occurs.
 */
export class StepSequence {
  readonly #shapes: StepShape[] = [];
  readonly #indices = new Map<string, number>();
  readonly #order: number[] = [];
  readonly #counts: number[] = [];
  readonly #times: number[] = [];
  /** The tables of the steps, where they are known: -1 elsewhere. */
  readonly #tables: number[] = [];
  /** By shape. */
  readonly #ranks: StepRanks[] = [];
  #end = 0;

  /** When the last step that was added ended. */
  get end(): number {
    return this.#end;
  }

  /** `count` equal steps of these ranks from `begin` to `end`, in any unit of time, none before those added earlier; `table` is the number of their votes. */
  add(shape: StepShape, count: number, { begin, end, ranks, tokens }: StepRanks & StepSpan, table: number = -1): void {
    const { prefillRequests, decodeRequests, requests, ubatched } = shape;
    const key = `${shape.tokens} ${prefillRequests} ${decodeRequests} ${requests} ${ubatched}`;
    let index = this.#indices.get(key);
    if (index === undefined) {
      index = this.#shapes.push({ tokens: shape.tokens, prefillRequests, decodeRequests, requests, ubatched }) - 1;
      this.#indices.set(key, index);
    }
    const { ranks: ranksSoFar, tokens: tokensSoFar } = this.#ranks[index] ?? { ranks: 0, tokens: 0 };
    this.#ranks[index] = { ranks: ranksSoFar + count * ranks, tokens: tokensSoFar + count * tokens };
    this.#order.push(index);
    this.#counts.push(count);
    this.#times.push(begin);
    this.#tables.push(table);
    this.#end = end;
  }

  /** How many of the steps that began from `from` on and before `to` have each table: f64[tables]. */
  tables(tables: number, from: number = -Infinity, to: number = Infinity): Float64Array {
    const counts = new Float64Array(tables);
    for (const [at, table] of this.#tables.entries()) {
      if (this.#times[at] >= from && this.#times[at] < to) counts[table] += this.#counts[at];
    }
    return counts;
  }

  /** Every shape with the ranks and the real tokens of its steps. */
  get ranked(): readonly RankedShape[] {
    return this.#shapes.map((shape, index) => ({ shape, ...this.#ranks[index] }));
  }

  /** Counts the steps that began from `from` on and before `to`. Errors: ERR_INPUT_INVALID for a decode above `maxSize`. */
  histogram(maxSize: number, from: number = -Infinity, to: number = Infinity): StepHistogram {
    const histogram = new StepHistogram({ maxSize });
    const counts = new Float64Array(this.#shapes.length);
    for (const [at, index] of this.#order.entries()) {
      if (this.#times[at] >= from && this.#times[at] < to) counts[index] += this.#counts[at];
    }
    for (const [index, shape] of this.#shapes.entries()) if (counts[index] > 0) histogram.add(shape, counts[index]);
    return histogram;
  }
}
