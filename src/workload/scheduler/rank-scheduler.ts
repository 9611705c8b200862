import { draftQueryLen } from '../../config.js';
import { ChunkList } from './chunk-list.js';
import { DecodeLanes } from './decode-lanes.js';
import { rankLoad } from './rank-load.js';
import { RequestBlocks } from './request-blocks.js';
import type { RequestState } from './request-state.js';
import type { SchedulerLimits } from './scheduler-limits.js';
import type { SchedulerStats } from './scheduler-stats.js';
import type { AddedRequest, AppendedBlocks, BatchTotals, RankSchedule } from './step-schedule.js';
import { WaitingQueue } from './waiting-queue.js';

/** The limits of one rank's steps. */
export type RankLimits = Pick<
  SchedulerLimits,
  'maxNumSeqs' | 'maxNumBatchedTokens' | 'blockSize' | 'numBlocks' | 'queryLen'
> &
  Partial<Pick<SchedulerLimits, 'draftSchedule'>>;

/** The totals that the steps of a rank add to. */
export type RankStats = Omit<SchedulerStats, 'rejected' | 'clockMs'>;

/** Options of a scheduler: what it leaves out, and what it knows beforehand. */
export interface RankSchedulerOptions {
  /** Whether schedules say what is removed, added and appended. */
  readonly edits: boolean;
  /** Whether blocks have ids; `edits` needs them. */
  readonly blockIds: boolean;
  /**
   * Tokens that a decode of several will yield: 1 and its accepted drafts, from 1 to `queryLen`. `output` is the index of the
   * first of them. Without it a decode yields 1 unless `setYield` says more.
   */
  readonly yieldOf?: ((request: number, output: number, queryLen: number) => number) | undefined;
}

/**
 * The rules of one rank's steps: what is scheduled, who is preempted, admitted and finished. `schedule` and `complete` alternate,
 * and `arrive`, `cancel`, `setYield` and `stop` say what happens between them. Nothing else matters: no clock, no
 * random number and no other rank.
 *
 * `running` is in order of admission. At most one running request has prefill left, and it is the last: nothing is admitted
 * after a chunk that used up the token budget, and no other chunk leaves a rest. So decodes come first, and the victims of
 * preemption, taken from the end, are never scheduled yet.
 *
 * Decodes of one token are lanes, which advance by a common clock: a step visits those that enter a block or end, its prefills and
 * its arrivals. Decodes with drafts advance by what was accepted, and each is visited.
 */
export class RankScheduler {
  /** Reused by every step. */
  readonly batch: RankSchedule;
  readonly #limits: RankLimits;
  readonly #state: RequestState;
  readonly #stats: RankStats;
  readonly #edits: boolean;
  /** Whether blocks have ids. */
  readonly #hasIds: boolean;
  readonly #yieldOf: RankSchedulerOptions['yieldOf'];
  readonly #blocks: RequestBlocks;
  readonly #lanes: DecodeLanes;
  readonly #chunks: ChunkList;
  readonly #waiting: WaitingQueue;
  readonly #running: number[] = [];
  /** The running request that has prefill left after its last chunk, or -1. */
  #prefilling = -1;
  #admissions = 0;
  /** Requests that ended since the last schedule. */
  readonly #ended: number[] = [];
  /** Requests that are not lanes and end with the open step, before their maximum. */
  readonly #stopped = new Set<number>();
  /** Requests whose decode in the open step is read a step later. */
  readonly #late = new Set<number>();
  readonly #removed: number[] = [];
  readonly #added: AddedRequest[] = [];
  readonly #appended: AppendedBlocks[] = [];
  /** Whether a request was preempted in this step. */
  #preempted = false;

  constructor(limits: RankLimits, state: RequestState, stats: RankStats, options: RankSchedulerOptions) {
    const { edits, blockIds, yieldOf } = options;
    this.#limits = limits;
    this.#state = state;
    this.#stats = stats;
    this.#edits = edits;
    this.#hasIds = edits || blockIds;
    this.#yieldOf = yieldOf;
    this.#blocks = new RequestBlocks(state, limits.numBlocks, this.#hasIds);
    this.#lanes = new DecodeLanes(state);
    this.#chunks = new ChunkList(this.#lanes, this.#running);
    this.#waiting = new WaitingQueue(state);
    const chunks = this.#chunks;
    this.batch = {
      removed: this.#removed,
      added: this.#added,
      appended: this.#appended,
      get scheduled() {
        return chunks.all();
      },
    };
  }

  /** What the open step's chunks add up to. */
  get totals(): BatchTotals {
    return this.#chunks;
  }

