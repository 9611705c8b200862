import { BlockIds } from './block-ids.js';
import { grown } from './grown.js';
import { PrefixCache } from './prefix-cache.js';
import type { RequestState } from './request-state.js';

const NO_IDS = new Int32Array(0);

/** Which KV blocks the requests of one rank hold: shared prefixes first, then their own. */
export class RequestBlocks {
  readonly #state: RequestState;
  readonly #blockSize: number;
  /** Null if ids are not kept. */
  readonly #ids: BlockIds | null;
  readonly #cache: PrefixCache;
  /** Lists that requests gave back. */
  readonly #spare: Int32Array[] = [];
  /** Blocks of the prefix found last that no request holds, which therefore count as free. */
  evictable = 0;
  /** Blocks that hold nothing: they are taken before any is evicted. */
  unkeyedBlocks: number;

  constructor(state: RequestState, numBlocks: number, keepIds: boolean) {
    this.#state = state;
    this.#blockSize = state.blockSize;
    this.unkeyedBlocks = numBlocks - 1;
    this.#ids = keepIds ? new BlockIds() : null;
    this.#cache = new PrefixCache(state, keepIds);
  }

  /** Blocks that can be appended, evictable ones included. */
  get freeBlocks(): number {
    return this.unkeyedBlocks + this.#cache.evictable;
  }

  /** Finds the longest prefix of a prompt that the cache holds, leaving at least one token to compute. Returns its blocks. */
  findPrefix(request: number): number {
    const state = this.#state;
    this.evictable = 0;
    if (state.keyableBlocks[request] === 0) return 0;
    const most = Math.floor((state.promptTokens[request] - 1) / this.#blockSize);
    let found = 0;
    for (let level = 0; found < most; level++) {
      const node = state.node(request, level);
      const wanted = Math.min(state.endBlock(node, level), most) - found;
      if (wanted === 0) continue;
      const leading = this.#cache.leading(node, level, wanted);
      if (leading > 0) this.evictable += this.#cache.evictableOf(node, level, leading);
      found += leading;
      if (leading < wanted) break;
    }
    return found;
  }

  /** Gives a request that holds no blocks the prefix just found, of `count` blocks. */
  share(request: number, count: number): void {
    const state = this.#state;
    const ids = this.#ids === null ? NO_IDS : (this.#spare.pop() ?? NO_IDS);
    if (this.#ids !== null) state.held[request] = ids;
    const held = this.#idRoom(request, count);
    state.covered[request] = count * this.#blockSize;
    state.keyedBlocks[request] = count;
    state.level[request] = -1;
    for (let from = 0, level = 0; from < count; level++) {
      const node = state.node(request, level);
      const end = state.endBlock(node, level);
      if (end === from) continue;
      this.#cache.share(request, node, level, Math.min(end, count) - from, end - from, held, from);
      state.level[request] = level;
      from = end;
    }
  }

  /** Appends blocks of its own. The caller has checked that so many are free. */
  append(request: number, count: number): void {
    const { covered } = this.#state;
    if (this.#ids === null) {
      this.take(count);
    } else {
      const unkeyed = Math.min(count, this.unkeyedBlocks);
      const from = this.count(request);
      const ids = this.#idRoom(request, from + count);
      this.unkeyedBlocks -= unkeyed;
      this.#ids.take(ids, from, unkeyed);
      if (unkeyed < count) this.#cache.evict(count - unkeyed, ids, from + unkeyed);
    }
    covered[request] += count * this.#blockSize;
  }

  /** Takes blocks without ids, which are not written down for any request. The caller has checked that so many are free. */
  take(count: number): void {
    const unkeyed = Math.min(count, this.unkeyedBlocks);
    this.unkeyedBlocks -= unkeyed;
    if (unkeyed < count) this.#cache.evict(count - unkeyed, NO_IDS, 0);
  }

  /** Blocks that a request holds. */
  count(request: number): number {
    return this.#state.covered[request] / this.#blockSize;
  }

  /** The ids of the last `count` blocks of a request, or of all, as a list of their own. */
  last(request: number, count: number = this.count(request)): number[] {
    const end = this.count(request);
    const ids = this.#state.held[request] ?? NO_IDS;
    const list = new Array<number>(count);
    for (let i = 0; i < count; i++) list[i] = ids[end - count + i];
    return list;
  }

  /**
   * Makes the whole blocks of a hashed prompt findable that its chunk from `start` to `end` fills. Where another block has a key already,
   * that one stays, and no further block of the request gets one.
   */
  key(request: number, start: number, end: number): void {
    const state = this.#state;
    const filled = Math.min(state.keyableBlocks[request], Math.floor(end / this.#blockSize));
    let keyed = state.keyedBlocks[request];
    if (keyed >= filled || keyed < Math.floor(start / this.#blockSize)) return;
    const ids = state.held[request] ?? NO_IDS;
    for (let level = Math.max(0, state.level[request]); keyed < filled; level++) {
      const node = state.node(request, level);
      const nodeEnd = state.endBlock(node, level);
      if (nodeEnd <= keyed) continue;
      const first = state.firstBlock(node, level);
      const count = Math.min(nodeEnd, filled) - first;
      if (!this.#cache.register(request, node, level, keyed - first, count, nodeEnd - first, ids, keyed)) break;
      keyed = first + count;
      state.level[request] = level;
    }
    state.keyedBlocks[request] = keyed;
  }

  /** Takes all its blocks from a request, the last one first, so that the ends of prefixes are evicted before their beginnings. */
  free(request: number): void {
    const state = this.#state;
    const count = this.count(request);
    let keyed = state.keyedBlocks[request];
    this.unkeyedBlocks += count - keyed;
    for (let level = state.level[request]; keyed > 0; level--) {
      const node = state.node(request, level);
      const first = state.firstBlock(node, level);
      if (first === keyed) continue;
      this.#cache.release(request, node, level, keyed - first, state.endBlock(node, level) - first);
      keyed = first;
    }
    state.covered[request] = 0;
    if (this.#ids === null) return;
    const ids = state.held[request] as Int32Array;
    this.#ids.give(ids, state.keyedBlocks[request], count);
    this.#spare.push(ids);
    state.held[request] = null;
  }

  /** The ids of a request's blocks, with room for `count` of them where ids are kept. */
  #idRoom(request: number, count: number): Int32Array {
    const { held } = this.#state;
    const ids = held[request] ?? NO_IDS;
    if (this.#ids === null || count <= ids.length) return ids;
    const more = grown(ids, count);
    held[request] = more;
    return more;
  }
}
