import { FreeBlocks } from './free-blocks.js';
import { grown } from './grown.js';
import { type NodeBlocks, PrefixCache } from './prefix-cache.js';
import type { RequestState } from './request-state.js';

/** The KV blocks of a running request, in order of position. */
export interface HeldBlocks {
  /** i32, with room for more than the request holds. */
  ids: Int32Array;
  /** 1 at each depth of whose node the request holds every key. */
  whole: Uint8Array;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Room of a list of blocks that is made anew. */
const FIRST_BLOCKS = 64;
const FIRST_DEPTHS = 16;

/** Which KV blocks the requests of one rank hold: shared prefixes first, then their own. */
export class RequestBlocks {
  readonly #state: RequestState;
  readonly #blockSize: number;
  readonly #free: FreeBlocks;
  readonly #cache: PrefixCache;
  /** Lists that requests gave back. */
  readonly #spare: HeldBlocks[] = [];
  /** Passed to the cache; written anew for each node. */
  readonly #node: Writable<NodeBlocks>;
  /** Blocks of the prefix found last that nobody holds, and that so count among the free ones. */
  evictable = 0;

  constructor(state: RequestState, numBlocks: number) {
    this.#state = state;
    this.#blockSize = state.blockSize;
    this.#free = new FreeBlocks(numBlocks);
    this.#cache = new PrefixCache(this.#free, state.nodes, Math.ceil(state.tokensPerKey / state.blockSize));
    this.#node = { node: 0, size: 0, ids: new Int32Array(0), from: 0, count: 0 };
  }

  /** Blocks that can be appended, evictable ones included. */
  get freeBlocks(): number {
    return this.#free.count + this.#cache.evictable;
  }

  /** Those that are taken before any is evicted. */
  get unkeyedBlocks(): number {
    return this.#free.count;
  }

  /** Finds the longest prefix of a prompt that the cache holds, leaving at least one token to compute. Returns its blocks. */
  findPrefix(request: number): number {
    const { keyableBlocks, promptTokens } = this.#state;
    this.evictable = 0;
    if (keyableBlocks[request] === 0) return 0;
    const most = Math.floor((promptTokens[request] - 1) / this.#blockSize);
    let found = 0;
    for (let depth = 0; found < most; depth++) {
      const size = this.#blocksUpTo(depth + 1) - found;
      if (size === 0) continue;
      const node = this.#state.node(request, depth);
      const wanted = Math.min(size, most - found);
      const leading = this.#cache.leading(node, wanted, size);
      if (leading > 0) this.evictable += this.#cache.evictableOf(node, leading, size);
      found += leading;
      if (leading < wanted) break;
    }
    return found;
  }

  /** Gives a request that holds no blocks the prefix just found, of `count` blocks. */
  share(request: number, count: number): void {
    const { held, covered, keyedBlocks } = this.#state;
    const blocks = this.#spare.pop() ?? {
      ids: new Int32Array(FIRST_BLOCKS),
      whole: new Uint8Array(FIRST_DEPTHS),
    };
    const depths = this.#depths(request);
    if (depths > blocks.whole.length) blocks.whole = new Uint8Array(2 * depths);
    else blocks.whole.fill(0, 0, depths);
    if (count > blocks.ids.length) blocks.ids = grown(blocks.ids, count);
    held[request] = blocks;
    covered[request] = count * this.#blockSize;
    keyedBlocks[request] = count;
    for (let depth = 0; this.#blocksUpTo(depth) < count; depth++) {
      const node = this.#nodeOf(request, depth, count);
      if (node.count > 0 && this.#cache.share(node)) blocks.whole[depth] = 1;
    }
  }

  /** Appends blocks of its own. The caller has checked that so many are free. */
  append(request: number, count: number): void {
    const blocks = this.#state.held[request] as HeldBlocks;
    const from = this.count(request);
    if (from + count > blocks.ids.length) blocks.ids = grown(blocks.ids, from + count);
    const taken = this.#free.take(blocks.ids, from, count);
    if (taken < count) this.#cache.evict(blocks.ids, from + taken, count - taken);
    this.#state.covered[request] = (from + count) * this.#blockSize;
  }

  /** Blocks that a request holds. */
  count(request: number): number {
    return this.#state.covered[request] / this.#blockSize;
  }

  /** The last `count` blocks of a request, or all, as a list of their own. */
  last(request: number, count: number = this.count(request)): number[] {
    const end = this.count(request);
    return end === 0 ? [] : Array.from((this.#state.held[request] as HeldBlocks).ids.subarray(end - count, end));
  }

  /** Makes the whole blocks of a hashed prompt findable up to position `end`. */
  key(request: number, end: number): void {
    const { keyedBlocks, keyableBlocks, held } = this.#state;
    const filled = Math.min(keyableBlocks[request], Math.floor(end / this.#blockSize));
    const from = keyedBlocks[request];
    if (from >= filled) return;
    for (let depth = this.#depthOf(from); this.#blocksUpTo(depth) < filled; depth++) {
      const node = this.#nodeOf(request, depth, filled);
      const index = Math.max(0, from - node.from);
      if (index < node.count && this.#cache.register(node, index)) (held[request] as HeldBlocks).whole[depth] = 1;
    }
    keyedBlocks[request] = filled;
  }

  /** Takes all its blocks from a request, the last one first, so that the ends of prefixes are evicted before their beginnings. */
  free(request: number): void {
    const { held, covered, keyableBlocks } = this.#state;
    const blocks = held[request] as HeldBlocks;
    const count = this.count(request);
    const keyable = Math.min(count, keyableBlocks[request]);
    this.#free.give(blocks.ids, keyable, count);
    for (let depth = keyable === 0 ? -1 : this.#depthOf(keyable - 1); depth >= 0; depth--) {
      const node = this.#nodeOf(request, depth, keyable);
      if (blocks.whole[depth] === 1) this.#cache.releaseWhole(node.node, node.size);
      else if (node.count > 0) this.#cache.releasePart(node);
    }
    this.#spare.push(blocks);
    held[request] = null;
    covered[request] = 0;
  }

  /** The blocks of a request that lie in its node at a depth, of its first `end`. The same object each time. */
  #nodeOf(request: number, depth: number, end: number): NodeBlocks {
    const from = this.#blocksUpTo(depth);
    const to = this.#blocksUpTo(depth + 1);
    const node = this.#node;
    node.node = this.#state.node(request, depth);
    node.size = to - from;
    node.ids = (this.#state.held[request] as HeldBlocks).ids;
    node.from = from;
    node.count = Math.min(end, to) - from;
    return node;
  }

  #depths(request: number): number {
    return this.#state.prefixes[request]?.length ?? 0;
  }

  /** Whole blocks in the tokens of the first `depth` keys of a prompt. */
  #blocksUpTo(depth: number): number {
    return Math.floor((depth * this.#state.tokensPerKey) / this.#blockSize);
  }

  /** The depth whose tokens a block ends in. */
  #depthOf(block: number): number {
    return Math.floor(((block + 1) * this.#blockSize - 1) / this.#state.tokensPerKey);
  }
}
