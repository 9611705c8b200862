import { checkArguments, checkHas, Faults } from '../checks.js';
import { LockstepError, shown } from '../errors.js';
import { RequestColumns, type SharedRequests } from './request-columns.js';

export type { SharedRequests } from './request-columns.js';

/** Tokens that one hash id of a trace stands for, unless the trace says another number. Source: Mooncake's trace release (FAST'25). */
export const HASH_BLOCK_TOKENS = 512;

/** One request of a trace or of a generated workload. */
export interface Request {
  /** Index in order of arrival, from 0. */
  readonly id: number;
  /** Milliseconds from the first request; sub-millisecond parts are kept as a fraction. */
  readonly arrivalMs: number;
  /** Tokens of the prompt, at least 1. */
  readonly inputTokens: number;
  /** Tokens to generate; 0 ends the request with its prefill. */
  readonly outputTokens: number;
  /** One id per hash block (512 tokens by default) of the prompt, the last one possibly covering fewer; null where the trace has none. */
  readonly hashIds: readonly number[] | null;
  /**
   * The `id` of the request, added before this one, that this one follows: it arrives `delayMs` after that one ended, and `arrivalMs`
   * is the earliest that it can be. Absent where it arrives at a time of its own.
   */
  readonly after?: number;
  /** Absent without `after`. */
  readonly delayMs?: number;
}

/** Most tokens of a request, which an i32 holds. */
export const MAX_TOKENS: number = 2 ** 31 - 1;

/**
 * The requests of a workload in order of arrival, as flat arrays over shared memory, so that the workers of all ranks
 * read one copy. The arrays do not change once the table is built.
 */
export class RequestTable implements Iterable<Request> {
  /** Requests in the table. */
  readonly length: number;
  /** f64[length], ascending, in ms; the first is 0. */
  readonly arrivalMs: Float64Array<SharedArrayBuffer>;
  /** i32[length]. */
  readonly inputTokens: Int32Array<SharedArrayBuffer>;
  /** i32[length]. */
  readonly outputTokens: Int32Array<SharedArrayBuffer>;
  /** i32[length + 1]; equal neighbours mean a request without hash ids. */
  readonly hashOffsets: Int32Array<SharedArrayBuffer>;
  /** f64[hashOffsets[length]]: a hash id may be any safe integer. */
  readonly hashIds: Float64Array<SharedArrayBuffer>;
  /** Tokens that one hash id stands for. */
  readonly hashBlockTokens: number;
  /** i32[length]: the request that each follows, -1 for none; null where none follows another. */
  readonly after: Int32Array<SharedArrayBuffer> | null;
  /** f64[length], ms from the end of the request that it follows; null like `after`. */
  readonly delayMs: Float64Array<SharedArrayBuffer> | null;

  private constructor(shared: SharedRequests) {
    checkArguments('RequestTable', {
      shared: [shared, 'object', 'arrivalMs', 'inputTokens', 'outputTokens', 'hashOffsets'],
    });
    this.arrivalMs = new Float64Array(shared.arrivalMs);
    this.inputTokens = new Int32Array(shared.inputTokens);
    this.outputTokens = new Int32Array(shared.outputTokens);
    this.hashOffsets = new Int32Array(shared.hashOffsets);
    this.hashIds = new Float64Array(shared.hashIds);
    this.hashBlockTokens = shared.hashBlockTokens ?? HASH_BLOCK_TOKENS;
    this.after = shared.after === undefined ? null : new Int32Array(shared.after);
    this.delayMs = shared.delayMs === undefined ? null : new Float64Array(shared.delayMs);
    this.length = this.arrivalMs.length;
  }

  /**
   * Sorts by arrival (requests of equal arrival keep their order), numbers the requests from 0 and counts time from
   * the earliest. Throws `ERR_INPUT_INVALID` for a request that no trace could hold.
   */
  static from(requests: Iterable<Omit<Request, 'id'>>, options: RequestTableOptions = {}): RequestTable {
    const builder = new RequestTableBuilder(options);
    for (const request of requests) builder.add(request);
    return builder.table();
  }

  /** `from` for a stream of requests, such as `readTrace` gives. */
  static async collect(
    requests: AsyncIterable<Omit<Request, 'id'>>,
    options: RequestTableOptions = {},
  ): Promise<RequestTable> {
    const builder = new RequestTableBuilder(options);
    for await (const request of requests) builder.add(request);
    return builder.table();
  }

