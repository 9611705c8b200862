import { type Chunk, type RequestTable, rejectedDraftId, tokenId } from '../workload/index.js';
import type { RunLedger } from './run-ledger.js';

/** What was written for a request: the same memory twice. */
interface History {
  readonly ids: Int32Array;
  readonly bytes: Buffer;
}

/** The expected KV cache of each live request: the id written for every position, rejected drafts included. */
export class KvLedger implements RunLedger {
  readonly #table: RequestTable;
  readonly #histories = new Map<number, History>();

  constructor(table: RequestTable) {
    this.#table = table;
  }

  /** A request joins; other requests have written its first `computed` tokens into blocks it shares. */
  add(request: number, computed: number): void {
    const capacity = this.#table.inputTokens[request] + this.#table.outputTokens[request];
    const ids = new Int32Array(capacity);
    for (let position = 0; position < computed; position++) ids[position] = tokenId(this.#table, request, position);
    this.#histories.set(request, { ids, bytes: Buffer.from(ids.buffer) });
  }

  remove(request: number): void {
    this.#histories.delete(request);
  }

  /**
   * Notes what a chunk writes. A decode's first token is confirmed; of its drafts the accepted ones are the request's true tokens, the
   * others are wrong guesses whose slots the next step writes again.
   */
  write({ request, phase, start, queryLen, advance }: Chunk, step: number): void {
    const ids = this.history(request);
    const end = start + queryLen;
    const confirmed = phase === 'prefill' ? end : start + advance;
    for (let position = start; position < end; position++) {
      ids[position] =
        position < confirmed
          ? tokenId(this.#table, request, position)
          : rejectedDraftId(this.#table, request, position, step);
    }
  }

  /** Everything written for a request: i32[inputTokens + outputTokens], valid up to its last chunk. */
  history(request: number): Int32Array {
    return this.#of(request).ids;
  }

  /** The bytes of its history, in the order of this machine. */
  historyBytes(request: number): Buffer {
    return this.#of(request).bytes;
  }

  #of(request: number): History {
    const history = this.#histories.get(request);
    if (history === undefined) throw new RangeError(`request ${request} is not in the ledger`);
    return history;
  }
}
