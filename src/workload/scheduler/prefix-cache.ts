import type { FreeBlocks } from './free-blocks.js';
import { grown } from './grown.js';

/** Which blocks of one request lie in one node: `ids[from]` on are its blocks of the node's keys from 0 to below `count`. */
export interface NodeBlocks {
  readonly node: number;
  /** Keys that the node can have: blocks that end within its tokens. */
  readonly size: number;
  readonly ids: Int32Array;
  readonly from: number;
  readonly count: number;
}

/**
 * KV blocks that can be found by what they hold. A key is a node, a number that stands for a chain of leading hash ids, and the
 * index of a block within the node's tokens. A keyed block is held by requests, or evictable: it keeps its content until it
 * is the least recently released one when a block is needed and no other is free.
 *
 * Requests mostly hold whole nodes, all of whose keys they found or wrote: these are counted by the node, and only those who
 * hold a part of a node by the block. Evictable blocks are listed by segments: neighbouring keys of one node that were
 * released together, of which the last key is evicted first.
 */
export class PrefixCache {
  readonly #free: FreeBlocks;
  readonly #keysPerNode: number;
  /** The place of each node with a key: i32[nodes + 1], 0 for a node without one; or a map, where nodes may be any integer. */
  readonly #placeOf: Int32Array | Map<number, number>;
  readonly #sparePlaces: number[] = [];
  /** Places from here on were never used. Place 0 is nobody's: its first key is the head of the list of segments. */
  #freshPlace = 1;

  // By place.
  #node = new Int32Array(1);
  #keyed = new Int32Array(1);
  /** Requests that hold every key of the node; then all of them are keyed. */
  #wholeHolders = new Int32Array(1);
  /** Keys with a holder that holds not the whole node. */
  #partlyHeld = new Int32Array(1);
  #evictable = new Int32Array(1);

  // By key: place * keysPerNode + index.
  /** Block of each key, or 0. */
  #block: Int32Array;
  /** Requests that hold this key and not the whole node. */
  #holders: Int32Array;
  /** At the first key of a segment: the key after its last one, and the segments released after and before it. */
  #segmentEnd: Int32Array;
  #next: Int32Array;
  #previous: Int32Array;

  /** Evictable blocks in all. */
  evictable = 0;

  /** `nodes`: the largest node there will be, or null where it is not known. */
  constructor(free: FreeBlocks, nodes: number | null, keysPerNode: number) {
    this.#free = free;
    this.#keysPerNode = keysPerNode;
    this.#placeOf = nodes === null ? new Map() : new Int32Array(nodes + 1);
    this.#block = new Int32Array(keysPerNode);
    this.#holders = new Int32Array(keysPerNode);
    this.#segmentEnd = new Int32Array(keysPerNode);
    this.#next = new Int32Array(keysPerNode);
    this.#previous = new Int32Array(keysPerNode);
  }

