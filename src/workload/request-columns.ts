/** A `RequestTable` as it crosses to a worker: `postMessage` it, then `RequestTable.fromShared`. Nothing is copied. */
export interface SharedRequests {
  /** f64[requests]. */
  readonly arrivalMs: SharedArrayBuffer;
  /** i32[requests]. */
  readonly inputTokens: SharedArrayBuffer;
  /** i32[requests]. */
  readonly outputTokens: SharedArrayBuffer;
  /** i32[requests + 1]: where each request's ids start in `hashIds`. */
  readonly hashOffsets: SharedArrayBuffer;
  /** f64[hashOffsets[requests]]. */
  readonly hashIds: SharedArrayBuffer;
  /** Tokens of a hash id; absent for 512. */
  readonly hashBlockTokens?: number;
  /** i32[requests]: the request that each one follows, -1 for none; absent where none follows another. */
  readonly after?: SharedArrayBuffer;
  /** f64[requests]: ms from the end of the request before; absent where none follows another. */
  readonly delayMs?: SharedArrayBuffer;
}

/** Room for so many requests at first; it doubles when it is full. */
const FIRST_ROOM = 1024;

/** Requests in the order in which they come, as columns that grow: some 20 bytes each, where an object takes four times as much. */
export class RequestColumns {
  #arrivalMs = new Float64Array(FIRST_ROOM);
  /** i32[room, 2]: input and output tokens. */
  #tokens = new Int32Array(2 * FIRST_ROOM);
  /** Where the hash ids of each request end. */
  #hashEnds = new Float64Array(FIRST_ROOM);
  #hashIds = new Float64Array(0);
  #hashes = 0;
  #length = 0;
  #ascending = true;
  /** By the index of a request that follows another: which one, and after how many ms. */
  readonly #follows = new Map<number, { readonly after: number; readonly delayMs: number }>();

  get length(): number {
    return this.#length;
  }

  /** Hash ids of all requests. */
  get hashes(): number {
    return this.#hashes;
  }

  /** Adds a request, whose numbers are those of a valid one. */
  add(arrivalMs: number, inputTokens: number, outputTokens: number, hashIds: readonly number[] | null): void {
    const index = this.#length++;
    if (index === this.#arrivalMs.length) {
      this.#arrivalMs = doubled(this.#arrivalMs, new Float64Array(2 * index));
      this.#tokens = doubled(this.#tokens, new Int32Array(4 * index));
      this.#hashEnds = doubled(this.#hashEnds, new Float64Array(2 * index));
    }
    if (index > 0 && arrivalMs < this.#arrivalMs[index - 1]) this.#ascending = false;
    this.#arrivalMs[index] = arrivalMs;
    this.#tokens[2 * index] = inputTokens;
    this.#tokens[2 * index + 1] = outputTokens;
    if (hashIds !== null) this.#addHashes(hashIds);
    this.#hashEnds[index] = this.#hashes;
  }

  /** The request added last follows an earlier one. */
  follow(after: number, delayMs: number): void {
    this.#follows.set(this.#length - 1, { after, delayMs });
  }

  #addHashes(hashIds: readonly number[]): void {
    const end = this.#hashes + hashIds.length;
    if (end > this.#hashIds.length) {
      this.#hashIds = doubled(this.#hashIds, new Float64Array(Math.max(FIRST_ROOM, 2 * end)));
    }
    this.#hashIds.set(hashIds, this.#hashes);
    this.#hashes = end;
  }

  /** The requests by arrival, equal ones in the order in which they came; time counts from the earliest. */
  toShared(): SharedRequests {
    const length = this.#length;
    const shared = {
      arrivalMs: sharedBytes(length * 8),
      inputTokens: sharedBytes(length * 4),
      outputTokens: sharedBytes(length * 4),
      hashOffsets: sharedBytes((length + 1) * 4),
      hashIds: sharedBytes(this.#hashes * 8),
    };
    const arrivalMs = new Float64Array(shared.arrivalMs);
    const inputTokens = new Int32Array(shared.inputTokens);
    const outputTokens = new Int32Array(shared.outputTokens);
    const hashOffsets = new Int32Array(shared.hashOffsets);
    const hashIds = new Float64Array(shared.hashIds);
    const order = this.#order();
    const origin = length === 0 ? 0 : this.#arrivalMs[order === null ? 0 : order[0]];
    let offset = 0;
    for (let to = 0; to < length; to++) {
      const from = order === null ? to : order[to];
      arrivalMs[to] = this.#arrivalMs[from] - origin;
      inputTokens[to] = this.#tokens[2 * from];
      outputTokens[to] = this.#tokens[2 * from + 1];
      const begin = from === 0 ? 0 : this.#hashEnds[from - 1];
      const end = this.#hashEnds[from];
      if (end > begin) hashIds.set(this.#hashIds.subarray(begin, end), offset);
      offset += end - begin;
      hashOffsets[to + 1] = offset;
    }
    return this.#follows.size === 0 ? shared : { ...shared, ...this.#chains(order) };
  }

  /** Which request follows which, in the new order. */
  #chains(order: Uint32Array | null): Required<Pick<SharedRequests, 'after' | 'delayMs'>> {
    const place = new Int32Array(this.#length);
    for (let to = 0; to < this.#length; to++) place[order === null ? to : order[to]] = to;
    const after = new Int32Array(sharedBytes(this.#length * 4)).fill(-1);
    const delayMs = new Float64Array(sharedBytes(this.#length * 8));
    for (const [index, follows] of this.#follows) {
      after[place[index]] = place[follows.after];
      delayMs[place[index]] = follows.delayMs;
    }
    return { after: after.buffer, delayMs: delayMs.buffer };
  }

  /** Indices by arrival; null where they come so. */
  #order(): Uint32Array | null {
    if (this.#ascending) return null;
    const arrivalMs = this.#arrivalMs;
    return Uint32Array.from({ length: this.#length }, (_, index) => index).sort(
      (a, b) => arrivalMs[a] - arrivalMs[b] || a - b,
    );
  }
}

/** `larger`, beginning with what `full` holds. */
function doubled<T extends Float64Array | Int32Array>(full: T, larger: T): T {
  larger.set(full);
  return larger;
}

/**
 * So many zeroed bytes that other threads may share. A page has shared memory only where its server isolates it from others; without,
 * the bytes are this thread's own, and a message copies them.
 */
function sharedBytes(length: number): SharedArrayBuffer {
  if (typeof SharedArrayBuffer === 'function') return new SharedArrayBuffer(length);
  return new ArrayBuffer(length) as unknown as SharedArrayBuffer;
}
