import { grown } from './grown.js';
import type { RequestState } from './request-state.js';

/** Most lists of lanes by the step in which they enter a block. */
const MOST_LISTS = 4096;
const FIRST_LANES = 256;

/**
 * The requests of one rank that decode one token a step. Between two events only the lengths of lanes change, and all
 * by the same amount: a clock counts the steps, and a step visits only the lanes that end, and where blocks have ids or are short
 * those that enter a block.
 *
 * A lane's position is its start plus the clock, and its blocks cover no more than its position needs. So it enters a block each
 * `blockSize` steps, and stays in the list of the lanes that do so with it. Which lanes end is found in a heap.
 */
export class DecodeLanes {
  readonly #state: RequestState;
  readonly #blockSize: number;
  /** Steps in which the lanes advanced, and the same modulo the size of a block. */
  #clock = 0;
  #phase = 0;
  /** Whether the lanes that enter a block in the open step have it. */
  #areCovered = false;
  #count = 0;
  /** Sum of the starts. */
  #starts = 0;
  /** The largest start, where it is known. */
  #largestStart = -Infinity;
  #largestKnown = true;
  /** A heap of lanes: the one that ends first, and of those the one admitted first, is its first. */
  #heap: Int32Array = new Int32Array(FIRST_LANES);
  /** First lane of each list, or -1. A lane that enters a block in a phase is in the list of that phase, modulo their number. */
  readonly #lists: Int32Array;
  /** Lanes of each list. */
  readonly #sizes: Int32Array;
  /** The lanes that `findDue` found; the rest of the array is unused. */
  readonly due: number[] = [];

  constructor(state: RequestState) {
    this.#state = state;
    this.#blockSize = state.blockSize;
    const lists = Math.min(MOST_LISTS, state.blockSize);
    this.#lists = new Int32Array(lists).fill(-1);
    this.#sizes = new Int32Array(lists);
  }

  get count(): number {
    return this.#count;
  }

  has(request: number): boolean {
    return this.#state.laneAt[request] >= 0;
  }

  /** Computed tokens of a lane. */
  position(request: number): number {
    return this.#state.laneStart[request] + this.#clock;
  }

  /** Sum of the computed tokens of all lanes. */
  get positions(): number {
    return this.#starts + this.#count * this.#clock;
  }

  /** The most computed tokens of any lane; undefined without lanes. */
  get longest(): number {
    if (!this.#largestKnown) {
      this.#largestStart = -Infinity;
      for (let at = 0; at < this.#count; at++) {
        this.#largestStart = Math.max(this.#largestStart, this.#state.laneStart[this.#heap[at]]);
      }
      this.#largestKnown = true;
    }
    return this.#largestStart + this.#clock;
  }

  /** Steps until the first lane ends; Infinity without any. */
  get untilEnd(): number {
    return this.#count === 0 ? Infinity : this.#state.laneEnd[this.#heap[0]] - this.#clock;
  }

