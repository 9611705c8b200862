import { BlockPool } from './block-pool.js';
import { hash32 } from './random.js';
import { NO_BLOCKS, type RequestState } from './request-state.js';
import type { SchedulerLimits } from './scheduler-limits.js';
import type { SchedulerStats } from './scheduler-stats.js';
import type { AddedRequest, AppendedBlocks, Chunk, RankSchedule } from './step-schedule.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * One rank's queues and blocks. `running` is in order of admission. At most one running request has prefill left, and
 * it is the last: nothing is admitted after a chunk that used up the token budget, and no other chunk leaves a rest. So
 * going through `running` in order schedules decodes first, and the victims of preemption, taken from the end, are
 * never scheduled yet.
 */
export class RankScheduler {
  /** Reused by every step. */
  readonly schedule: RankSchedule;
  /** Tokens of the step's chunks. */
  tokens = 0;
  /** Sum of the step's sequence lengths, in tokens. */
  kvTokens = 0;
  readonly #limits: SchedulerLimits;
  readonly #state: RequestState;
  readonly #stats: SchedulerStats;
  readonly #pool: BlockPool;
  readonly #running: number[] = [];
  #firstWaiting = -1;
  #lastWaiting = -1;
  #waiting = 0;
  readonly #finished: number[] = [];
  readonly #removed: number[] = [];
  readonly #added: AddedRequest[] = [];
  readonly #appended: AppendedBlocks[] = [];
  readonly #scheduled: Writable<Chunk>[] = [];
  /** Every chunk object ever needed; the first of them are the step's. */
  readonly #chunks: Writable<Chunk>[] = [];

  constructor(limits: SchedulerLimits, state: RequestState, stats: SchedulerStats) {
    this.#limits = limits;
    this.#state = state;
    this.#stats = stats;
    this.#pool = new BlockPool(limits.numBlocks, state.keysPerNode);
    this.schedule = {
      removed: this.#removed,
      added: this.#added,
      appended: this.#appended,
      scheduled: this.#scheduled,
    };
  }

  /** Source: vLLM's data-parallel load balancing. */
  get load(): number {
    return 4 * this.#waiting + this.#running.length;
  }

