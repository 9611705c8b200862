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
  /** i32[keysPerNode + 1] of each node with a key, one after the other: the block of each key or 0, then how many there are. */
  #keyed: Int32Array;
  /** Where a node's are in `#keyed`; 0 for a node without a key. */
  readonly #keyedAt: Int32Array;
  /** Places in `#keyed` that nodes gave back, and where those that none ever had start. */
  readonly #spareAt: number[] = [];
  #freshAt: number;
  #references: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Node and index of a keyed block. */
  #node: Int32Array = new Int32Array(FIRST_CAPACITY).fill(NO_NODE);
  #index: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Keyed blocks that nobody holds, least recently used first: a ring through the null block. */
  #next: Int32Array = new Int32Array(FIRST_CAPACITY);
  #previous: Int32Array = new Int32Array(FIRST_CAPACITY);
  #evictable = 0;

  /** A key is a node (an integer from 0 to `nodes`) and an index below `keysPerNode`. */
  constructor(numBlocks: number, nodes: number, keysPerNode: number) {
    this.#numBlocks = numBlocks;
    this.#keysPerNode = keysPerNode;
    this.#keyedAt = new Int32Array(nodes + 1);
    this.#freshAt = keysPerNode + 1;
    this.#keyed = new Int32Array(2 * this.#freshAt);
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

  /** The block of a key, 0 where none is keyed. */
  keyedBlock(node: number, index: number): number {
    const at = this.#keyedAt[node] as number;
    return at === 0 ? 0 : (this.#keyed[at + index] as number);
  }

  /** Whether a block found by `keyedBlock` has no holder, and so counts among the free ones. */
  isEvictable(block: number): boolean {
    return this.#references[block] === 0;
  }

  /** Adds a holder to a block found by `keyedBlock`. */
  share(block: number): void {
    if (this.#references[block] === 0) this.#unlink(block);
    this.#references[block]++;
  }

  /**
   * Makes held blocks findable, `blocks[first]` on under the keys of a node from `index` to below `end`. Where another block has a
   * key already, that one stays.
   */
  register(node: number, index: number, end: number, blocks: readonly number[], first: number): void {
    let at = this.#keyedAt[node] as number;
    if (at === 0) {
      at = this.#place();
      this.#keyedAt[node] = at;
    }
    const keyed = this.#keyed;
    for (let key = index; key < end; key++) {
      if (keyed[at + key] !== 0) continue;
      const block = blocks[first + key - index] as number;
      keyed[at + key] = block;
      keyed[at + this.#keysPerNode]++;
      this.#node[block] = node;
      this.#index[block] = key;
    }
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
    const at = this.#keyedAt[node] as number;
    this.#keyed[at + index] = 0;
    if (--this.#keyed[at + this.#keysPerNode] > 0) return;
    this.#keyedAt[node] = 0;
    this.#spareAt.push(at);
  }

  /** A place for the keys of one more node, all 0. */
  #place(): number {
    const spare = this.#spareAt.pop();
    if (spare !== undefined) return spare;
    const at = this.#freshAt;
    this.#freshAt += this.#keysPerNode + 1;
    if (this.#freshAt > this.#keyed.length) this.#keyed = copyInto(new Int32Array(2 * this.#freshAt), this.#keyed);
    return at;
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
