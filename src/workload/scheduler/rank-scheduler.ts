import { hash2, hashOnto } from '../random.js';
import { ChunkList } from './chunk-list.js';
import { DecodeSpan } from './decode-span.js';
import { RequestBlocks } from './request-blocks.js';
import type { RequestState } from './request-state.js';
import type { SchedulerLimits } from './scheduler-limits.js';
import type { SchedulerStats } from './scheduler-stats.js';
import type { AddedRequest, AppendedBlocks, RankSchedule } from './step-schedule.js';
import { WaitingQueue } from './waiting-queue.js';

/**
 * One rank's queues and blocks. `running` is in order of admission. At most one running request has prefill left, and
 * it is the last: nothing is admitted after a chunk that used up the token budget, and no other chunk leaves a rest. So
 * going through `running` in order schedules decodes first, and the victims of preemption, taken from the end, are
 * never scheduled yet.
 */
export class RankScheduler {
  /** Reused by every step. */
  readonly schedule: RankSchedule;
  readonly #limits: SchedulerLimits;
  readonly #state: RequestState;
  readonly #stats: SchedulerStats;
  readonly #edits: boolean;
  readonly #blocks: RequestBlocks;
  readonly #span: DecodeSpan;
  readonly #chunks = new ChunkList();
  readonly #running: number[] = [];
  readonly #waiting: WaitingQueue;
  readonly #finished: number[] = [];
  readonly #removed: number[] = [];
  readonly #added: AddedRequest[] = [];
  readonly #appended: AppendedBlocks[] = [];
  /** In this step a request was preempted; the first in the queue found too few blocks. */
  #preempted = false;
  #blockedByBlocks = false;

  /** Without `edits`, schedules tell only what is scheduled. */
  constructor(limits: SchedulerLimits, state: RequestState, stats: SchedulerStats, edits: boolean) {
    this.#limits = limits;
    this.#state = state;
    this.#stats = stats;
    this.#edits = edits;
    this.#blocks = new RequestBlocks(state, limits.numBlocks, limits.blockSize);
    this.#span = new DecodeSpan(state, this.#blocks, limits.blockSize);
    this.#waiting = new WaitingQueue(state.nextWaiting);
    this.schedule = {
      removed: this.#removed,
      added: this.#added,
      appended: this.#appended,
      scheduled: this.#chunks.chunks,
    };
  }

  /** Tokens of the step's chunks. */
  get tokens(): number {
    return this.#chunks.tokens;
  }

  /** Sum of the step's sequence lengths, in tokens. */
  get kvTokens(): number {
    return this.#chunks.kvTokens;
  }

  /** Source: vLLM's data-parallel load balancing. */
  get load(): number {
    return 4 * this.#waiting.length + this.#running.length;
  }

  /** Puts an arrived request at the end of the waiting queue. */
  enqueue(request: number): void {
    this.#waiting.pushLast(request);
  }

