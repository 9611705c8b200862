import { type Chunk, hash32, type RankSchedule } from '../workload/index.js';
import type { TokenKvCache } from './kv-cache.js';
import type { KvLedger } from './kv-ledger.js';

/** How much is read back after a step: every scheduled request, or a seeded share of them. */
export type VerifyMode = 'full' | 'sampled';

/** One request in this many is read back in a sampled step. */
export const SAMPLED_SHARE = 8;

/** The first entry found wrong in a request's cache. */
export interface Mismatch {
  readonly step: number;
  readonly request: number;
  readonly position: number;
  readonly expected: number;
  readonly found: number;
}

const MAX_RECORDED = 8;

/** Reads histories back through the block table after each step, and compares them with the ledger. */
export class KvVerifier {
  readonly #cache: TokenKvCache;
  readonly #ledger: KvLedger;
  readonly #mode: VerifyMode;
  readonly #seed: number;
  readonly #timeoutMs: number;
  /** Row of each chunk of the batch that is checked. */
  readonly #rows: number[] = [];
  /** Entries compared, and entries found wrong. */
  compared = 0;
  mismatches = 0;
  readonly first: Mismatch[] = [];

  constructor(cache: TokenKvCache, ledger: KvLedger, options: { mode: VerifyMode; seed: number; timeoutMs: number }) {
    this.#cache = cache;
    this.#ledger = ledger;
    this.#mode = options.mode;
    this.#seed = options.seed;
    this.#timeoutMs = options.timeoutMs;
  }

  /**
   * Checks the batch that ran last. Its rows are the schedule's chunks in their order; where a graph has slots left over
   * between them, `order` (i32[rows]) is -1 there. Waits for the device.
   */
  check(schedule: RankSchedule, step: number, order: ArrayLike<number>): void {
    const chunks = schedule.scheduled;
    this.#rows.length = 0;
    for (let row = 0; this.#rows.length < chunks.length; row++) if (order[row] !== -1) this.#rows.push(row);
    let begin = 0;
    while (begin < chunks.length) {
      if (!this.#wanted(chunks[begin], step)) {
        begin += 1;
        continue;
      }
      let end = begin;
      let tokens = 0;
      while (end < chunks.length && this.#wanted(chunks[end], step)) {
        const length = chunks[end].start + chunks[end].queryLen;
        if (end > begin && tokens + length > this.#cache.capacity) break;
        tokens += length;
        end += 1;
      }
      this.#compare(chunks, begin, end, tokens, step);
      begin = end;
    }
  }

  #compare(chunks: readonly Chunk[], begin: number, end: number, tokens: number, step: number): void {
    // A slot left over has no tokens, so that nothing of it is read.
    const lastRow = this.#rows[end - 1];
    const found = this.#cache.read(this.#rows[begin], lastRow + 1, tokens, { timeoutMs: this.#timeoutMs });
    const foundBytes = Buffer.from(found.buffer, found.byteOffset, found.byteLength);
    let from = 0;
    for (let index = begin; index < end; index++) {
      const { request, start, queryLen } = chunks[index];
      const length = start + queryLen;
      const expected = this.#ledger.history(request);
      const expectedBytes = Buffer.from(expected.buffer, expected.byteOffset, length * 4);
      if (expectedBytes.compare(foundBytes, from * 4, (from + length) * 4) !== 0) {
        for (let position = 0; position < length; position++) {
          if (found[from + position] === expected[position]) continue;
          this.mismatches += 1;
          if (this.first.length < MAX_RECORDED) {
            this.first.push({ step, request, position, expected: expected[position], found: found[from + position] });
          }
        }
      }
      from += length;
    }
    this.compared += tokens;
  }

  #wanted(chunk: Chunk, step: number): boolean {
    if (this.#mode === 'full') return true;
    return hash32(this.#seed, chunk.request, step) % SAMPLED_SHARE === 0;
  }
}
