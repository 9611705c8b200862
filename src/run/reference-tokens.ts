import { allGatherBytesSync, type Collective } from '../ranks/index.js';
import type { RequestTable } from '../workload/index.js';

/** A share of a large workload takes hours; a rank that is lost ends the wait at once. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/**
 * What every request of a workload generates where one rank serves it, eager, and decodes a token a step: tokens, and a hash of the logits of
 * each.
 */
export class ReferenceTokens {
  readonly #offsets: Float64Array;
  /** i32[outputTokens of all requests], twice; and which of them there are. */
  readonly #tokens: Int32Array;
  readonly #logits: Int32Array;
  readonly #known: Uint8Array;
  readonly #table: RequestTable;

  constructor(table: RequestTable) {
    this.#table = table;
    this.#offsets = new Float64Array(table.length + 1);
    for (let request = 0; request < table.length; request++) {
      this.#offsets[request + 1] = this.#offsets[request] + table.outputTokens[request];
    }
    const total = this.#offsets[table.length];
    this.#tokens = new Int32Array(total);
    this.#logits = new Int32Array(total);
    this.#known = new Uint8Array(total);
  }

  /** Notes the token that a request generates as its `output`th, from 0; one past its last is dropped. */
  set(request: number, output: number, token: number, logits: number): void {
    if (output >= this.#table.outputTokens[request]) return;
    const at = this.#offsets[request] + output;
    this.#tokens[at] = token;
    this.#logits[at] = logits;
    this.#known[at] = 1;
  }

  /** Whether it is known: a request that fits no limit generates nothing. */
  has(request: number, output: number): boolean {
    return output < this.#table.outputTokens[request] && this.#known[this.#offsets[request] + output] === 1;
  }

  tokenAt(request: number, output: number): number {
    return this.#tokens[this.#offsets[request] + output];
  }

  logitsAt(request: number, output: number): number {
    return this.#logits[this.#offsets[request] + output];
  }

  /** Takes over what others know, each of the requests that `isOf` says are its. Every rank calls it. */
  gather(collective: Collective, ownerOf: (request: number) => number): void {
    if (collective.size === 1) return;
    const entries = (rank: number): number[] => {
      const all: number[] = [];
      for (let request = 0; request < this.#table.length; request++) {
        if (ownerOf(request) !== rank) continue;
        for (let at = this.#offsets[request]; at < this.#offsets[request + 1]; at++) all.push(at);
      }
      return all;
    };
    const own = Int32Array.from(
      entries(collective.rank).flatMap((at) => [this.#known[at], this.#tokens[at], this.#logits[at]]),
    );
    const all = allGatherBytesSync(collective, new Uint8Array(own.buffer), { timeoutMs: LONGEST_WAIT_MS });
    for (const [rank, bytes] of all.entries()) {
      const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      for (const [index, at] of entries(rank).entries()) {
        this.#known[at] = words[index * 3];
        this.#tokens[at] = words[index * 3 + 1];
        this.#logits[at] = words[index * 3 + 2];
      }
    }
  }
}
