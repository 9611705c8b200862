import type { Chunk } from '../workload/index.js';

/** The token ids of a run's requests, as its rows are filled with them. */
export interface RunLedger {
  /** A request joins; other requests have written its first `computed` tokens into blocks it shares. */
  add(request: number, computed: number): void;
  remove(request: number): void;
  /** Notes what a chunk writes, before its step. */
  write(chunk: Chunk, step: number): void;
  /** Ids of a request's tokens: i32[inputTokens + outputTokens], valid up to its last chunk. */
  history(request: number): Int32Array;
}