  /** The table that `toShared` described, over the same memory. Throws `ERR_INPUT_INVALID` when the sizes disagree. */
  static fromShared(shared: SharedRequests): RequestTable {
    checkHas('the shared arrays', shared, ['arrivalMs', 'inputTokens', 'outputTokens', 'hashOffsets', 'hashIds']);
    const requests = shared.arrivalMs.byteLength / 8;
    const offsets = new Int32Array(shared.hashOffsets);
    const agrees =
      shared.inputTokens.byteLength === requests * 4 &&
      shared.outputTokens.byteLength === requests * 4 &&
      offsets.length === requests + 1 &&
      shared.hashIds.byteLength === (offsets[requests] as number) * 8 &&
      (shared.after?.byteLength ?? requests * 4) === requests * 4 &&
      shared.delayMs?.byteLength === (shared.after === undefined ? undefined : requests * 8);
    if (!agrees) {
      const buffers = Object.entries(shared).filter(([name]) => name !== 'hashBlockTokens');
      const bytes = Object.fromEntries(
        buffers.map(([name, buffer]) => [name, (buffer as SharedArrayBuffer | undefined)?.byteLength]),
      );
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `the shared arrays are not those of one table (${JSON.stringify(bytes)} bytes); pass on what toShared() returned`,
        { bytes },
      );
    }
    return new RequestTable(shared);
  }

  /** The memory of this table, for `postMessage`. */
  toShared(): SharedRequests {
    return {
      arrivalMs: this.arrivalMs.buffer,
      inputTokens: this.inputTokens.buffer,
      outputTokens: this.outputTokens.buffer,
      hashOffsets: this.hashOffsets.buffer,
      hashIds: this.hashIds.buffer,
      ...(this.hashBlockTokens === HASH_BLOCK_TOKENS ? {} : { hashBlockTokens: this.hashBlockTokens }),
      ...(this.after === null || this.delayMs === null
        ? {}
        : { after: this.after.buffer, delayMs: this.delayMs.buffer }),
    };
  }

  /** One request as a value. Throws `ERR_INPUT_INVALID` for an id the table does not hold. */
  get(id: number): Request {
    if (!Number.isInteger(id) || id < 0 || id >= this.length) {
      throw new LockstepError('ERR_INPUT_INVALID', `no request ${id}: the table holds 0 to ${this.length - 1}`, {
        request: id,
        requests: this.length,
      });
    }
    const start = this.hashOffsets[id] as number;
    const end = this.hashOffsets[id + 1] as number;
    return {
      id,
      arrivalMs: this.arrivalMs[id] as number,
      inputTokens: this.inputTokens[id] as number,
      outputTokens: this.outputTokens[id] as number,
      hashIds: start === end ? null : Array.from(this.hashIds.subarray(start, end)),
      ...(this.after === null || this.delayMs === null || this.after[id] < 0
        ? {}
        : { after: this.after[id], delayMs: this.delayMs[id] }),
    };
  }

  /** Every request, by its number. */
  *[Symbol.iterator](): Generator<Request> {
    for (let id = 0; id < this.length; id++) yield this.get(id);
  }
}

/** Throws ERR_INPUT_INVALID for anything but a table. */
export function checkTable(table: unknown): void {
  if (table instanceof RequestTable) return;
  const message = `requests are ${shown(table)}; give a RequestTable: of readRequests, generateWorkload or RequestTable.from`;
  throw new LockstepError('ERR_INPUT_INVALID', message);
}

/** What a table is made with. */
export interface RequestTableOptions {
  /** Tokens that one hash id stands for. Default 512. */
  readonly hashBlockTokens?: number | undefined;
}

/** Makes a table of requests that come one by one, in any order. */
export class RequestTableBuilder {
  readonly #columns = new RequestColumns();
  readonly #hashBlockTokens: number;

  /** Throws `ERR_CONFIG_INVALID`. */
  constructor(options: RequestTableOptions = {}) {
    const faults = new Faults();
    faults.names('options of a request table', options, ['hashBlockTokens']);
    const { hashBlockTokens = HASH_BLOCK_TOKENS } = options ?? {};
    faults.integer('hashBlockTokens', hashBlockTokens, 1, 1 << 20);
    faults.throwIfAny('This request table');
    this.#hashBlockTokens = hashBlockTokens;
  }

