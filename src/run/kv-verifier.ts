import type { ForwardBatch } from '../batch/index.js';
import { type Chunk, hash32, type RankSchedule } from '../workload/index.js';
import type { TokenKvCache } from './kv-cache.js';
import type { KvLedger } from './kv-ledger.js';
import type { Mismatch, RunWork } from './run-work.js';

/** How much is read back after a step: every scheduled request, or a seeded share of them. */
export type VerifyMode = 'full' | 'sampled';

/** One request in this many is read back in a sampled step. */
export const SAMPLED_SHARE = 8;

const MAX_RECORDED = 8;

/** Reads histories back through the block table after each step, and compares them with the ledger. */
export class KvVerifier implements RunWork {
  readonly #cache: TokenKvCache;
  readonly #ledger: KvLedger;
  readonly #mode: VerifyMode;
  readonly #seed: number;
  readonly #timeoutMs: number;
  /** Chunks of the batch that are read back together, and the row of each. */
  readonly #wantedChunks: Chunk[] = [];
  #rows = new Int32Array(64);
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

  check(schedule: RankSchedule, { order }: Pick<ForwardBatch, 'order'>, step: number): void {
    this.#wantedChunks.length = 0;
    let tokens = 0;
    let row = -1;
    for (const chunk of schedule.scheduled) {
      do row += 1;
      while (order[row] === -1);
      if (!this.#wanted(chunk, step)) continue;
      const length = chunk.start + chunk.queryLen;
      if (tokens > 0 && tokens + length > this.#cache.capacity) {
        this.#compare(tokens, step);
        tokens = 0;
      }
      this.#add(chunk, row);
      tokens += length;
    }
    if (this.#wantedChunks.length > 0) this.#compare(tokens, step);
  }

  #add(chunk: Chunk, row: number): void {
    if (this.#wantedChunks.length === this.#rows.length) {
      const larger = new Int32Array(2 * this.#rows.length);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#rows[this.#wantedChunks.length] = row;
    this.#wantedChunks.push(chunk);
  }

  /** Reads the noted chunks back together, and clears the list. */
  #compare(tokens: number, step: number): void {
    const rows = this.#rows.subarray(0, this.#wantedChunks.length);
    const found = this.#cache.read(rows, tokens, { timeoutMs: this.#timeoutMs });
    const foundBytes = Buffer.from(found.buffer, found.byteOffset, found.byteLength);
    let from = 0;
    for (const { request, start, queryLen } of this.#wantedChunks) {
      const length = start + queryLen;
      const bytes = this.#ledger.historyBytes(request);
      if (!bytes.subarray(0, length * 4).equals(foundBytes.subarray(from * 4, (from + length) * 4))) {
        const expected = this.#ledger.history(request);
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
    this.#wantedChunks.length = 0;
  }

  #wanted(chunk: Chunk, step: number): boolean {
    if (this.#mode === 'full') return true;
    return hash32(this.#seed, chunk.request, step) % SAMPLED_SHARE === 0;
  }
}
