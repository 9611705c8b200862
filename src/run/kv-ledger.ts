import { type Chunk, type RequestTable, rejectedDraftId, tokenId } from '../workload/index.js';

/** The expected KV cache of each live request: the id written for every position, rejected drafts included. */
export class KvLedger {
  readonly #table: RequestTable;
  readonly #histories = new Map<number, Int32Array>();

  constructor(table: RequestTable) {
    this.#table = table;
  }

  /** A request joins; other requests have written its first `computed` tokens into blocks it shares. */
  add(request: number, computed: number): void {
    const capacity = this.#table.inputTokens[request] + this.#table.outputTokens[request];
    const history = new Int32Array(capacity);
    for (let position = 0; position < computed; position++) history[position] = tokenId(this.#table, request, position);
    this.#histories.set(request, history);
  }

  remove(request: number): void {
    this.#histories.delete(request);
  }

  /**
   * Notes what a chunk writes, and returns it: i32[queryLen]. A decode's first token is confirmed; of its drafts the
   * accepted ones are the request's true tokens, the others are wrong guesses whose slots the next step writes again.
   */
  write(chunk: Chunk, step: number): Int32Array {
    const { request, start, queryLen } = chunk;
    const ids = this.history(request).subarray(start, start + queryLen);
    const confirmed = chunk.phase === 'prefill' ? queryLen : chunk.advance;
    for (let i = 0; i < queryLen; i++) {
      ids[i] =
        i < confirmed
          ? tokenId(this.#table, request, start + i)
          : rejectedDraftId(this.#table, request, start + i, step);
    }
    return ids;
  }

  /** Everything written for a request: i32[inputTokens + outputTokens], valid up to its last chunk. */
  history(request: number): Int32Array {
    const history = this.#histories.get(request);
    if (history === undefined) throw new RangeError(`request ${request} is not in the ledger`);
    return history;
  }
}
