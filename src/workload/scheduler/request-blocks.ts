import { HASH_BLOCK_TOKENS } from '../request.js';
import { BlockPool } from './block-pool.js';
import { NO_BLOCKS, type RequestState } from './request-state.js';

/** Which KV blocks the requests of one rank hold: shared prefixes first, then their own. */
export class RequestBlocks {
  readonly pool: BlockPool;
  /** Blocks of the prefix found last that nobody holds, and that so count among the free ones. */
  evictable = 0;
  readonly #state: RequestState;
  readonly #blockSize: number;
  /** The prefix found last. */
  readonly #prefix: number[] = [];

  constructor(state: RequestState, numBlocks: number, blockSize: number) {
    this.pool = new BlockPool(numBlocks, state.nodes, state.keysPerNode);
    this.#state = state;
    this.#blockSize = blockSize;
  }

  /** Finds the longest prefix of a prompt that the cache holds, leaving at least one token to compute. Returns its blocks. */
  findPrefix(request: number): number {
    const { keyableBlocks, table } = this.#state;
    this.evictable = 0;
    if (keyableBlocks[request] === 0) return 0;
    const most = Math.floor(((table.inputTokens[request] as number) - 1) / this.#blockSize);
    let found = 0;
    for (let depth = 0; found < most; depth++) {
      const end = Math.min(most, this.#blocksUpTo(depth + 1));
      if (found === end) continue;
      const node = this.#state.node(request, depth);
      for (const first = this.#blocksUpTo(depth); found < end; found++) {
        const block = this.pool.keyedBlock(node, found - first);
        if (block === 0) return found;
        if (this.pool.isEvictable(block)) this.evictable++;
        this.#prefix[found] = block;
      }
    }
    return found;
  }

  /** Gives a request that holds no blocks the prefix just found, of `count` blocks. */
  share(request: number, count: number): void {
    const { blocks, covered, keyedBlocks, table } = this.#state;
    const tokens = (table.inputTokens[request] as number) + (table.outputTokens[request] as number);
    // Room for all that the request can come to hold, so that the list never grows.
    const held = new Array<number>(Math.ceil(tokens / this.#blockSize));
    for (let i = 0; i < count; i++) {
      const block = this.#prefix[i] as number;
      this.pool.share(block);
      held[i] = block;
    }
    blocks[request] = held;
    covered[request] = count * this.#blockSize;
    keyedBlocks[request] = count;
  }

  /** Appends blocks of its own. The caller has checked that so many are free. */
  append(request: number, count: number): void {
    const held = this.#state.blocks[request] as number[];
    const from = this.count(request);
    for (let i = 0; i < count; i++) held[from + i] = this.pool.allocate();
    this.#state.covered[request] = (from + count) * this.#blockSize;
  }

  /** Blocks that a request holds. */
  count(request: number): number {
    return (this.#state.covered[request] as number) / this.#blockSize;
  }

  /** The last `count` blocks of a request, or all, as a list of their own. */
  last(request: number, count: number = this.count(request)): number[] {
    const held = this.count(request);
    return (this.#state.blocks[request] as number[]).slice(held - count, held);
  }

  /** Makes the whole blocks of a hashed prompt findable up to position `end`. */
  key(request: number, end: number): void {
    const { keyedBlocks, keyableBlocks, blocks } = this.#state;
    const whole = Math.min(keyableBlocks[request] as number, Math.floor(end / this.#blockSize));
    const held = blocks[request] as number[];
    let block = keyedBlocks[request] as number;
    if (block >= whole) return;
    for (let depth = this.#depthOf(block); block < whole; depth++) {
      const nodeEnd = Math.min(whole, this.#blocksUpTo(depth + 1));
      const first = this.#blocksUpTo(depth);
      const node = this.#state.node(request, depth);
      if (block < nodeEnd) this.pool.register(node, block - first, nodeEnd - first, held, block);
      block = Math.max(block, nodeEnd);
    }
    keyedBlocks[request] = whole;
  }

  free(request: number): void {
    this.pool.release(this.#state.blocks[request] as number[], this.count(request));
    this.#state.blocks[request] = NO_BLOCKS;
    this.#state.covered[request] = 0;
  }

  /** Whole blocks in the first `depth` 512-token blocks of a prompt. */
  #blocksUpTo(depth: number): number {
    return Math.floor((depth * HASH_BLOCK_TOKENS) / this.#blockSize);
  }

  /** The 512-token block in which a block ends. */
  #depthOf(block: number): number {
    return Math.floor(((block + 1) * this.#blockSize - 1) / HASH_BLOCK_TOKENS);
  }
}