  /** Throws `ERR_INPUT_INVALID` for a request that no trace could hold. */
  add(request: Omit<Request, 'id'>): void {
    checkRequest(request, this.#columns.length, this.#hashBlockTokens);
    const { arrivalMs, inputTokens, outputTokens, hashIds, after, delayMs } = request;
    this.#columns.add(arrivalMs, inputTokens, outputTokens, hashIds);
    if (after !== undefined) this.#columns.follow(after, delayMs ?? 0);
  }

  /** The requests sorted by arrival, numbered anew. Throws `ERR_INPUT_INVALID` for more hash ids than a table can index. */
  table(): RequestTable {
    const { length, hashes } = this.#columns;
    if (hashes > MAX_TOKENS) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `${length} requests hold ${hashes} hash ids, more than the ${MAX_TOKENS} a table can index; read fewer requests`,
        { requests: length, hashIds: hashes, limit: MAX_TOKENS },
      );
    }
    const hashBlockTokens = this.#hashBlockTokens;
    return RequestTable.fromShared({
      ...this.#columns.toShared(),
      ...(hashBlockTokens === HASH_BLOCK_TOKENS ? {} : { hashBlockTokens }),
    });
  }
}

function checkRequest(
  { arrivalMs, inputTokens, outputTokens, hashIds, after, delayMs = 0 }: Omit<Request, 'id'>,
  index: number,
  hashBlockTokens: number,
): void {
  if (after !== undefined && !(Number.isInteger(after) && after >= 0 && after < index)) {
    refuse(index, 'after', 'the number of a request before it', after);
  }
  if (!(delayMs >= 0 && Number.isFinite(delayMs))) {
    refuse(index, 'delayMs', 'a finite number of milliseconds, not negative', delayMs);
  }
  if (!Number.isFinite(arrivalMs)) refuse(index, 'arrivalMs', 'a finite number of milliseconds', arrivalMs);
  if (!isCount(inputTokens) || inputTokens === 0) {
    refuse(index, 'inputTokens', `an integer from 1 to ${MAX_TOKENS}`, inputTokens);
  }
  if (!isCount(outputTokens)) refuse(index, 'outputTokens', `an integer from 0 to ${MAX_TOKENS}`, outputTokens);
  if (hashIds === null) return;
  const problem = hashIdsProblem(hashIds, inputTokens, outputTokens, hashBlockTokens);
  if (problem !== null) refuse(index, 'hashIds', problem.expected, problem.found);
}

function refuse(index: number, field: string, expected: string, found: unknown): never {
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `request ${index}: ${field} must be ${expected}, found ${String(found)}; correct it or leave the request out`,
    { request: index, field, found },
  );
}

/** Whether a value is a count of tokens that an i32 holds. */
export function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TOKENS;
}

/** What was expected instead of what was found. */
export interface Problem {
  readonly expected: string;
  readonly found: unknown;
}

/**
 * What is wrong with hash ids, or null: they are non-negative safe integers, one per hash block of the prompt. A trace
 * may also hash what was generated, so ids up to the end of the output are accepted, and those past the prompt are not
 * used; more than that means ids of another block size, which would share the wrong tokens.
 */
export function hashIdsProblem(
  hashIds: unknown,
  inputTokens: number,
  outputTokens: number,
  blockTokens: number = HASH_BLOCK_TOKENS,
): Problem | null {
  if (!Array.isArray(hashIds)) {
    return { expected: `an array of ids, one per ${blockTokens} tokens of the prompt`, found: hashIds };
  }
  const wrong = hashIds.findIndex((id) => !Number.isSafeInteger(id) || id < 0);
  if (wrong >= 0) return { expected: 'non-negative integers of at most 2^53 - 1', found: hashIds[wrong] };
  const least = Math.ceil(inputTokens / blockTokens);
  const most = Math.ceil((inputTokens + outputTokens) / blockTokens);
  if (hashIds.length >= least && hashIds.length <= most) return null;
  const counts = least === most ? `${least}` : `${least} to ${most}`;
  return {
    expected: `${counts} ids of ${blockTokens}-token blocks (hashBlockTokens, --hash-block-size) for ${inputTokens} input and ${outputTokens} output tokens`,
    found: hashIds.length,
  };
}
