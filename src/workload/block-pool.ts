/** Grows what is kept per block: blocks that no request ever held cost nothing. */
const FIRST_CAPACITY = 1024;
const NO_KEY = -1;

/**
 * The KV blocks of one rank: ids 1 to numBlocks - 1, block 0 being the null block. A block is held by as many requests
 * as its reference count says. One that holds a keyed piece of a prefix keeps its content after the last holder is
 * gone, until it is the least recently used when a free block is needed.
 */
export class BlockPool {
  readonly #numBlocks: number;
  /** Blocks that nobody ever held start here. */
  #fresh = 1;
  readonly #free: number[] = [];
  readonly #keysPerGroup: number;
  /** i32[keysPerGroup + 1] of each group: the block of each key or 0, then how many there are. */
  readonly #groups: Map<number, Int32Array> = new Map();
  #recentGroup = -1;
  #recentBlocks: Int32Array | undefined;
  #references: Int32Array = new Int32Array(FIRST_CAPACITY);
  #key: Float64Array = new Float64Array(FIRST_CAPACITY).fill(NO_KEY);
  /** Keyed blocks that nobody holds, least recently used first: a ring through the null block. */
  #next: Int32Array = new Int32Array(FIRST_CAPACITY);
  #previous: Int32Array = new Int32Array(FIRST_CAPACITY);
  #evictable = 0;

  /** Keys are integers from 0; `keysPerGroup` neighbours are kept together, since lookups go through them in order. */
  constructor(numBlocks: number, keysPerGroup: number) {
    this.#numBlocks = numBlocks;
    this.#keysPerGroup = keysPerGroup;
  }

  /** Blocks that `allocate` can still give, evictable ones included. */
  get freeBlocks(): number {
    return this.unkeyedBlocks + this.#evictable;
  }

  /** Those that it gives before any that is evictable. */
  get unkeyedBlocks(): number {
    return this.#numBlocks - this.#fresh + this.#free.length;
  }

  /** A block with one holder and no key. The caller has checked `freeBlocks`. */
  allocate(): number {
    let block = this.#free.pop() ?? 0;
    if (block === 0 && this.#fresh < this.#numBlocks) {
      block = this.#fresh++;
      if (block >= this.#references.length) this.#grow();
    }
    if (block === 0) {
      block = this.#next[0] as number;
      this.#unlink(block);
      this.#forget(this.#key[block] as number);
      this.#key[block] = NO_KEY;
    }
    this.#references[block] = 1;
    return block;
  }

  /** The block that holds a keyed piece of a prefix, or 0. */
  lookup(key: number): number {
    return this.#groupOf(key)?.[key % this.#keysPerGroup] ?? 0;
  }

  /** Whether a block found by `lookup` has no holder, and so counts among the free ones. */
  isEvictable(block: number): boolean {
    return this.#references[block] === 0;
  }

  /** Adds a holder to a block found by `lookup`. */
  share(block: number): void {
    if (this.#references[block] === 0) this.#unlink(block);
    this.#references[block]++;
  }

  /** Makes a held block findable. Where another block has the key already, that one stays. */
  register(key: number, block: number): void {
    let group = this.#groupOf(key);
    if (group === undefined) {
      group = new Int32Array(this.#keysPerGroup + 1);
      this.#groups.set(this.#recentGroup, group);
      this.#recentBlocks = group;
    }
    const index = key % this.#keysPerGroup;
    if (group[index] !== 0) return;
    group[index] = block;
    group[this.#keysPerGroup]++;
    this.#key[block] = key;
  }

  /** Takes one holder from each block, the last block first, so that the ends of prefixes are evicted before their beginnings. */
  release(blocks: readonly number[]): void {
    for (let i = blocks.length - 1; i >= 0; i--) {
      const block = blocks[i] as number;
      if (--this.#references[block] > 0) continue;
      if (this.#key[block] === NO_KEY) this.#free.push(block);
      else this.#linkLast(block);
    }
  }

  #groupOf(key: number): Int32Array | undefined {
    const group = Math.floor(key / this.#keysPerGroup);
    if (group !== this.#recentGroup) {
      this.#recentGroup = group;
      this.#recentBlocks = this.#groups.get(group);
    }
    return this.#recentBlocks;
  }

  #forget(key: number): void {
    const group = this.#groupOf(key) as Int32Array;
    group[key % this.#keysPerGroup] = 0;
    if (--group[this.#keysPerGroup] > 0) return;
    this.#groups.delete(this.#recentGroup);
    this.#recentBlocks = undefined;
  }

  #linkLast(block: number): void {
    const last = this.#previous[0] as number;
    this.#next[last] = block;
    this.#previous[block] = last;
    this.#next[block] = 0;
    this.#previous[0] = block;
    this.#evictable++;
  }

  #unlink(block: number): void {
    const previous = this.#previous[block] as number;
    const next = this.#next[block] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#evictable--;
  }

  #grow(): void {
    const capacity = Math.min(this.#numBlocks, this.#references.length * 2);
    this.#references = copyInto(new Int32Array(capacity), this.#references);
    this.#next = copyInto(new Int32Array(capacity), this.#next);
    this.#previous = copyInto(new Int32Array(capacity), this.#previous);
    this.#key = copyInto(new Float64Array(capacity).fill(NO_KEY), this.#key);
  }
}

function copyInto<T extends Int32Array | Float64Array>(target: T, source: T): T {
  target.set(source);
  return target;
}
