import type { BlockIds } from './block-ids.js';
import { grown } from './grown.js';

/** Which blocks of one request lie in one node: from its block `from` on, those of the node's keys from 0 to below `count`. */
export interface NodeBlocks {
  readonly node: number;
  /** Keys that the node can have: blocks that end within its tokens. */
  readonly size: number;
  readonly from: number;
  readonly count: number;
  /** The ids of all the request's blocks, where ids are kept. */
  readonly ids: Int32Array;
  /** Blocks of the request whose key another block has. */
  readonly duplicates: number[];
}

/** Words of a place. */
const PLACE = 4;
/** Keys that have a block. */
const KEYED = 0;
/** Requests that hold every key of the node; then all of them have a block. */
const WHOLE_HOLDERS = 1;
/** Keys with a holder that does not hold the whole node. */
const PARTLY_HELD = 2;
const EVICTABLE = 3;

/** Words of a key. */
const KEY = 4;
/** Requests that hold this key and not the whole node. */
const HOLDERS = 0;
/** The key after the segment's last one. */
const END = 1;
/** The segments released after and before it. */
const NEXT = 2;
const PREVIOUS = 3;

/**
 * KV blocks, found by their contents. A key is a node, a number that stands for a chain of leading hash ids, and the
 * index of a block within the node's tokens. A keyed block is held by requests, or evictable: it keeps its content until
 * a block is needed, no other is free, and it is the least recently released one.
 *
 * Requests mostly hold whole nodes, all of whose keys they found or wrote: these are counted per node, and only holders
 * of a part of a node per block. Evictable blocks are listed by segments: neighbouring keys of one node that were
 * released together, of which the last key is evicted first.
 */
export class PrefixCache {
  readonly #ids: BlockIds | null;
  readonly #keysPerNode: number;
  /** The place of each node with a key: i32[nodes + 1], 0 for a node without one; or a map, where nodes may be any integer. */
  readonly #placeOf: Int32Array | Map<number, number>;
  readonly #sparePlaces: number[] = [];
  /** Places from here on were never used. No node has place 0: its first key is the head of the list of segments. */
  #freshPlace = 1;

  /** Four counts of each place, side by side: KEYED, WHOLE_HOLDERS, PARTLY_HELD and EVICTABLE. */
  #places: Int32Array = new Int32Array(PLACE);
  /** The node at each place. */
  #nodes: Float64Array = new Float64Array(1);
  /** Four words of each key, place * keysPerNode + index: HOLDERS; and at the first key of a segment END, NEXT and PREVIOUS. */
  #keys: Int32Array;
  /** 1 of each key that has a block. */
  #hasBlock: Uint8Array;

  /** Evictable blocks in all. */
  evictable = 0;

  /** `nodes`: the largest node there will be, or null where it is not known; `ids`: null if ids are not kept. */
  constructor(nodes: number | null, keysPerNode: number, ids: BlockIds | null) {
    this.#ids = ids;
    this.#keysPerNode = keysPerNode;
    this.#placeOf = nodes === null ? new Map() : new Int32Array(nodes + 1);
    this.#keys = new Int32Array(KEY * keysPerNode);
    this.#hasBlock = new Uint8Array(keysPerNode);
  }