  /** Fills the schedule of the next step; of an idle one with no more than the rows of the requests that finished. */
  fill(idle: boolean): void {
    this.#chunks.begin();
    if (this.#edits) {
      this.#removed.length = 0;
      this.#added.length = 0;
      this.#appended.length = 0;
      for (const request of this.#finished) this.#removed.push(request);
    }
    this.#finished.length = 0;
    this.#preempted = false;
    this.#blockedByBlocks = false;
    if (!idle) {
      this.#scheduleRunning();
      if (!this.#preempted) this.#admit();
    }
    this.#chunks.end();
  }

  /**
   * Steps, this one included, in which the rank's batch stays the same unless a request arrives: only decodes of one token, all
   * of them, and the first in the queue held back by what does not change. 1 where nothing is known of the next step.
   */
  get steadySteps(): number {
    const running = this.#running;
    if (running.length === 0) return this.#waiting.length === 0 ? Infinity : 1;
    const { chunks } = this.#chunks;
    if (this.#limits.queryLen > 1 || this.#preempted || chunks.length < running.length) return 1;
    if (chunks[chunks.length - 1]?.phase === 'prefill') return 1;
    // Eviction may cut short the prefix that the first in the queue would share, and so make it fit.
    const { unkeyedBlocks, freeBlocks } = this.#blocks.pool;
    return this.#span.length(running, this.#blockedByBlocks ? unkeyedBlocks : freeBlocks);
  }

  /** Applies the outcome of `steps` equal steps: advances what was scheduled, frees what finished. */
  complete(steps: number): void {
    if (steps > 1) this.#completeSpan(steps);
    else this.#completeStep();
    if (this.#finished.length === 0) return;
    this.#stats.finished += this.#finished.length;
    this.#dropFinished();
  }

  #completeSpan(steps: number): void {
    const { generated, table } = this.#state;
    const running = this.#running;
    this.#stats.generatedTokens += steps * running.length;
    if (!this.#span.take(running, steps)) return;
    for (const request of running) {
      if (generated[request] === table.outputTokens[request]) this.#finish(request);
    }
  }

  #completeStep(): void {
    const { computed, generated, table } = this.#state;
    const stats = this.#stats;
    for (const { request, phase, queryLen, advance, lastChunk } of this.#chunks.chunks) {
      computed[request] = (computed[request] as number) + advance;
      const output = table.outputTokens[request] as number;
      let sampled = advance;
      if (phase === 'prefill') {
        stats.promptTokens += queryLen;
        if (!lastChunk) continue;
        sampled = Math.min(1, output);
      }
      stats.generatedTokens += sampled;
      const done = (generated[request] as number) + sampled;
      generated[request] = done;
      if (done >= output) this.#finish(request);
    }
  }

  #finish(request: number): void {
    this.#blocks.free(request);
    this.#finished.push(request);
  }

  #scheduleRunning(): void {
    const { computed, generated, prefillTokens, covered, table } = this.#state;
    const { maxNumBatchedTokens, queryLen: configuredQueryLen, blockSize } = this.#limits;
    const { outputTokens } = table;
    const running = this.#running;
    const chunks = this.#chunks;
    for (let i = 0; i < running.length && chunks.tokens < maxNumBatchedTokens; i++) {
      const request = running[i] as number;
      const start = computed[request] as number;
      const prefillLeft = (prefillTokens[request] as number) - start;
      // Positions stay below maxModelLen: tokens to generate end there, since longer requests are refused on arrival.
      const wanted =
        prefillLeft > 0
          ? prefillLeft
          : Math.min(configuredQueryLen, (outputTokens[request] as number) - (generated[request] as number));
      const queryLen = Math.min(wanted, maxNumBatchedTokens - chunks.tokens);
      const end = start + queryLen;
      if (end > (covered[request] as number)) {
        const needed = Math.ceil((end - (covered[request] as number)) / blockSize);
        while (needed > this.#blocks.pool.freeBlocks && i < running.length) this.#preempt();
        if (i >= running.length) break;
        this.#blocks.append(request, needed);
        if (this.#edits) this.#appended.push({ request, blockIds: this.#blocks.last(request, needed) });
      }
      if (prefillLeft > 0) this.#pushPrefill(request, start, queryLen);
      else chunks.push(request, 'decode', start, queryLen, true, this.#advanceOf(request, queryLen));
    }
  }

  #admit(): void {
    const { computed, generated, prefillTokens, draftHash, table } = this.#state;
    const { maxNumBatchedTokens, maxNumSeqs, blockSize, queryLen: configuredQueryLen, seed } = this.#limits;
    const blocks = this.#blocks;
    while (this.#waiting.length > 0 && this.tokens < maxNumBatchedTokens && this.#running.length < maxNumSeqs) {
      const request = this.#waiting.first;
      const shared = blocks.findPrefix(request);
      const start = shared * blockSize;
      const prefill = (table.inputTokens[request] as number) + (generated[request] as number);
      const queryLen = Math.min(prefill - start, maxNumBatchedTokens - this.tokens);
      const needed = Math.ceil(queryLen / blockSize);
      if (needed > blocks.pool.freeBlocks - blocks.evictable) {
        this.#blockedByBlocks = true;
        return;
      }
      this.#waiting.dropFirst();
      blocks.share(request, shared);
      blocks.append(request, needed);
      computed[request] = start;
      prefillTokens[request] = prefill;
      if (configuredQueryLen > 1) draftHash[request] = hash2(seed, request);
      this.#stats.reusedTokens += start;
      this.#running.push(request);
      if (this.#edits) this.#added.push({ request, numComputedTokens: start, blockIds: blocks.last(request) });
      this.#pushPrefill(request, start, queryLen);
    }
  }

  #pushPrefill(request: number, start: number, queryLen: number): void {
    const end = start + queryLen;
    this.#chunks.push(request, 'prefill', start, queryLen, end === this.#state.prefillTokens[request], queryLen);
    this.#blocks.key(request, end);
  }

  /** Tokens that a decode of `queryLen` tokens yields: 1 and the accepted drafts. */
  #advanceOf(request: number, queryLen: number): number {
    const { generated, draftHash } = this.#state;
    const accepted = this.#limits.acceptRate * 0x100000000;
    const hash = draftHash[request] as number;
    const index = generated[request] as number;
    let advance = 1;
    // Each output index has one fate, so that neither the batch nor the number of drafts changes it.
    while (advance < queryLen && hashOnto(hash, index + advance - 1) < accepted) advance++;
    return advance;
  }

  /** The request admitted last gives up its blocks and waits at the front; it will be prefilled anew. */
  #preempt(): void {
    const request = this.#running.pop() as number;
    this.#blocks.free(request);
    this.#state.computed[request] = 0;
    this.#waiting.pushFirst(request);
    if (this.#edits) this.#removed.push(request);
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