  /** Keyed blocks at the beginning of a node, at most `most` of its `size`. */
  leading(node: number, most: number, size: number): number {
    const place = this.#place(node);
    if (place === 0) return 0;
    if (most === size && this.#keyed[place] === size) return size;
    const first = place * this.#keysPerNode;
    let count = 0;
    while (count < most && this.#block[first + count] !== 0) count++;
    return count;
  }

  /** How many of the first `count` keys of a node are evictable; all of them are keyed. */
  evictableOf(node: number, count: number, size: number): number {
    const place = this.#place(node);
    if (this.#wholeHolders[place] > 0) return 0;
    if (count === size) return this.#evictable[place];
    const first = place * this.#keysPerNode;
    let evictable = 0;
    for (let key = first; key < first + count; key++) if (this.#holders[key] === 0) evictable++;
    return evictable;
  }

  /** Gives the first `count` keyed blocks of a node one more holder, and writes their ids. Returns whether it holds the whole node. */
  share({ node, size, ids, from, count }: NodeBlocks): boolean {
    const place = this.#place(node);
    const first = place * this.#keysPerNode;
    for (let i = 0; i < count; i++) ids[from + i] = this.#block[first + i];
    if (this.#wholeHolders[place] === 0) this.#unlist(place, first, first + count);
    if (count === size) {
      this.#wholeHolders[place]++;
      return true;
    }
    for (let key = first; key < first + count; key++) if (this.#holders[key]++ === 0) this.#partlyHeld[place]++;
    return false;
  }

  /**
   * Makes the holder's blocks from `index` on findable. Where another block has a key already, that one stays. Returns whether the
   * holder now holds the whole node.
   */
  register({ node, size, ids, from, count }: NodeBlocks, index: number): boolean {
    let place = this.#place(node);
    if (place === 0) {
      place = this.#newPlace();
      this.#node[place] = node;
      if (this.#placeOf instanceof Map) this.#placeOf.set(node, place);
      else this.#placeOf[node] = place;
    }
    const first = place * this.#keysPerNode;
    const whole = index === 0 && count === size && this.#keyed[place] === 0;
    for (let i = index; i < count; i++) {
      const key = first + i;
      if (this.#block[key] !== 0) continue;
      this.#block[key] = ids[from + i];
      this.#keyed[place]++;
      if (whole) continue;
      this.#holders[key] = 1;
      this.#partlyHeld[place]++;
    }
    if (whole) this.#wholeHolders[place]++;
    return whole;
  }

  /** Takes one holder from a node that it holds as a whole. */
  releaseWhole(node: number, size: number): void {
    const place = this.#place(node);
    if (--this.#wholeHolders[place] > 0) return;
    const first = place * this.#keysPerNode;
    if (this.#partlyHeld[place] === 0) {
      this.#list(place, first, first + size);
      return;
    }
    let end = first + size;
    for (let key = end - 1; key >= first; key--) {
      if (this.#holders[key] === 0) continue;
      if (key + 1 < end) this.#list(place, key + 1, end);
      end = key;
    }
    if (first < end) this.#list(place, first, end);
  }

  /** Takes one holder from blocks that are a part of a node; those without a key are free again. The last one goes first. */
  releasePart({ node, ids, from, count }: NodeBlocks): void {
    const place = this.#place(node);
    const first = place * this.#keysPerNode;
    // The segment that grows downwards: keys from `start` to below `end`.
    let start = 0;
    let end = 0;
    for (let i = count - 1; i >= 0; i--) {
      const key = first + i;
      if (place === 0 || this.#block[key] !== ids[from + i]) {
        this.#free.give(ids, from + i, from + i + 1);
        continue;
      }
      if (--this.#holders[key] > 0) continue;
      this.#partlyHeld[place]--;
      if (this.#wholeHolders[place] > 0) continue;
      if (key + 1 !== start) {
        if (start < end) this.#list(place, start, end);
        end = key + 1;
      }
      start = key;
    }
    if (start < end) this.#list(place, start, end);
  }

  /** Takes `count` blocks from the evictable ones, those released first, and writes their ids. */
  evict(ids: Int32Array, at: number, count: number): void {
    for (let taken = 0; taken < count; ) {
      const start = this.#next[0];
      const end = this.#segmentEnd[start];
      const place = Math.floor(start / this.#keysPerNode);
      const some = Math.min(count - taken, end - start);
      for (let key = end - 1; key >= end - some; key--) {
        ids[at + taken++] = this.#block[key];
        this.#block[key] = 0;
      }
      this.#countEvictable(place, -some);
      if (some === end - start) this.#unlink(start);
      else this.#segmentEnd[start] = end - some;
      this.#keyed[place] -= some;
      if (this.#keyed[place] === 0) this.#dropPlace(place);
    }
  }

  /** Puts keys from `start` to below `end` at the end of the list. */
  #list(place: number, start: number, end: number): void {
    const last = this.#previous[0];
    this.#segmentEnd[start] = end;
    this.#next[last] = start;
    this.#previous[start] = last;
    this.#next[start] = 0;
    this.#previous[0] = start;
    this.#countEvictable(place, end - start);
  }

  /** Takes the evictable keys from `first`, the node's first, to below `end` off the list. All of them are keyed. */
  #unlist(place: number, first: number, end: number): void {
    if (this.#evictable[place] === 0) return;
    // What comes after a held key, or after a whole segment, starts a segment if it is evictable.
    for (let key = first; key < end; ) {
      if (this.#holders[key] > 0) {
        key++;
        continue;
      }
      const segmentEnd = this.#segmentEnd[key];
      if (segmentEnd <= end) this.#unlink(key);
      else this.#shorten(key, end);
      const to = Math.min(segmentEnd, end);
      this.#countEvictable(place, key - to);
      key = to;
    }
  }

  #unlink(start: number): void {
    const previous = this.#previous[start];
    const next = this.#next[start];
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  /** The segment from `start` on begins with `newStart` instead, in the same place of the list. */
  #shorten(start: number, newStart: number): void {
    const previous = this.#previous[start];
    const next = this.#next[start];
    this.#segmentEnd[newStart] = this.#segmentEnd[start];
    this.#previous[newStart] = previous;
    this.#next[newStart] = next;
    this.#next[previous] = newStart;
    this.#previous[next] = newStart;
  }

  #countEvictable(place: number, more: number): void {
    this.#evictable[place] += more;
    this.evictable += more;
  }

  #place(node: number): number {
    const places = this.#placeOf;
    return places instanceof Int32Array ? places[node] : (places.get(node) ?? 0);
  }

  #newPlace(): number {
    const spare = this.#sparePlaces.pop();
    if (spare !== undefined) return spare;
    const place = this.#freshPlace++;
    if (place >= this.#node.length) this.#grow(2 * place);
    return place;
  }

  #dropPlace(place: number): void {
    if (this.#placeOf instanceof Map) this.#placeOf.delete(this.#node[place]);
    else this.#placeOf[this.#node[place]] = 0;
    this.#sparePlaces.push(place);
  }

  #grow(places: number): void {
    this.#node = grown(this.#node, places);
    this.#keyed = grown(this.#keyed, places);
    this.#wholeHolders = grown(this.#wholeHolders, places);
    this.#partlyHeld = grown(this.#partlyHeld, places);
    this.#evictable = grown(this.#evictable, places);
    const keys = places * this.#keysPerNode;
    this.#block = grown(this.#block, keys);
    this.#holders = grown(this.#holders, keys);
    this.#segmentEnd = grown(this.#segmentEnd, keys);
    this.#next = grown(this.#next, keys);
    this.#previous = grown(this.#previous, keys);
  }
}
