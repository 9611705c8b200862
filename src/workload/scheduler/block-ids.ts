import { grown } from './grown.js';

const FIRST_CAPACITY = 1024;

/**
 * The ids of one rank's free KV blocks, of 1 to numBlocks - 1, block 0 being the null block. Free blocks are counted elsewhere, so that
 * callers without ids do not pay for them.
 */
export class BlockIds {
  /** Blocks from here on were never taken. */
  #fresh = 1;
  /** Blocks that were given back, as a stack. Grows to the most blocks ever taken. */
  #free: Int32Array = new Int32Array(FIRST_CAPACITY);
  #count = 0;

  /** Writes `count` free blocks to `ids` from `at` on; those given back last come first. The caller knows that so many are free. */
  take(ids: Int32Array, at: number, count: number): void {
    const back = Math.min(count, this.#count);
    for (let i = 0; i < back; i++) ids[at + i] = this.#free[--this.#count];
    for (let i = back; i < count; i++) ids[at + i] = this.#fresh++;
  }

  /** Frees `ids[from]` to `ids[end - 1]`, the last one first. */
  give(ids: Int32Array, from: number, end: number): void {
    const most = this.#count + end - from;
    if (most > this.#free.length) this.#free = grown(this.#free, most);
    for (let i = end - 1; i >= from; i--) this.#free[this.#count++] = ids[i];
  }
}
