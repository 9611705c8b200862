import { grown } from './grown.js';
import type { RequestState } from './request-state.js';

/** Words of a place. */
const PLACE = 4;
/** Keys that have a block: the node's first ones. */
const KEYED = 0;
/** Requests that hold every key of the node; then all of them have a block. */
const WHOLE_HOLDERS = 1;
/** The last request, plus 1, that came to hold only the first keys of the node; 0 without any. They are a list. */
const PART_HOLDERS = 2;
/** The segment with the node's first evictable key; 0 without any. */
const FIRST_SEGMENT = 3;

/** Words of a segment. */
const SEGMENT = 8;
const PLACE_OF = 0;
/** Its first key, and the key after its last one. */
const START = 1;
const END = 2;
/** The segment whose keys follow in the node, as long as they have blocks. */
const DEEPER = 3;
/** The segments released after and before it. */
const NEXT = 4;
const PREVIOUS = 5;

/**
 * KV blocks, found by their contents. A key is a node, a number that stands for a chain of leading hash ids, and the
 * index of a block within the node's tokens. A keyed block is held by requests, or evictable: it keeps its content until
 * a block is needed, no other is free, and it is the least recently released one.
 *
 * A request holds keys of a node from the first one on, and releases those of its deepest node first. So the keys with a block are the
 * node's first ones, and its evictable ones the last of these, those released earliest at the end. They are listed by segments: neighbouring
 * keys of one node that were released together, of which the last is evicted first.
 */
export class PrefixCache {
  readonly #state: RequestState;
  readonly #keepsIds: boolean;
  /**
   * The place of each node with a key, by its level in the prefix, where nodes may be any integer; elsewhere a node's place is its own
   * number. Whatever integers a caller gives, those of different levels are different nodes: so a node always has as many keys, and a
   * request holds each of its nodes once.
   */
  readonly #placesOf: Map<number, number>[] | null;
  readonly #sparePlaces: number[] = [];
  /** Places from here on were never used. No node has place 0. */
  #freshPlace = 1;
  /** Words of each place, side by side. */
  #places: Int32Array;
  /** The node at each place and its level, where places are found by them. */
  #nodes: Float64Array = new Float64Array(1);
  #levels: Int32Array = new Int32Array(1);
  /** Block of each keyed one of a place's keys, and room for more, where ids are kept. */
  readonly #blocks: Int32Array[] = [];

  /** Words of each segment, side by side. Segment 0 is the head of their list. */
  #segments: Int32Array = new Int32Array(64 * SEGMENT);
  /** The first of the segments that are not in use, linked by NEXT; 0 without any. */
  #spareSegment = 0;
  #freshSegment = 1;

  /** Evictable blocks in all. */
  evictable = 0;

  constructor(state: RequestState, keepIds: boolean) {
    this.#state = state;
    this.#keepsIds = keepIds;
    this.#placesOf = state.nodes === null ? [] : null;
    this.#places = new Int32Array(PLACE * ((state.nodes ?? 0) + 1));
  }

