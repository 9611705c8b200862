import { DecodeSpan } from './decode-span.js';
import { hash32 } from './random.js';
import { RequestBlocks } from './request-blocks.js';
import type { RequestState } from './request-state.js';
import type { SchedulerLimits } from './scheduler-limits.js';
import type { SchedulerStats } from './scheduler-stats.js';
import type { AddedRequest, AppendedBlocks, Chunk, RankSchedule } from './step-schedule.js';
import { WaitingQueue } from './waiting-queue.js';

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
  readonly #blocks: RequestBlocks;
  readonly #span: DecodeSpan;
  readonly #running: number[] = [];
  readonly #waiting: WaitingQueue;
  /** What keeps the rank from taking the same batch again, or from admitting the first in the queue. */
  #preempted = false;
  #blockedByBlocks = false;
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
    this.#blocks = new RequestBlocks(state, limits.numBlocks, limits.blockSize);
    this.#span = new DecodeSpan(state, this.#blocks, limits.blockSize);
    this.#waiting = new WaitingQueue(state.nextWaiting);
    this.schedule = {
      removed: this.#removed,
      added: this.#added,
      appended: this.#appended,
      scheduled: this.#scheduled,
    };
  }

  /** Source: vLLM's data-parallel load balancing. */
  get load(): number {
    return 4 * this.#waiting.length + this.#running.length;
  }

  /** Puts an arrived request at the end of the waiting queue. */
  enqueue(request: number): void {
    this.#waiting.pushLast(request);
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
    this.#preempted = false;
    this.#blockedByBlocks = false;
    this.#scheduleRunning();
    if (!this.#preempted) this.#admit();
  }

  /**
   * Steps, the scheduled one included, in which this rank's batch stays the same unless a request arrives: only decodes of one
   * token, all of them, and the first in the queue held back by what does not change. 1 where nothing is known of the next.
   */
  get steadySteps(): number {
    const running = this.#running;
    if (running.length === 0) return this.#waiting.length === 0 ? Infinity : 1;
    if (this.#limits.queryLen > 1 || this.#preempted || this.#scheduled.length < running.length) return 1;
    if (this.#scheduled[running.length - 1]?.phase === 'prefill') return 1;
    // Eviction may cut short the prefix that the first in the queue would share, and so make it fit.
    const { unkeyedBlocks, freeBlocks } = this.#blocks.pool;
    return this.#span.length(running, this.#blockedByBlocks ? unkeyedBlocks : freeBlocks);
  }

  /** Takes `steps` of the steady steps, before `complete()` takes the next one. The schedule's chunks stay those of the first. */
  advance(steps: number): void {
    this.#span.advance(this.#running, steps);
    this.#stats.generatedTokens += steps * this.#running.length;
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
      this.#blocks.free(request);
      this.#finished.push(request);
      finished++;
    }
    if (finished > 0) this.#dropFinished();
    this.#stats.finished += finished;
  }

  #scheduleRunning(): void {
    const { computed, generated, prefillTokens, covered, table } = this.#state;
    const { maxNumBatchedTokens, queryLen: configuredQueryLen, blockSize } = this.#limits;
    const running = this.#running;
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
        while (needed > this.#blocks.pool.freeBlocks && i < running.length) this.#preempt();
        if (i >= running.length) break;
        this.#blocks.append(request, needed);
        this.#appended.push({ request, blockIds: this.#blocks.lastBlocks(request, needed) });
      }
      if (prefillLeft > 0) this.#pushPrefill(request, start, queryLen);
      else this.#pushDecode(request, start, queryLen);
    }
  }

  #admit(): void {
    const { computed, generated, prefillTokens, table } = this.#state;
    const { maxNumBatchedTokens, maxNumSeqs, blockSize } = this.#limits;
    while (this.#waiting.length > 0 && this.tokens < maxNumBatchedTokens && this.#running.length < maxNumSeqs) {
      const request = this.#waiting.first;
      const prefix = this.#blocks.findPrefix(request);
      const start = prefix.blocks.length * blockSize;
      const prefill = (table.inputTokens[request] as number) + (generated[request] as number);
      const queryLen = Math.min(prefill - start, maxNumBatchedTokens - this.tokens);
      const needed = Math.ceil(queryLen / blockSize);
      if (needed > this.#blocks.pool.freeBlocks - prefix.evictable) {
        this.#blockedByBlocks = true;
        return;
      }
      this.#waiting.dropFirst();
      this.#blocks.share(request, prefix);
      this.#blocks.append(request, needed);
      computed[request] = start;
      prefillTokens[request] = prefill;
      this.#stats.reusedTokens += start;
      this.#running.push(request);
      this.#added.push({ request, numComputedTokens: start, blockIds: prefix.blocks.slice() });
      this.#pushPrefill(request, start, queryLen);
    }
  }

  #pushPrefill(request: number, start: number, queryLen: number): void {
    const end = start + queryLen;
    this.#push(request, 'prefill', start, queryLen, end === this.#state.prefillTokens[request], queryLen);
    this.#blocks.key(request, end);
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
    this.#blocks.free(request);
    this.#state.computed[request] = 0;
    this.#waiting.pushFirst(request);
    this.#removed.push(request);
    this.#stats.preemptions++;
    this.#preempted = true;
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
