import { Faults, withoutUndefined } from '../../checks.js';
import { LockstepError } from '../../errors.js';

/** The shape of one step, agreed over its ranks: each number the maximum over ranks. */
export interface StepShape {
  /** Tokens in the step; for a decode, the places that a graph needs (requests times query length). At least 1. */
  readonly tokens: number;
  /** 0 for a decode. */
  readonly prefillRequests: number;
  /** Requests that decode. */
  readonly decodeRequests: number;
  /** Of both kinds together, on one rank: at most the sum of the two. */
  readonly requests: number;
  /** Agreed to run in micro-batches. */
  readonly ubatched: boolean;
}

/** Steps of one shape that hold a prefill. */
export interface MixedCount {
  /** Tokens of the step. */
  readonly tokens: number;
  /** Most requests of a rank that prefill. */
  readonly prefillRequests: number;
  /** Most requests of a rank that decode. */
  readonly decodeRequests: number;
  /** Most of both kinds together on a rank: what a graph's slots have to hold, as a prefill slot may hold a decode. */
  readonly requests: number;
  /** Steps of this shape. */
  readonly count: number;
}

/** What a histogram is bounded by. */
export interface HistogramOptions {
  /** Largest possible decode, in tokens: maxNumSeqs times query length. Default: none. */
  readonly maxSize?: number | undefined;
}

/** A histogram as JSON: counts by size, and those of steps with a prefill. */
export interface HistogramDocument {
  /** Decodes that run as one batch, by size in tokens. */
  readonly decode: Readonly<Record<string, number>>;
  /** Decodes in micro-batches, by size in tokens. */
  readonly ubatched: Readonly<Record<string, number>>;
  /** Steps with a prefill, by shape. */
  readonly mixed: readonly MixedCount[];
}

const MAX_TOKENS = 1 << 22;

/**
 * How often each shape was agreed on: decodes by size, those in micro-batches apart, and steps with a prefill by (tokens,
 * prefill requests, decode requests, requests of a rank). Steps without requests are not counted.
 */
export class StepHistogram {
  /** Largest possible decode, in tokens; undefined where there is no bound. */
  readonly maxSize: number | undefined;
  readonly #decode = new Map<number, number>();
  readonly #ubatched = new Map<number, number>();
  readonly #mixed = new Map<string, MixedCount>();
  #steps = 0;

  /** Throws `ERR_CONFIG_INVALID`. */
  constructor(options: HistogramOptions = {}) {
    const { maxSize } = withoutUndefined(options);
    const faults = new Faults();
    faults.names('histogram options', options, ['maxSize']);
    if (maxSize !== undefined) faults.integer('maxSize', maxSize, 1, MAX_TOKENS);
    faults.throwIfAny('This histogram');
    this.maxSize = maxSize;
  }

  /** Steps counted. */
  get steps(): number {
    return this.#steps;
  }

  /** Steps by decode size in tokens, ascending; of those that run in one batch. */
  get decode(): ReadonlyMap<number, number> {
    return ascending(this.#decode);
  }

  /** The same of steps agreed to run in micro-batches. */
  get ubatched(): ReadonlyMap<number, number> {
    return ascending(this.#ubatched);
  }

  /** Steps with a prefill, by tokens, then prefill requests, then decode requests. */
  get mixed(): readonly MixedCount[] {
    return [...this.#mixed.values()].sort(
      (a, b) =>
        a.tokens - b.tokens ||
        a.prefillRequests - b.prefillRequests ||
        a.decodeRequests - b.decodeRequests ||
        a.requests - b.requests,
    );
  }

  /** Largest decode size counted, micro-batched or not; 0 without any. */
  get largestDecode(): number {
    return Math.max(largest(this.#decode), largest(this.#ubatched));
  }

  /**
   * Counts `count` steps of one shape. Throws `ERR_INPUT_INVALID`, and counts nothing, for numbers that no step has and for
   * a decode above `maxSize`.
   */
  add(shape: StepShape, count = 1): void {
    const { tokens, prefillRequests, decodeRequests, requests, ubatched } = shape;
    check('tokens', tokens, 1, MAX_TOKENS);
    check('prefillRequests', prefillRequests, 0, tokens);
    check('decodeRequests', decodeRequests, 0, tokens);
    check(
      'requests',
      requests,
      Math.max(prefillRequests, decodeRequests),
      Math.min(tokens, prefillRequests + decodeRequests),
    );
    check('count', count, 1, Number.MAX_SAFE_INTEGER);
    if (prefillRequests > 0) {
      const key = `${tokens} ${prefillRequests} ${decodeRequests} ${requests}`;
      const counted = this.#mixed.get(key)?.count ?? 0;
      this.#mixed.set(
        key,
        Object.freeze({ tokens, prefillRequests, decodeRequests, requests, count: counted + count }),
      );
    } else {
      if (this.maxSize !== undefined && tokens > this.maxSize) {
        throw new LockstepError(
          'ERR_INPUT_INVALID',
          `a decode of ${tokens} tokens is above the largest size ${this.maxSize}; raise maxNumSeqs to what the service ran with`,
          { tokens, maxSize: this.maxSize, options: ['maxNumSeqs'] },
        );
      }
      const counts = ubatched ? this.#ubatched : this.#decode;
      counts.set(tokens, (counts.get(tokens) ?? 0) + count);
    }
    this.#steps += count;
  }

  /** Counts by size up to `maxSize`, f64[maxSize + 1]: what `optimiseLadder` takes. Throws `ERR_CONFIG_INVALID` if some are above. */
  counts(kind: 'decode' | 'ubatched', maxSize: number): Float64Array {
    const faults = new Faults();
    faults.integer('maxSize', maxSize, 1, MAX_TOKENS);
    const counted = kind === 'decode' ? this.#decode : this.#ubatched;
    const most = largest(counted);
    faults.check(
      most <= maxSize,
      `the histogram holds ${kind} steps of ${most} tokens, above maxSize ${maxSize}; count up to ${most}`,
    );
    faults.throwIfAny('These counts');
    const counts = new Float64Array(maxSize + 1);
    for (const [size, count] of counted) counts[size] = count;
    return counts;
  }

  /** The counts as plain JSON. */
  toJSON(): HistogramDocument {
    return {
      decode: Object.fromEntries(this.decode),
      ubatched: Object.fromEntries(this.ubatched),
      mixed: this.mixed,
    };
  }
}

function ascending(counts: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
  return new Map([...counts].sort(([a], [b]) => a - b));
}

function largest(counts: ReadonlyMap<number, number>): number {
  let most = 0;
  for (const size of counts.keys()) most = Math.max(most, size);
  return most;
}

function check(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `${name} of a step is ${value}; it must be an integer from ${low} to ${high}`,
    {
      name,
      value,
    },
  );
}