  /** Keyed blocks at the beginning of a node, at most `most`. */
  leading(node: number, level: number, most: number): number {
    return Math.min(most, this.#places[PLACE * this.#place(node, level) + KEYED]);
  }

  /** How many of the first `count` keys of a node are evictable; all of them are keyed. */
  evictableOf(node: number, level: number, count: number): number {
    const place = this.#place(node, level);
    if (this.#places[PLACE * place + WHOLE_HOLDERS] > 0) return 0;
    return Math.max(0, count - this.#partlyHeld(place));
  }

  /** Makes a request a holder of the first `count` keyed blocks of a node of `size`; their ids are written to `ids` from `at` on. */
  share(request: number, node: number, level: number, count: number, size: number, ids: Int32Array, at: number): void {
    const place = this.#place(node, level);
    if (this.#keepsIds) {
      const blocks = this.#blocks[place];
      for (let key = 0; key < count; key++) ids[at + key] = blocks[key];
    }
    this.#unlist(place, count);
    this.#hold(request, place, count, size);
  }

  /**
   * Makes blocks of a request findable: its blocks from `at` on, of the node's keys from `index` to below `count`, where the request holds those before.
   * Returns false, and does nothing, where another block has the first of these keys.
   */
  register(
    request: number,
    node: number,
    level: number,
    index: number,
    count: number,
    size: number,
    ids: Int32Array,
    at: number,
  ): boolean {
    const place = this.#place(node, level) || this.#newPlace(node, level);
    if (this.#places[PLACE * place + KEYED] !== index) return false;
    this.#places[PLACE * place + KEYED] = count;
    if (this.#keepsIds) {
      const blocks = this.#room(place, index, Math.min(size, this.#state.keyableBlocks[request] + index - at));
      for (let key = index; key < count; key++) blocks[key] = ids[at + key - index];
    }
    if (index > 0) this.#drop(request, place);
    this.#hold(request, place, count, size);
    return true;
  }

  /** Ends that a request holds the first `count` keys of a node. */
  release(request: number, node: number, level: number, count: number, size: number): void {
    const place = this.#place(node, level);
    if (count === size) this.#places[PLACE * place + WHOLE_HOLDERS]--;
    else this.#drop(request, place);
    if (this.#places[PLACE * place + WHOLE_HOLDERS] > 0) return;
    const held = this.#partlyHeld(place);
    if (held < count) this.#list(place, held, count);
  }

  /** Takes `count` blocks from the evictable ones, those released first; they are to be the blocks of a request from `at` on. */
  evict(count: number, ids: Int32Array, at: number): void {
    const segments = this.#segments;
    this.evictable -= count;
    for (let taken = 0; taken < count; ) {
      const segment = segments[NEXT];
      const place = segments[SEGMENT * segment + PLACE_OF];
      const start = segments[SEGMENT * segment + START];
      const end = segments[SEGMENT * segment + END];
      const some = Math.min(count - taken, end - start);
      if (this.#keepsIds) {
        const blocks = this.#blocks[place];
        for (let i = 0; i < some; i++) ids[at + taken + i] = blocks[end - 1 - i];
      }
      segments[SEGMENT * segment + END] = end - some;
      this.#places[PLACE * place + KEYED] = end - some;
      if (some === end - start) {
        this.#unlink(segment);
        if (this.#places[PLACE * place + FIRST_SEGMENT] === segment) this.#places[PLACE * place + FIRST_SEGMENT] = 0;
      }
      if (some === end) this.#dropPlace(place);
      taken += some;
    }
  }

  /**
   * The blocks of a place, with room for `count` of them; the first `keyed` stay. A node can have far more keys than any prompt has blocks of it,
   * so the room is that of the prompts which come.
   */
  #room(place: number, keyed: number, count: number): Int32Array {
    const blocks = this.#blocks[place];
    if (blocks !== undefined && blocks.length >= count) return blocks;
    const room = new Int32Array(count);
    if (keyed > 0) room.set(blocks.subarray(0, keyed));
    this.#blocks[place] = room;
    return room;
  }

  /** The most keys of a node that one of those requests holds that do not hold it whole. */
  #partlyHeld(place: number): number {
    const { keysHeld, nextHolder } = this.#state;
    let most = 0;
    for (let holder = this.#places[PLACE * place + PART_HOLDERS]; holder > 0; holder = nextHolder[holder - 1]) {
      most = Math.max(most, keysHeld[holder - 1]);
    }
    return most;
  }

  #hold(request: number, place: number, count: number, size: number): void {
    if (count === size) {
      this.#places[PLACE * place + WHOLE_HOLDERS]++;
      return;
    }
    const { keysHeld, nextHolder } = this.#state;
    keysHeld[request] = count;
    nextHolder[request] = this.#places[PLACE * place + PART_HOLDERS];
    this.#places[PLACE * place + PART_HOLDERS] = request + 1;
  }

  /** A request that holds a part of a node does not any more. */
  #drop(request: number, place: number): void {
    const { nextHolder } = this.#state;
    let before = this.#places[PLACE * place + PART_HOLDERS];
    if (before === request + 1) {
      this.#places[PLACE * place + PART_HOLDERS] = nextHolder[request];
      return;
    }
    while (nextHolder[before - 1] !== request + 1) before = nextHolder[before - 1];
    nextHolder[before - 1] = nextHolder[request];
  }

  /** Puts keys from `start` to below `end` at the end of the list. */
  #list(place: number, start: number, end: number): void {
    const segment = this.#newSegment();
    const segments = this.#segments;
    const last = segments[PREVIOUS];
    segments[SEGMENT * segment + PLACE_OF] = place;
    segments[SEGMENT * segment + START] = start;
    segments[SEGMENT * segment + END] = end;
    segments[SEGMENT * segment + DEEPER] = this.#places[PLACE * place + FIRST_SEGMENT];
    segments[SEGMENT * segment + NEXT] = 0;
    segments[SEGMENT * segment + PREVIOUS] = last;
    segments[SEGMENT * last + NEXT] = segment;
    segments[PREVIOUS] = segment;
    this.#places[PLACE * place + FIRST_SEGMENT] = segment;
    this.evictable += end - start;
  }

  /** Takes the evictable keys below `end` off the list. */
  #unlist(place: number, end: number): void {
    const segments = this.#segments;
    let segment = this.#places[PLACE * place + FIRST_SEGMENT];
    while (segment !== 0 && segments[SEGMENT * segment + START] < end) {
      const start = segments[SEGMENT * segment + START];
      const segmentEnd = segments[SEGMENT * segment + END];
      this.evictable -= Math.min(segmentEnd, end) - start;
      if (segmentEnd > end) {
        segments[SEGMENT * segment + START] = end;
        break;
      }
      this.#unlink(segment);
      const isLast = segmentEnd === this.#places[PLACE * place + KEYED];
      segment = isLast ? 0 : segments[SEGMENT * segment + DEEPER];
    }
    this.#places[PLACE * place + FIRST_SEGMENT] = segment;
  }

