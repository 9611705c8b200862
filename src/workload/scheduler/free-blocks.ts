import { grown } from './grown.js';

const FIRST_CAPACITY = 1024;

/** KV blocks of one rank that hold nothing: of ids 1 to numBlocks - 1, block 0 being the null block. */
export class FreeBlocks {
  readonly #numBlocks: number;
  /** Blocks from here on were never taken. */
  #fresh = 1;
  /** Those that were given back, the last one on top. Grows to what was ever taken. */
  #ids = new Int32Array(FIRST_CAPACITY);
  #count = 0;

  constructor(numBlocks: number) {
    this.#numBlocks = numBlocks;
  }

  get count(): number {
    return this.#numBlocks - this.#fresh + this.#count;
  }

  /** Writes `count` blocks, or as many as there are, to `ids` from `at` on; those given back last come first. Returns how many. */
  take(ids: Int32Array, at: number, count: number): number {
    const back = Math.min(count, this.#count);
    for (let i = 0; i < back; i++) ids[at + i] = this.#ids[--this.#count];
    const taken = Math.min(count, back + this.#numBlocks - this.#fresh);
    for (let i = back; i < taken; i++) ids[at + i] = this.#fresh++;
    return taken;
  }

  /** Takes back `ids[from]` to below `end`, the last one first. */
  give(ids: Int32Array, from: number, end: number): void {
    const most = this.#count + end - from;
    if (most > this.#ids.length) this.#ids = grown(this.#ids, most);
    for (let i = end - 1; i >= from; i--) this.#ids[this.#count++] = ids[i];
  }
}
