import { grown } from './grown.js';
import type { RequestState } from './request-state.js';

/** Lists by the step in which lanes need a block: a power of two, and more than the usual block has tokens. */
const LISTS = 64;
const FIRST_LANES = 256;

/**
 * The requests of one rank that decode one token a step. Between two events only the lengths of lanes change, and all
 * by the same amount: a clock counts the steps, and a step visits only the lanes that enter a block or end.
 *
 * A lane's position is its start plus the clock. Which lanes need a block is found in a list for each of the next steps, which
 * lanes end in a heap.
 */
export class DecodeLanes {
  readonly #state: RequestState;
  /** Steps in which the lanes advanced. */
  #clock = 0;
  #count = 0;
  /** Sum of the starts. */
  #starts = 0;
  /** The largest start, where it is known. */
  #largestStart = -Infinity;
  #largestKnown = true;
  /** A heap of lanes: the one that ends first, and of those the one admitted first, is its first. */
  #heap: Int32Array = new Int32Array(FIRST_LANES);
  /** First lane of each list, or -1. A lane that needs a block when the clock reads t is in list t modulo their number. */
  readonly #lists: Int32Array = new Int32Array(LISTS).fill(-1);
  /** The lanes that `findDue` found; the rest of the array is unused. */
  readonly due: number[] = [];

  constructor(state: RequestState) {
    this.#state = state;
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

  /** Removes a request from the lanes; its computed and generated tokens are written to the state. */
  leave(request: number): void {
    const { computed, generated, maxTokens, laneStart, laneEnd, laneAt } = this.#state;
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
    computed[request] = start + this.#clock;
    generated[request] = maxTokens[request] - (laneEnd[request] - this.#clock);
  }

  /** Finds the lanes whose next token begins a block that they lack, in order of admission: the first of `due`. Returns how many. */
  findDue(): number {
    const { next, covered, admission, laneStart } = this.#state;
    const due = this.due;
    let count = 0;
    for (let lane = this.#lists[this.#clock & (LISTS - 1)]; lane >= 0; lane = next[lane]) {
      if (laneStart[lane] + this.#clock < covered[lane]) continue;
      let at = count++;
      for (; at > 0 && admission[due[at - 1]] > admission[lane]; at--) due[at] = due[at - 1];
      due[at] = lane;
    }
    return count;
  }

  /** A lane that was due has its block. `from` is what its blocks covered before. */
  covered(request: number, from: number): void {
    this.#unlistFrom(request, from);
    this.#enlist(request);
  }

  /** Advances all lanes by one token. */
  advance(): void {
    this.#clock++;
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

  /** Blocks that all lanes take in the `further` steps after the open one, whose blocks have been appended. */
  blocksNeeded(further: number): number {
    const { covered, blockSize } = this.#state;
    let needed = 0;
    for (let at = 0; at < this.#count; at++) {
      const room = covered[this.#heap[at]] - this.position(this.#heap[at]) - 1;
      if (further > room) needed += Math.ceil((further - room) / blockSize);
    }
    return needed;
  }

  /** The list of a lane: it needs a block when its position reaches the end of its blocks. */
  #listOf(request: number, covered: number): number {
    return (covered - this.#state.laneStart[request]) & (LISTS - 1);
  }

  #enlist(request: number): void {
    const { next, previous, covered } = this.#state;
    const list = this.#listOf(request, covered[request]);
    const first = this.#lists[list];
    next[request] = first;
    previous[request] = -1;
    if (first >= 0) previous[first] = request;
    this.#lists[list] = request;
  }

  #unlist(request: number): void {
    this.#unlistFrom(request, this.#state.covered[request]);
  }

  #unlistFrom(request: number, covered: number): void {
    const { next, previous } = this.#state;
    const after = next[request];
    const before = previous[request];
    if (before >= 0) next[before] = after;
    else this.#lists[this.#listOf(request, covered)] = after;
    if (after >= 0) previous[after] = before;
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