  get load(): number {
    return rankLoad(this.#waiting.length, this.#running.length);
  }

  /** Requests that run, in order of admission. */
  get running(): readonly number[] {
    return this.#running;
  }

  /** Requests that wait, the next to be admitted first. */
  get waiting(): Iterable<number> {
    return this.#waiting;
  }

  get freeBlocks(): number {
    return this.#blocks.freeBlocks;
  }

  /** The KV blocks of a running request, in order of position; none of others. */
  blocksOf(request: number): readonly number[] {
    return this.#blocks.last(request);
  }

  // What happens between steps.

  /** An arrived request goes to the end of the waiting queue. */
  arrive(request: number): void {
    this.#waiting.pushLast(request);
  }

  /** A request ends wherever it is, and loses its blocks; false where it neither waits nor runs. Not while a step is open. */
  cancel(request: number): boolean {
    if (this.#waiting.remove(request)) return true;
    if (!this.#isRunning(request)) return false;
    this.#end(request);
    this.#dropEnded();
    return true;
  }

  /** Requests that ended with the step that was completed last, or were cancelled since. */
  get ended(): readonly number[] {
    return this.#ended;
  }

  /** Whether the open step's chunk of a request may yield so many tokens: it is a decode of at least as many. */
  canYield(request: number, tokens: number): boolean {
    const chunk = this.#chunks.find(request);
    const most =
      chunk === undefined ? Number(this.#isOpenLane(request)) : chunk.phase === 'decode' ? chunk.queryLen : 0;
    return Number.isInteger(tokens) && tokens >= 1 && tokens <= most;
  }

  /** Tokens of the open step's chunk of a request that is no lane; 0 where it has none. */
  queryLenOf(request: number): number {
    return this.#chunks.find(request)?.queryLen ?? 0;
  }

  /** The open step's decode of a request yields so many tokens, which `canYield` allows. */
  setYield(request: number, tokens: number): void {
    const chunk = this.#chunks.find(request);
    if (chunk !== undefined) chunk.advance = tokens;
  }

  /** How much the open step's decode of a request yields beyond one token is said after the next step is scheduled, by `read`. */
  readLater(request: number): void {
    this.#late.add(request);
  }

  /**
   * The decode of a request that was read late, of the step before the open one, yielded so many tokens beyond its first. Returns whether
   * they were its last: it ends with the open step, or is not waiting any more.
   */
  read(request: number, more: number): boolean {
    const { computed, generated, maxTokens, unread } = this.#state;
    const isRunning = this.#isRunning(request);
    if (isRunning) computed[request] += more;
    unread[request] = 0;
    generated[request] += more;
    this.#stats.generatedTokens += more;
    if (generated[request] < maxTokens[request]) return false;
    if (isRunning) this.#end(request);
    else if (this.#waiting.remove(request)) this.#stats.finished++;
    return true;
  }

  /** Whether the open step samples a token for a request. */
  samples(request: number): boolean {
    return this.#chunks.find(request)?.lastChunk ?? this.#isOpenLane(request);
  }

  /** The token that the open step samples for a request is its last; `samples` is true for the request. */
  stop(request: number): void {
    if (this.#isOpenLane(request)) this.#lanes.endNext(request);
    else this.#stopped.add(request);
  }

  // A step.

  /** The next step; an idle one holds no more than the rows of the requests that ended. */
  schedule(idle = false): RankSchedule {
    this.#chunks.begin();
    if (this.#edits) {
      this.#removed.length = 0;
      this.#added.length = 0;
      this.#appended.length = 0;
      for (const request of this.#ended) this.#removed.push(request);
    }
    if (this.#ended.length > 0) this.#ended.length = 0;
    this.#preempted = false;
    if (idle) return this.batch;
    if (this.#limits.queryLen === 1) this.#scheduleLanes();
    else this.#scheduleDrafts();
    this.#schedulePrefill();
    if (!this.#preempted) this.#admit();
    return this.batch;
  }

  /** The open step has run: advances what was scheduled, and frees what has ended. */
  complete(): void {
    this.#completeLanes();
    for (let index = 0; index < this.#chunks.pushedCount; index++) {
      const { request, phase, queryLen, advance, lastChunk } = this.#chunks.pushed(index);
      if (phase === 'decode') this.#completeDecode(request, advance, queryLen);
      else this.#completePrefill(request, queryLen, lastChunk);
    }
    if (this.#late.size > 0) this.#late.clear();
    if (this.#ended.length === 0) return;
    this.#stats.finished += this.#ended.length;
    if (this.#stopped.size > 0) this.#stopped.clear();
    this.#dropEnded();
  }

  // Skipping ahead.

  /**
   * Steps, the open one included, in which the batch stays the same unless something happens between them: only decodes of one
   * token, all of them, and the first in the queue waiting for something that does not change. 1 if the next step may differ.
   *
   * What the first in the queue lacks in blocks it lacks in all these steps: decodes take free blocks, and where they evict ends of the prefix
   * that it would share, there is as much less to share as there are fewer blocks to evict.
   */
  get steadySteps(): number {
    if (this.#running.length === 0) return this.#waiting.length === 0 ? Infinity : 1;
    const lanes = this.#lanes;
    if (this.#preempted || this.#chunks.pushedCount > 0 || this.#chunks.lanes < this.#running.length) return 1;
    return 1 + lanes.stepsWithin(this.#blocks.freeBlocks, lanes.untilEnd - 1);
  }

  /** Completes the open step and opens the one after it, `steps` times, less than `steadySteps` in all. It does not report the blocks. */
  skip(steps: number): void {
    const lanes = this.#lanes;
    this.#stats.generatedTokens += steps * lanes.count;
    if (this.#hasIds) {
      for (let step = 0; step < steps; step++) {
        lanes.advance(1);
        const due = lanes.findDue();
        for (let i = 0; i < due; i++) this.#blocks.append(lanes.due[i], 1);
      }
    } else {
      this.#blocks.take(lanes.dueWithin(steps));
      lanes.advance(steps);
    }
    lanes.cover();
  }

  // The rules.

  /**
   * One token of each lane; those that enter a block receive it. The budget lasts for all of them: each was admitted with at least one
   * token of a step that had one for every lane.
   */
  #scheduleLanes(): void {
    const lanes = this.#lanes;
    const due = lanes.dueIn(0);
    // Which of them receives its block first matters for ids, and where a request has to give up its own.
    if (this.#hasIds || due > this.#blocks.freeBlocks) this.#coverDue();
    else this.#blocks.take(due);
    lanes.cover();
    this.#chunks.pushLanes();
  }

  #coverDue(): void {
    const lanes = this.#lanes;
    const due = lanes.findDue();
    for (let i = 0; i < due; i++) {
      const request = lanes.due[i];
      if (!lanes.has(request) || !this.#makeRoom(request, 1)) break;
      this.#blocks.append(request, 1);
      if (this.#edits) this.#appended.push({ request, blockIds: this.#blocks.last(request, 1) });
    }
  }

  /**
   * Schedules for each decode the confirmed token and its drafts, up to the budget and the tokens that it may generate. Drafts that are not read
   * yet may be accepted: they count as generated, and take blocks. A request that they may end waits until they are read.
   */
  #scheduleDrafts(): void {
    const { computed, generated, maxTokens, unread, queryLen: own } = this.#state;
    const { maxNumBatchedTokens, queryLen: most, draftSchedule = null } = this.#limits;
    const running = this.#running;
    const decoding = running.length - (this.#prefilling < 0 ? 0 : 1);
    const longest = draftSchedule === null ? most : Math.min(most, draftQueryLen(draftSchedule, decoding));
    const chunks = this.#chunks;
    for (let i = 0; i < running.length && chunks.tokens < maxNumBatchedTokens; i++) {
      const request = running[i];
      if (request === this.#prefilling) break;
      const left = Math.min(longest, own[request], maxTokens[request] - generated[request] - unread[request]);
      if (left <= 0) continue;
      const queryLen = Math.min(left, maxNumBatchedTokens - chunks.tokens);
      if (!this.#grow(request, computed[request] + unread[request] + queryLen)) break;
      const tokens = this.#yieldOf?.(request, generated[request], queryLen) ?? 1;
      chunks.push(request, 'decode', computed[request], queryLen, true, tokens);
    }
  }

  /** The next chunk of the prefill that was begun in an earlier step. */
  #schedulePrefill(): void {
    const request = this.#prefilling;
    const budget = this.#limits.maxNumBatchedTokens - this.#chunks.tokens;
    if (request < 0 || budget === 0) return;
    const { computed, prefillTokens } = this.#state;
    const queryLen = Math.min(prefillTokens[request] - computed[request], budget);
    if (this.#grow(request, computed[request] + queryLen)) this.#pushPrefill(request, queryLen);
  }

  /** Admits requests in order of arrival, while there is budget, a free place, and blocks for the first chunk. */
  #admit(): void {
    const { computed, generated, prefillTokens, admission, promptTokens } = this.#state;
    const { maxNumBatchedTokens, maxNumSeqs, blockSize } = this.#limits;
    const blocks = this.#blocks;
    const chunks = this.#chunks;
    while (this.#waiting.length > 0 && chunks.tokens < maxNumBatchedTokens && this.#running.length < maxNumSeqs) {
      const request = this.#waiting.first;
      const shared = blocks.findPrefix(request);
      const start = shared * blockSize;
      const prefill = promptTokens[request] + generated[request];
      const queryLen = Math.min(prefill - start, maxNumBatchedTokens - chunks.tokens);
      const needed = Math.ceil(queryLen / blockSize);
      if (needed > blocks.freeBlocks - blocks.evictable) return;
      this.#waiting.dropFirst();
      blocks.share(request, shared);
      blocks.append(request, needed);
      computed[request] = start;
      prefillTokens[request] = prefill;
      admission[request] = this.#admissions++;
      this.#stats.reusedTokens += start;
      this.#running.push(request);
      if (this.#edits) this.#added.push({ request, numComputedTokens: start, blockIds: blocks.last(request) });
      this.#pushPrefill(request, queryLen);
    }
  }

  #pushPrefill(request: number, queryLen: number): void {
    const { computed, prefillTokens } = this.#state;
    const start = computed[request];
    const end = start + queryLen;
    this.#chunks.push(request, 'prefill', start, queryLen, end === prefillTokens[request], queryLen);
    this.#blocks.key(request, start, end);
  }

  /** Gives a running request the blocks up to position `end`; false if it was preempted for lack of them. */
  #grow(request: number, end: number): boolean {
    const covered = this.#state.covered[request];
    if (end <= covered) return true;
    const needed = Math.ceil((end - covered) / this.#limits.blockSize);
    if (!this.#makeRoom(request, needed)) return false;
    this.#blocks.append(request, needed);
    if (this.#edits) this.#appended.push({ request, blockIds: this.#blocks.last(request, needed) });
    return true;
  }

  /** Preempts requests, the one admitted last first, until so many blocks are free; false if `request` itself was preempted. */
  #makeRoom(request: number, needed: number): boolean {
    while (needed > this.#blocks.freeBlocks) {
      const victim = this.#running[this.#running.length - 1];
      this.#preempt(victim);
      if (victim === request) return false;
    }
    return true;
  }

  /** The request admitted last gives up its blocks and waits at the front; it will be prefilled anew. */
  #preempt(request: number): void {
    this.#running.pop();
    this.#retire(request);
    this.#state.computed[request] = 0;
    this.#waiting.pushFirst(request);
    if (this.#edits) this.#removed.push(request);
    this.#stats.preemptions++;
    this.#preempted = true;
  }

  #completeLanes(): void {
    const lanes = this.#lanes;
    const scheduled = this.#chunks.lanes;
    lanes.advance(1);
    this.#stats.generatedTokens += scheduled;
    for (let request = lanes.ended; request >= 0; request = lanes.ended) this.#end(request);
  }

  #completeDecode(request: number, tokens: number, queryLen: number): void {
    const { computed, generated, maxTokens, unread } = this.#state;
    unread[request] = this.#late.has(request) ? queryLen - tokens : 0;
    computed[request] += tokens;
    generated[request] += tokens;
    this.#stats.generatedTokens += tokens;
    if (generated[request] >= maxTokens[request] || this.#stopped.has(request)) this.#end(request);
  }

  #completePrefill(request: number, queryLen: number, lastChunk: boolean): void {
    const { computed, generated, maxTokens } = this.#state;
    computed[request] += queryLen;
    this.#stats.promptTokens += queryLen;
    this.#prefilling = lastChunk ? -1 : request;
    if (!lastChunk) return;
    const sampled = Math.min(1, maxTokens[request]);
    generated[request] += sampled;
    this.#stats.generatedTokens += sampled;
    if (generated[request] >= maxTokens[request] || this.#stopped.has(request)) this.#end(request);
    else if (this.#limits.queryLen === 1) this.#lanes.join(request);
  }

  /** Resets a request, except for its place in `running`. */
  #end(request: number): void {
    this.#retire(request);
    this.#ended.push(request);
  }

  #retire(request: number): void {
    if (this.#lanes.has(request)) this.#lanes.leave(request);
    if (this.#prefilling === request) this.#prefilling = -1;
    this.#state.unread[request] = 0;
    this.#blocks.free(request);
  }

  /** Takes the requests that ended out of `running`, which is in order of admission. */
  #dropEnded(): void {
    const { admission } = this.#state;
    const running = this.#running;
    for (let i = 0; i < this.#ended.length; i++) {
      const request = this.#ended[i];
      let at = 0;
      for (let end = running.length; at < end; ) {
        const middle = (at + end) >> 1;
        if (admission[running[middle]] < admission[request]) at = middle + 1;
        else end = middle;
      }
      if (running[at] === request) running.splice(at, 1);
    }
  }

  /** Only a request that runs has blocks. */
  #isRunning(request: number): boolean {
    return this.#state.covered[request] > 0;
  }

  #isOpenLane(request: number): boolean {
    if (!this.#isRunning(request) || !this.#lanes.has(request)) return false;
    const last = this.#running[this.#chunks.lanes - 1];
    return this.#chunks.lanes > 0 && this.#state.admission[request] <= this.#state.admission[last];
  }
}