  #newSegment(): number {
    const spare = this.#spareSegment;
    if (spare !== 0) {
      this.#spareSegment = this.#segments[SEGMENT * spare + NEXT];
      return spare;
    }
    const segment = this.#freshSegment++;
    if (SEGMENT * segment === this.#segments.length) this.#segments = grown(this.#segments, SEGMENT * (segment + 1));
    return segment;
  }

  /** Takes a segment off the list. */
  #unlink(segment: number): void {
    const segments = this.#segments;
    const previous = segments[SEGMENT * segment + PREVIOUS];
    const next = segments[SEGMENT * segment + NEXT];
    segments[SEGMENT * previous + NEXT] = next;
    segments[SEGMENT * next + PREVIOUS] = previous;
    segments[SEGMENT * segment + NEXT] = this.#spareSegment;
    this.#spareSegment = segment;
  }

  #place(node: number, level: number): number {
    return this.#placesOf === null ? node : (this.#placesOf[level]?.get(node) ?? 0);
  }

  #newPlace(node: number, level: number): number {
    const place = this.#sparePlaces.pop() ?? this.#freshPlace++;
    if (place >= this.#nodes.length) {
      this.#nodes = grown(this.#nodes, 2 * place);
      this.#levels = grown(this.#levels, 2 * place);
      this.#places = grown(this.#places, PLACE * 2 * place);
    }
    this.#nodes[place] = node;
    this.#levels[place] = level;
    const places = this.#placesOf as Map<number, number>[];
    while (places.length <= level) places.push(new Map());
    places[level].set(node, place);
    return place;
  }

  /** The node at a place has no key any more. */
  #dropPlace(place: number): void {
    if (this.#placesOf === null) return;
    this.#placesOf[this.#levels[place]].delete(this.#nodes[place]);
    this.#sparePlaces.push(place);
  }
}
