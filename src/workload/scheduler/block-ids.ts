import { grown } from './grown.js';

const FIRST_CAPACITY = 1024;

/**
 * The ids of one rank's KV blocks, 1 to numBlocks - 1, block 0 being the null block: which are free, and which lies under each
 * key. How many there are is counted elsewhere, so that who asks for no ids saves moving them.
 */
export class BlockIds {
  /** Block of each key that has one. */
  ofKeys: Int32Array = new Int32Array(0);
  /** Blocks from here on were never taken. */
  #fresh = 1;
  /** Those that were given back, the last one on top. Grows to what was ever taken. */
  #free: Int32Array = new Int32Array(FIRST_CAPACITY);
  #count = 0;

  /** Writes `count` free blocks to `ids` from `at` on; those given back last come first. The caller knows that so many are free. */
  take(ids: Int32Array, at: number, count: number): void {
    const back = Math.min(count, this.#count);
    for (let i = 0; i < back; i++) ids[at + i] = this.#free[--this.#count];
    for (let i = back; i < count; i++) ids[at + i] = this.#fresh++;
  }

  /** Takes back `ids[from]` to below `end`, the last one first. */
  give(ids: Int32Array, from: number, end: number): void {
    const most = this.#count + end - from;
    if (most > this.#free.length) this.#free = grown(this.#free, most);
    for (let i = end - 1; i >= from; i--) this.#free[this.#count++] = ids[i];
  }
}
