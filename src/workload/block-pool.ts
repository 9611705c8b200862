/** Grows what is kept per block: blocks that no request ever held cost nothing. */
const FIRST_CAPACITY = 1024;
const NO_NODE = -1;

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
  readonly #keysPerNode: number;
  /** i32[keysPerNode + 1] of each node: the block of each key or 0, then how many there are. */
  readonly #keyed: Map<number, Int32Array> = new Map();
  #recentNode = -1;
  #recentBlocks: Int32Array | undefined;
  #references: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Node and index of a keyed block. */
  #node: Int32Array = new Int32Array(FIRST_CAPACITY).fill(NO_NODE);
  #index: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Keyed blocks that nobody holds, least recently used first: a ring through the null block. */
  #next: Int32Array = new Int32Array(FIRST_CAPACITY);
  #previous: Int32Array = new Int32Array(FIRST_CAPACITY);
  #evictable = 0;

  /** A key is a node (an integer from 0) and an index below `keysPerNode`. */
  constructor(numBlocks: number, keysPerNode: number) {
    this.#numBlocks = numBlocks;
    this.#keysPerNode = keysPerNode;
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
      this.#forget(this.#node[block] as number, this.#index[block] as number);
      this.#node[block] = NO_NODE;
    }
    this.#references[block] = 1;
    return block;
  }

  /** i32[keysPerNode]: the blocks of a node's keys, 0 where none is keyed; undefined where none is at all. Read it at once. */
  keyedBlocks(node: number): Int32Array | undefined {
    if (node !== this.#recentNode) {
      this.#recentNode = node;
      this.#recentBlocks = this.#keyed.get(node);
    }
    return this.#recentBlocks;
  }

  /** Whether a block found by `keyedBlocks` has no holder, and so counts among the free ones. */
  isEvictable(block: number): boolean {
    return this.#references[block] === 0;
  }

  /** Adds a holder to a block found by `keyedBlocks`. */
  share(block: number): void {
    if (this.#references[block] === 0) this.#unlink(block);
    this.#references[block]++;
  }

  /** Makes a held block findable. Where another block has the key already, that one stays. */
  register(node: number, index: number, block: number): void {
    let keyed = this.keyedBlocks(node);
    if (keyed === undefined) {
      keyed = new Int32Array(this.#keysPerNode + 1);
      this.#keyed.set(node, keyed);
      this.#recentBlocks = keyed;
    }
    if (keyed[index] !== 0) return;
    keyed[index] = block;
    keyed[this.#keysPerNode]++;
    this.#node[block] = node;
    this.#index[block] = index;
  }

  /**
   * Takes one holder from each of the first `count` of `blocks`, the last one first, so that the ends of prefixes are evicted
   * before their beginnings.
   */
  release(blocks: readonly number[], count: number): void {
    for (let i = count - 1; i >= 0; i--) {
      const block = blocks[i] as number;
      if (--this.#references[block] > 0) continue;
      if (this.#node[block] === NO_NODE) this.#free.push(block);
      else this.#linkLast(block);
    }
  }

  #forget(node: number, index: number): void {
    const keyed = this.keyedBlocks(node) as Int32Array;
    keyed[index] = 0;
    if (--keyed[this.#keysPerNode] > 0) return;
    this.#keyed.delete(node);
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
    this.#node = copyInto(new Int32Array(capacity).fill(NO_NODE), this.#node);
    this.#index = copyInto(new Int32Array(capacity), this.#index);
  }
}

function copyInto(target: Int32Array, source: Int32Array): Int32Array {
  target.set(source);
  return target;
}