  /** A request that is computed but for its last token, and has tokens left to generate. */
  join(request: number): void {
    const { computed, generated, maxTokens, laneStart, laneEnd } = this.#state;
    const start = computed[request] - this.#clock;
    laneStart[request] = start;
    laneEnd[request] = this.#clock + maxTokens[request] - generated[request];
    this.#starts += start;
    this.#largestStart = Math.max(this.#largestStart, start);
    if (this.#count === this.#heap.length) this.#heap = grown(this.#heap, this.#count + 1);
    this.#rise(this.#count++, request);
    this.#enlist(request);
  }

  /** Removes a request from the lanes; its computed, generated and covered tokens are written to the state. */
  leave(request: number): void {
    const { computed, covered, generated, maxTokens, laneStart, laneEnd, laneAt } = this.#state;
    this.#unlist(request);
    const at = laneAt[request];
    const last = this.#heap[--this.#count];
    laneAt[request] = -1;
    if (last !== request) this.#place(at, last);
    const start = laneStart[request];
    this.#starts -= start;
    if (start === this.#largestStart) this.#largestKnown = false;
    if (this.#count === 0) {
      this.#largestStart = -Infinity;
      this.#largestKnown = true;
    }
    const position = start + this.#clock;
    computed[request] = position;
    covered[request] = Math.ceil((position + (this.#areCovered ? 1 : 0)) / this.#blockSize) * this.#blockSize;
    generated[request] = maxTokens[request] - (laneEnd[request] - this.#clock);
  }

  /** How many lanes enter a block `further` steps after the open one. */
  dueIn(further: number): number {
    const list = ((this.#phase + further) % this.#blockSize) % this.#lists.length;
    if (this.#blockSize <= MOST_LISTS) return this.#sizes[list];
    let count = 0;
    for (let lane = this.#lists[list]; lane >= 0; lane = this.#state.next[lane]) {
      if ((this.position(lane) + further) % this.#blockSize === 0) count++;
    }
    return count;
  }

  /** Finds the lanes that enter a block in the open step, in order of admission: the first of `due`. Returns how many. */
  findDue(): number {
    const { next, admission } = this.#state;
    const due = this.due;
    let count = 0;
    for (let lane = this.#lists[this.#phase % this.#lists.length]; lane >= 0; lane = next[lane]) {
      if (this.position(lane) % this.#blockSize > 0) continue;
      let at = count++;
      for (; at > 0 && admission[due[at - 1]] > admission[lane]; at--) due[at] = due[at - 1];
      due[at] = lane;
    }
    return count;
  }

  /** The lanes that enter a block in the open step have it. */
  cover(): void {
    this.#areCovered = true;
  }

  /** Advances all lanes by as many tokens. */
  advance(steps: number): void {
    this.#clock += steps;
    this.#phase = (this.#phase + steps) % this.#blockSize;
    this.#areCovered = false;
  }

  /** Whether a lane ends with the next `advance`. */
  endNext(request: number): void {
    const { laneEnd, laneAt, maxTokens } = this.#state;
    maxTokens[request] -= laneEnd[request] - (this.#clock + 1);
    laneEnd[request] = this.#clock + 1;
    this.#rise(laneAt[request], request);
  }

  /** The first lane that has all its tokens, in order of admission; -1 where none has. */
  get ended(): number {
    return this.#count > 0 && this.#state.laneEnd[this.#heap[0]] <= this.#clock ? this.#heap[0] : -1;
  }

  /** How many blocks the lanes enter in the `steps` steps after the open one: each lane one in `blockSize` steps, whichever these are. */
  dueWithin(steps: number): number {
    const rest = steps % this.#blockSize;
    let needed = ((steps - rest) / this.#blockSize) * this.#count;
    for (let further = 1; further <= rest; further++) needed += this.dueIn(further);
    return needed;
  }

  /**
   * How many of the `most` steps after the open one, in their order, find blocks for their lanes in `free` ones. These are so many times
   * `blockSize` steps as every lane finds a block each time, and fewer than `blockSize` more.
   */
  stepsWithin(free: number, most: number): number {
    const rounds = Math.floor(free / this.#count);
    const steps = Math.min(rounds * this.#blockSize, most);
    let left = free - rounds * this.#count;
    for (let further = 1; steps + further <= most; further++) {
      left -= this.dueIn(further);
      if (left < 0) return steps + further - 1;
    }
    return most;
  }

  /** The list of a lane: it enters a block when its position reaches the end of one. */
  #listOf(request: number): number {
    const steps = this.#blockSize - (this.position(request) % this.#blockSize);
    return ((this.#phase + steps) % this.#blockSize) % this.#lists.length;
  }

  #enlist(request: number): void {
    const { next, previous } = this.#state;
    const list = this.#listOf(request);
    const first = this.#lists[list];
    next[request] = first;
    previous[request] = -1;
    if (first >= 0) previous[first] = request;
    this.#lists[list] = request;
    this.#sizes[list]++;
  }

  #unlist(request: number): void {
    const { next, previous } = this.#state;
    const list = this.#listOf(request);
    const after = next[request];
    const before = previous[request];
    if (before >= 0) next[before] = after;
    else this.#lists[list] = after;
    if (after >= 0) previous[after] = before;
    this.#sizes[list]--;
  }

  #before(a: number, b: number): boolean {
    const { laneEnd, admission } = this.#state;
    return laneEnd[a] < laneEnd[b] || (laneEnd[a] === laneEnd[b] && admission[a] < admission[b]);
  }

  /** Moves a lane from a place of the heap to where it belongs. */
  #place(at: number, request: number): void {
    this.#rise(at, request);
    this.#sink(this.#state.laneAt[request], request);
  }

  #rise(from: number, request: number): void {
    const { laneAt } = this.#state;
    const heap = this.#heap;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(request, heap[parent])) break;
      heap[at] = heap[parent];
      laneAt[heap[at]] = at;
      at = parent;
    }
    heap[at] = request;
    laneAt[request] = at;
  }

  #sink(from: number, request: number): void {
    const { laneAt } = this.#state;
    const heap = this.#heap;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#count) break;
      if (child + 1 < this.#count && this.#before(heap[child + 1], heap[child])) child++;
      if (!this.#before(heap[child], request)) break;
      heap[at] = heap[child];
      laneAt[heap[at]] = at;
      at = child;
    }
    heap[at] = request;
    laneAt[request] = at;
  }
}