  /** Puts an arrived request at the end of the waiting queue. */
  enqueue(request: number): void {
    if (this.#waiting++ === 0) this.#firstWaiting = request;
    else this.#state.nextWaiting[this.#lastWaiting] = request;
    this.#lastWaiting = request;
  }

  /** Empties the schedule but for the rows of the requests that finished. */
  begin(): void {
    this.tokens = 0;
    this.kvTokens = 0;
    this.#removed.length = 0;
    this.#added.length = 0;
    this.#appended.length = 0;
    this.#scheduled.length = 0;
    for (const request of this.#finished) this.#removed.push(request);
    this.#finished.length = 0;
  }

  /** Fills the schedule of a step, after `begin`. */
  fill(): void {
    if (this.#scheduleRunning()) this.#admit();
  }

  /** Applies the outcome of the step: advances what was scheduled, frees what finished. */
  complete(): void {
    const { computed, generated, table } = this.#state;
    let finished = 0;
    for (const chunk of this.#scheduled) {
      const { request } = chunk;
      computed[request] = (computed[request] as number) + chunk.advance;
      const output = table.outputTokens[request] as number;
      let sampled = chunk.advance;
      if (chunk.phase === 'prefill') {
        this.#stats.promptTokens += chunk.queryLen;
        if (!chunk.lastChunk) continue;
        sampled = Math.min(1, output);
      }
      this.#stats.generatedTokens += sampled;
      generated[request] = (generated[request] as number) + sampled;
      if ((generated[request] as number) < output) continue;
      this.#freeBlocks(request);
      this.#finished.push(request);
      finished++;
    }
    if (finished > 0) this.#dropFinished();
    this.#stats.finished += finished;
  }

  /** False when a request was preempted. */
  #scheduleRunning(): boolean {
    const { computed, generated, prefillTokens, covered, table } = this.#state;
    const { maxNumBatchedTokens, queryLen: configuredQueryLen, blockSize } = this.#limits;
    const running = this.#running;
    let preempted = false;
    for (let i = 0; i < running.length && this.tokens < maxNumBatchedTokens; i++) {
      const request = running[i] as number;
      const start = computed[request] as number;
      const prefillLeft = (prefillTokens[request] as number) - start;
      // Positions stay below maxModelLen: tokens to generate end there, since longer requests are refused on arrival.
      const wanted =
        prefillLeft > 0
          ? prefillLeft
          : Math.min(configuredQueryLen, (table.outputTokens[request] as number) - (generated[request] as number));
      const queryLen = Math.min(wanted, maxNumBatchedTokens - this.tokens);
      const end = start + queryLen;
      if (end > (covered[request] as number)) {
        const needed = Math.ceil((end - (covered[request] as number)) / blockSize);
        while (needed > this.#pool.freeBlocks && i < running.length) {
          preempted = true;
          this.#preempt();
        }
        if (i >= running.length) break;
        this.#appended.push({ request, blockIds: this.#allocate(request, needed) });
      }
      if (prefillLeft > 0) this.#pushPrefill(request, start, queryLen);
      else this.#pushDecode(request, start, queryLen);
    }
    return !preempted;
  }

  #admit(): void {
    const { computed, generated, prefillTokens, keyedBlocks, covered, nextWaiting, blocks, table } = this.#state;
    const { maxNumBatchedTokens, maxNumSeqs, blockSize } = this.#limits;
    while (this.#waiting > 0 && this.tokens < maxNumBatchedTokens && this.#running.length < maxNumSeqs) {
      const request = this.#firstWaiting;
      const { shared, evictable } = this.#findPrefix(request);
      const start = shared.length * blockSize;
      const prefill = (table.inputTokens[request] as number) + (generated[request] as number);
      const queryLen = Math.min(prefill - start, maxNumBatchedTokens - this.tokens);
      const needed = Math.ceil(queryLen / blockSize);
      if (needed > this.#pool.freeBlocks - evictable) return;
      this.#firstWaiting = nextWaiting[request] as number;
      this.#waiting--;
      for (const block of shared) this.#pool.share(block);
      blocks[request] = shared;
      covered[request] = start;
      computed[request] = start;
      keyedBlocks[request] = shared.length;
      prefillTokens[request] = prefill;
      this.#stats.reusedTokens += start;
      this.#allocate(request, needed);
      this.#running.push(request);
      this.#added.push({ request, numComputedTokens: start, blockIds: shared.slice() });
      this.#pushPrefill(request, start, queryLen);
    }
  }

  /** The blocks of the longest prefix that the cache holds, leaving at least one prompt token to compute. */
  #findPrefix(request: number): { shared: number[]; evictable: number } {
    const { keyableBlocks, table } = this.#state;
    const shared: number[] = [];
    let evictable = 0;
    if (keyableBlocks[request] === 0) return { shared, evictable };
    const most = Math.floor(((table.inputTokens[request] as number) - 1) / this.#limits.blockSize);
    while (shared.length < most) {
      const block = this.#pool.lookup(this.#state.blockKey(request, shared.length));
      if (block === 0) break;
      if (this.#pool.isEvictable(block)) evictable++;
      shared.push(block);
    }
    return { shared, evictable };
  }

  #pushPrefill(request: number, start: number, queryLen: number): void {
    const { prefillTokens, keyedBlocks, keyableBlocks, blocks } = this.#state;
    const end = start + queryLen;
    this.#push(request, 'prefill', start, queryLen, end === prefillTokens[request], queryLen);
    const whole = Math.min(keyableBlocks[request] as number, Math.floor(end / this.#limits.blockSize));
    for (let block = keyedBlocks[request] as number; block < whole; block++) {
      this.#pool.register(this.#state.blockKey(request, block), (blocks[request] as number[])[block] as number);
      keyedBlocks[request] = block + 1;
    }
  }

  #pushDecode(request: number, start: number, queryLen: number): void {
    const { seed, acceptRate } = this.#limits;
    const index = this.#state.generated[request] as number;
    let advance = 1;
    // Each output index has one fate, so that neither the batch nor the number of drafts changes it.
    while (advance < queryLen && hash32(seed, request, index + advance - 1) < acceptRate * 0x100000000) advance++;
    this.#push(request, 'decode', start, queryLen, true, advance);
  }

  #push(
    request: number,
    phase: Chunk['phase'],
    start: number,
    queryLen: number,
    lastChunk: boolean,
    advance: number,
  ): void {
    const count = this.#scheduled.length;
    const chunk = this.#chunks[count];
    if (chunk === undefined) {
      const created: Chunk = { request, phase, start, queryLen, lastChunk, advance };
      this.#chunks.push(created);
      this.#scheduled.push(created);
    } else {
      chunk.request = request;
      chunk.phase = phase;
      chunk.start = start;
      chunk.queryLen = queryLen;
      chunk.lastChunk = lastChunk;
      chunk.advance = advance;
      this.#scheduled.push(chunk);
    }
    this.tokens += queryLen;
    this.kvTokens += start + queryLen;
  }

  /** The request admitted last gives up its blocks and waits at the front; it will be prefilled anew. */
  #preempt(): void {
    const request = this.#running.pop() as number;
    this.#freeBlocks(request);
    this.#state.computed[request] = 0;
    this.#state.nextWaiting[request] = this.#firstWaiting;
    this.#firstWaiting = request;
    if (this.#waiting++ === 0) this.#lastWaiting = request;
    this.#removed.push(request);
    this.#stats.preemptions++;
  }

  #allocate(request: number, count: number): number[] {
    const held = this.#state.blocks[request] as number[];
    const added: number[] = [];
    for (let i = 0; i < count; i++) {
      const block = this.#pool.allocate();
      held.push(block);
      added.push(block);
    }
    this.#state.covered[request] = held.length * this.#limits.blockSize;
    return added;
  }

  #freeBlocks(request: number): void {
    this.#pool.release(this.#state.blocks[request] as number[]);
    this.#state.blocks[request] = NO_BLOCKS;
    this.#state.covered[request] = 0;
  }

  #dropFinished(): void {
    const running = this.#running;
    let kept = 0;
    for (const request of running) {
      // Only a request that holds blocks is still running.
      if (this.#state.covered[request] !== 0) running[kept++] = request;
    }
    running.length = kept;
  }
}
