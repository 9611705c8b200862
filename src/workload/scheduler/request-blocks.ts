import { BlockIds } from './block-ids.js';
import { grown } from './grown.js';
import { type NodeBlocks, PrefixCache } from './prefix-cache.js';
import type { HeldBlocks, RequestState } from './request-state.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const FIRST_DEPTHS = 16;
const NO_IDS = new Int32Array(0);

/** Which KV blocks the requests of one rank hold: shared prefixes first, then their own. */
export class RequestBlocks {
  readonly #state: RequestState;
  readonly #blockSize: number;
  /** Blocks in the tokens of a key, or 0 where that is no whole number. */
  readonly #blocksPerKey: number;
  /** Null if ids are not kept. */
  readonly #ids: BlockIds | null;
  readonly #cache: PrefixCache;
  /** Lists that requests gave back. */
  readonly #spare: HeldBlocks[] = [];
  /** Passed to the cache; written anew for each node. */
  readonly #node: Writable<NodeBlocks>;
  /** Blocks of the prefix found last that no request holds, which therefore count as free. */
  evictable = 0;
  /** Blocks that hold nothing: they are taken before any is evicted. */
  unkeyedBlocks: number;

  constructor(state: RequestState, numBlocks: number, keepIds: boolean) {
    this.#state = state;
    this.#blockSize = state.blockSize;
    this.#blocksPerKey = state.tokensPerKey % state.blockSize === 0 ? state.tokensPerKey / state.blockSize : 0;
    this.unkeyedBlocks = numBlocks - 1;
    this.#ids = keepIds ? new BlockIds() : null;
    this.#cache = new PrefixCache(state.nodes, Math.ceil(state.tokensPerKey / state.blockSize), this.#ids);
    this.#node = { node: 0, size: 0, from: 0, count: 0, ids: NO_IDS, duplicates: [] };
  }

  /** Blocks that can be appended, evictable ones included. */
  get freeBlocks(): number {
    return this.unkeyedBlocks + this.#cache.evictable;
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
    const blocks = this.#spare.pop() ?? { ids: NO_IDS, whole: new Uint8Array(FIRST_DEPTHS), duplicates: [] };
    const depths = this.#state.depths(request);
    if (depths > blocks.whole.length) blocks.whole = new Uint8Array(2 * depths);
    else blocks.whole.fill(0, 0, depths);
    blocks.duplicates.length = 0;
    held[request] = blocks;
    this.#makeIdRoom(blocks, count);
    covered[request] = count * this.#blockSize;
    keyedBlocks[request] = count;
    for (let depth = 0; this.#blocksUpTo(depth) < count; depth++) {
      const node = this.#nodeOf(request, depth, count);
      if (node.count > 0 && this.#cache.share(node)) blocks.whole[depth] = 1;
    }
  }

  /** Appends blocks of its own. The caller has checked that so many are free. */
  append(request: number, count: number): void {
    const { covered, held } = this.#state;
    const unkeyed = Math.min(count, this.unkeyedBlocks);
    this.unkeyedBlocks -= unkeyed;
    if (this.#ids === null) {
      if (unkeyed < count) this.#cache.evict(count - unkeyed, NO_IDS, 0);
    } else {
      const blocks = held[request] as HeldBlocks;
      const from = this.count(request);
      this.#makeIdRoom(blocks, from + count);
      this.#ids.take(blocks.ids, from, unkeyed);
      if (unkeyed < count) this.#cache.evict(count - unkeyed, blocks.ids, from + unkeyed);
    }
    covered[request] += count * this.#blockSize;
  }

  /** Blocks that a request holds. */
  count(request: number): number {
    return this.#state.covered[request] / this.#blockSize;
  }

  /** The ids of the last `count` blocks of a request, or of all, as a list of their own. */
  last(request: number, count: number = this.count(request)): number[] {
    const end = this.count(request);
    const ids = this.#state.held[request]?.ids ?? NO_IDS;
    const list = new Array<number>(count);
    for (let i = 0; i < count; i++) list[i] = ids[end - count + i];
    return list;
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
    const { held, covered, keyedBlocks } = this.#state;
    const blocks = held[request] as HeldBlocks;
    const count = this.count(request);
    const keyed = keyedBlocks[request];
    this.#ids?.give(blocks.ids, keyed, count);
    this.unkeyedBlocks += count - keyed + blocks.duplicates.length;
    for (let depth = keyed === 0 ? -1 : this.#depthOf(keyed - 1); depth >= 0; depth--) {
      const node = this.#nodeOf(request, depth, keyed);
      if (blocks.whole[depth] === 1) this.#cache.releaseWhole(node);
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
    const { ids, duplicates } = this.#state.held[request] as HeldBlocks;
    node.node = this.#state.node(request, depth);
    node.size = to - from;
    node.from = from;
    node.count = Math.min(end, to) - from;
    node.ids = ids;
    node.duplicates = duplicates;
    return node;
  }

  #makeIdRoom(blocks: HeldBlocks, count: number): void {
    if (this.#ids !== null && count > blocks.ids.length) blocks.ids = grown(blocks.ids, count);
  }

  /** Whole blocks in the tokens of the first `depth` keys of a prompt. */
  #blocksUpTo(depth: number): number {
    const perKey = this.#blocksPerKey;
    return perKey > 0 ? depth * perKey : Math.floor((depth * this.#state.tokensPerKey) / this.#blockSize);
  }

  /** The depth whose tokens a block ends in. */
  #depthOf(block: number): number {
    return Math.floor(((block + 1) * this.#blockSize - 1) / this.#state.tokensPerKey);
  }
}