  /** Keyed blocks at the beginning of a node, at most `most` of its `size`. */
  leading(node: number, most: number, size: number): number {
    const place = this.#place(node);
    if (place === 0) return 0;
    if (most === size && this.#places[PLACE * place + KEYED] === size) return size;
    const first = place * this.#keysPerNode;
    let count = 0;
    while (count < most && this.#hasBlock[first + count] !== 0) count++;
    return count;
  }

  /** How many of the first `count` keys of a node are evictable; all of them are keyed. */
  evictableOf(node: number, count: number, size: number): number {
    const place = this.#place(node);
    if (this.#places[PLACE * place + WHOLE_HOLDERS] > 0) return 0;
    if (count === size) return this.#places[PLACE * place + EVICTABLE];
    const first = place * this.#keysPerNode;
    let evictable = 0;
    for (let key = first; key < first + count; key++) if (this.#keys[KEY * key + HOLDERS] === 0) evictable++;
    return evictable;
  }

  /** Gives the first `count` keyed blocks of a node one more holder. Returns whether it holds the whole node. */
  share({ node, size, ids, from, count }: NodeBlocks): boolean {
    const place = this.#place(node);
    const first = place * this.#keysPerNode;
    if (this.#ids !== null) {
      for (let i = 0; i < count; i++) ids[from + i] = this.#ids.ofKeys[first + i];
    }
    if (this.#places[PLACE * place + WHOLE_HOLDERS] === 0) this.#unlist(place, first, first + count);
    if (count === size) {
      this.#places[PLACE * place + WHOLE_HOLDERS]++;
      return true;
    }
    for (let key = first; key < first + count; key++)
      if (this.#keys[KEY * key + HOLDERS]++ === 0) this.#places[PLACE * place + PARTLY_HELD]++;
    return false;
  }

  /**
   * Makes the holder's blocks from key `index` on findable. Where another block has a key already, that one stays, and the
   * holder's is a duplicate. Returns whether the holder now holds the whole node.
   */
  register({ node, size, ids, from, count, duplicates }: NodeBlocks, index: number): boolean {
    const place = this.#place(node) || this.#newPlace(node);
    const first = place * this.#keysPerNode;
    if (index === 0 && count === size && this.#places[PLACE * place + KEYED] === 0) {
      this.#hasBlock.fill(1, first, first + size);
      this.#places[PLACE * place + KEYED] = size;
      this.#places[PLACE * place + WHOLE_HOLDERS] = 1;
      for (let i = 0; this.#ids !== null && i < size; i++) this.#ids.ofKeys[first + i] = ids[from + i];
      return true;
    }
    for (let i = index; i < count; i++) {
      const key = first + i;
      if (this.#hasBlock[key] === 1) {
        duplicates.push(from + i);
        continue;
      }
      this.#hasBlock[key] = 1;
      this.#places[PLACE * place + KEYED]++;
      this.#keys[KEY * key + HOLDERS] = 1;
      this.#places[PLACE * place + PARTLY_HELD]++;
      if (this.#ids !== null) this.#ids.ofKeys[key] = ids[from + i];
    }
    return false;
  }

  /** Takes one holder from a node that it holds as a whole. */
  releaseWhole({ node, size }: NodeBlocks): void {
    const place = this.#place(node);
    if (--this.#places[PLACE * place + WHOLE_HOLDERS] > 0) return;
    const first = place * this.#keysPerNode;
    if (this.#places[PLACE * place + PARTLY_HELD] === 0) {
      this.#list(place, first, first + size);
      return;
    }
    let end = first + size;
    for (let key = end - 1; key >= first; key--) {
      if (this.#keys[KEY * key + HOLDERS] === 0) continue;
      if (key + 1 < end) this.#list(place, key + 1, end);
      end = key;
    }
    if (first < end) this.#list(place, first, end);
  }

  /** Takes one holder from a part of a node, the last block first; duplicates are free again. */
  releasePart({ node, ids, from, count, duplicates }: NodeBlocks): void {
    const place = this.#place(node);
    const first = place * this.#keysPerNode;
    // The segment that grows downwards: keys from `start` to below `end`.
    let start = 0;
    let end = 0;
    for (let i = count - 1; i >= 0; i--) {
      if (duplicates.length > 0 && duplicates.includes(from + i)) {
        this.#ids?.give(ids, from + i, from + i + 1);
        continue;
      }
      const key = first + i;
      if (--this.#keys[KEY * key + HOLDERS] > 0) continue;
      this.#places[PLACE * place + PARTLY_HELD]--;
      if (this.#places[PLACE * place + WHOLE_HOLDERS] > 0) continue;
      if (key + 1 !== start) {
        if (start < end) this.#list(place, start, end);
        end = key + 1;
      }
      start = key;
    }
    if (start < end) this.#list(place, start, end);
  }

  /** Takes `count` blocks from the evictable ones, those released first; they are to be the blocks of a request from `at` on. */
  evict(count: number, ids: Int32Array, at: number): void {
    for (let taken = 0; taken < count; ) {
      const start = this.#keys[NEXT];
      const end = this.#keys[KEY * start + END];
      const place = Math.floor(start / this.#keysPerNode);
      const some = Math.min(count - taken, end - start);
      for (let i = 0; this.#ids !== null && i < some; i++) ids[at + taken + i] = this.#ids.ofKeys[end - 1 - i];
      this.#hasBlock.fill(0, end - some, end);
      this.#countEvictable(place, -some);
      if (some === end - start) this.#unlink(start);
      else this.#keys[KEY * start + END] = end - some;
      this.#places[PLACE * place + KEYED] -= some;
      if (this.#places[PLACE * place + KEYED] === 0) this.#dropPlace(place);
      taken += some;
    }
  }

  /** Puts keys from `start` to below `end` at the end of the list. */
  #list(place: number, start: number, end: number): void {
    const last = this.#keys[PREVIOUS];
    this.#keys[KEY * start + END] = end;
    this.#keys[KEY * last + NEXT] = start;
    this.#keys[KEY * start + PREVIOUS] = last;
    this.#keys[KEY * start + NEXT] = 0;
    this.#keys[PREVIOUS] = start;
    this.#countEvictable(place, end - start);
  }

  /** Takes the evictable keys from `first`, the node's first, to below `end` off the list. All of them are keyed. */
  #unlist(place: number, first: number, end: number): void {
    if (this.#places[PLACE * place + EVICTABLE] === 0) return;
    // What comes after a held key, or after a whole segment, starts a segment if it is evictable.
    for (let key = first; key < end; ) {
      if (this.#keys[KEY * key + HOLDERS] > 0) {
        key++;
        continue;
      }
      const segmentEnd = this.#keys[KEY * key + END];
      if (segmentEnd <= end) this.#unlink(key);
      else this.#shorten(key, end);
      const to = Math.min(segmentEnd, end);
      this.#countEvictable(place, key - to);
      key = to;
    }
  }

  #unlink(start: number): void {
    const previous = this.#keys[KEY * start + PREVIOUS];
    const next = this.#keys[KEY * start + NEXT];
    this.#keys[KEY * previous + NEXT] = next;
    this.#keys[KEY * next + PREVIOUS] = previous;
  }

  /** The segment from `start` on begins with `newStart` instead, in the same place of the list. */
  #shorten(start: number, newStart: number): void {
    const previous = this.#keys[KEY * start + PREVIOUS];
    const next = this.#keys[KEY * start + NEXT];
    this.#keys[KEY * newStart + END] = this.#keys[KEY * start + END];
    this.#keys[KEY * newStart + PREVIOUS] = previous;
    this.#keys[KEY * newStart + NEXT] = next;
    this.#keys[KEY * previous + NEXT] = newStart;
    this.#keys[KEY * next + PREVIOUS] = newStart;
  }

  #countEvictable(place: number, more: number): void {
    this.#places[PLACE * place + EVICTABLE] += more;
    this.evictable += more;
  }

  #place(node: number): number {
    const places = this.#placeOf;
    return places instanceof Int32Array ? places[node] : (places.get(node) ?? 0);
  }

  #newPlace(node: number): number {
    const place = this.#sparePlaces.pop() ?? this.#freshPlace++;
    if (place >= this.#nodes.length) this.#grow(2 * place);
    this.#nodes[place] = node;
    if (this.#placeOf instanceof Map) this.#placeOf.set(node, place);
    else this.#placeOf[node] = place;
    return place;
  }

  #dropPlace(place: number): void {
    if (this.#placeOf instanceof Map) this.#placeOf.delete(this.#nodes[place]);
    else this.#placeOf[this.#nodes[place]] = 0;
    this.#sparePlaces.push(place);
  }

  #grow(places: number): void {
    this.#nodes = grown(this.#nodes, places);
    this.#places = grown(this.#places, PLACE * places);
    this.#keys = grown(this.#keys, KEY * places * this.#keysPerNode);
    this.#hasBlock = grown(this.#hasBlock, places * this.#keysPerNode);
    if (this.#ids !== null) this.#ids.ofKeys = grown(this.#ids.ofKeys, this.#hasBlock.length);
  }
}
