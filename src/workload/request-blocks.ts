import { BlockPool } from './block-pool.js';
import { NO_BLOCKS, type RequestState } from './request-state.js';

/** The leading blocks of a prompt that the cache holds. */
export interface CachedPrefix {
  readonly blocks: number[];
  /** Those of them that nobody holds, and that so count among the free ones. */
  readonly evictable: number;
}

/** Which KV blocks the requests of one rank hold: shared prefixes first, then their own. */
export class RequestBlocks {
  readonly pool: BlockPool;
  readonly #state: RequestState;
  readonly #blockSize: number;

  constructor(state: RequestState, numBlocks: number, blockSize: number) {
    this.pool = new BlockPool(numBlocks, state.keysPerNode);
    this.#state = state;
    this.#blockSize = blockSize;
  }

  /** The blocks of the longest prefix that the cache holds, leaving at least one prompt token to compute. */
  findPrefix(request: number): CachedPrefix {
    const { keyableBlocks, table } = this.#state;
    const blocks: number[] = [];
    let evictable = 0;
    if (keyableBlocks[request] === 0) return { blocks, evictable };
    const most = Math.floor(((table.inputTokens[request] as number) - 1) / this.#blockSize);
    while (blocks.length < most) {
      const block = this.pool.lookup(this.#state.blockKey(request, blocks.length));
      if (block === 0) break;
      if (this.pool.isEvictable(block)) evictable++;
      blocks.push(block);
    }
    return { blocks, evictable };
  }

  /** Gives a request that holds no blocks those of a prefix just found. */
  share(request: number, { blocks }: CachedPrefix): void {
    for (const block of blocks) this.pool.share(block);
    this.#state.blocks[request] = blocks;
    this.#state.covered[request] = blocks.length * this.#blockSize;
    this.#state.keyedBlocks[request] = blocks.length;
  }

  /** Appends blocks of its own. The caller has checked that so many are free. */
  append(request: number, count: number): void {
    const held = this.#state.blocks[request] as number[];
    for (let i = 0; i < count; i++) held.push(this.pool.allocate());
    this.#state.covered[request] = held.length * this.#blockSize;
  }

  /** The last `count` blocks of a request, as a list of their own. */
  lastBlocks(request: number, count: number): number[] {
    return (this.#state.blocks[request] as number[]).slice(-count);
  }

  /** Makes the whole blocks of a hashed prompt findable up to position `end`. */
  key(request: number, end: number): void {
    const { keyedBlocks, keyableBlocks, blocks } = this.#state;
    const whole = Math.min(keyableBlocks[request] as number, Math.floor(end / this.#blockSize));
    for (let block = keyedBlocks[request] as number; block < whole; block++) {
      this.pool.register(this.#state.blockKey(request, block), (blocks[request] as number[])[block] as number);
      keyedBlocks[request] = block + 1;
    }
  }

  free(request: number): void {
    this.pool.release(this.#state.blocks[request] as number[]);
    this.#state.blocks[request] = NO_BLOCKS;
    this.#state.covered[request] = 0;
  }
}
