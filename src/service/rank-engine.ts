import type { ForwardBatch } from '../batch/index.js';
import type { SamplingForward, SamplingRow } from '../decoder/index.js';
import { LockstepError } from '../errors.js';
import type { StepPlanner } from '../planner/index.js';
import type { Rank, StepResult } from '../runtime/index.js';
import type { WaitOptions } from '../wait.js';
import { type Chunk, LiveScheduler, type RankSchedule, type SchedulerEvent } from '../workload/index.js';
import type { EngineEvent, EngineStats, EngineToken } from './engine-events.js';
import { type Drafter, type EngineArrival, type EngineEnd, EngineRequest, refusalOf } from './engine-request.js';
import { EngineRows, type PlacedChunk } from './engine-rows.js';
import { PrefixKeys } from './prefix-keys.js';

export interface RankEngineOptions {
  /** The planner of this rank; its limits bound the scheduler. It is given the ids of all tokens. */
  readonly planner: StepPlanner;
  /** Default: the last tokens are looked up in the request's own text. */
  readonly drafter?: Drafter;
  /** Longest wait for sampled tokens in `step` and `stepSync`, in ms. Default: the device's. */
  readonly timeoutMs?: number;
}

/** Chains of prompt blocks whose numbers are kept, for each KV block of the pool. */
const CHAINS_PER_BLOCK = 2;

/**
 * The requests of one rank from arrival to their last token: scheduled, put into the planner, sampled, drafts accepted. A
 * step is `plan`, the rank's own step, `rows`, sampling, `accept`; `step` and `stepSync` take all of it.
 *
 * A step depends on the events and on what was sampled, and on nothing else. A draft is accepted when it equals the token
 * sampled before it, so what a request says is what it would say without drafts.
 */
export class RankEngine {
  readonly #planner: StepPlanner;
  readonly #scheduler: LiveScheduler;
  readonly #drafter: Drafter;
  readonly #keys: PrefixKeys;
  readonly #wait: WaitOptions;
  /** By number of the scheduler; numbers are small and used again. */
  readonly #requests: (EngineRequest | undefined)[] = [];
  readonly #numbers = new Map<number, number>();
  readonly #free: number[] = [];
  /** What the last step came to, for the scheduler's next. */
  #outcome: SchedulerEvent[] = [];
  readonly #rows: EngineRows;
  #said: EngineToken[] = [];
  #running = 0;
  #waiting = 0;
  #cancelled = 0;
  #draftTokens = 0;
  #acceptedTokens = 0;

  constructor({ planner, drafter = (request, count) => request.lookUp(count), timeoutMs }: RankEngineOptions) {
    const { maxNumSeqs, maxNumBatchedTokens, maxModelLen, blockSize, numBlocks, queryLen } = planner.limits;
    this.#planner = planner;
    this.#rows = new EngineRows(planner);
    this.#drafter = drafter;
    this.#wait = timeoutMs === undefined ? {} : { timeoutMs };
    this.#scheduler = new LiveScheduler({
      maxNumSeqs,
      maxNumBatchedTokens,
      maxModelLen,
      blockSize,
      numBlocks,
      queryLen,
    });
    this.#keys = new PrefixKeys(blockSize, CHAINS_PER_BLOCK * numBlocks);
  }

  /** Requests that run, and those that wait. */
  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** KV blocks that can be given to requests. */
  get freeBlocks(): number {
    return this.#scheduler.freeBlocks;
  }

  get stats(): EngineStats {
    const { finished, preemptions, promptTokens, generatedTokens, reusedTokens } = this.#scheduler.stats;
    const blocks = this.#planner.limits.numBlocks - 1;
    return {
      finished,
      cancelled: this.#cancelled,
      preemptions,
      promptTokens,
      generatedTokens,
      reusedTokens,
      draftTokens: this.#draftTokens,
      acceptedTokens: this.#acceptedTokens,
      usedBlocks: blocks - this.#scheduler.freeBlocks,
      blocks,
    };
  }

  /**
   * Schedules the next step after `events` and puts it into the planner. `ERR_BATCH_LIMIT`, with nothing done, where a request
   * arrives that can never be served; `refusalOf` says so before.
   */
  plan(events: readonly EngineEvent[] = []): void {
    for (const event of events) if (event.kind === 'arrive') this.#check(event.request);
    const told = this.#outcome;
    const leaving: number[] = [];
    for (const event of events) {
      if (event.kind === 'arrive') told.push(this.#arrival(event.request));
      else {
        const number = this.#numbers.get(event.id);
        if (number === undefined) continue;
        this.#end(number, 'cancelled');
        this.#said.push({ id: event.id, token: -1, end: 'cancelled' });
        told.push({ kind: 'cancel', request: number });
        leaving.push(number);
        this.#cancelled++;
      }
    }
    const schedule = this.#scheduler.step(told);
    this.#outcome = [];
    this.#follow(schedule);
    this.#rows.apply(schedule, (chunk) => this.#idsOf(chunk));
    // What only waited has no row that the schedule removes.
    for (const number of leaving) if (this.#requests[number]?.ended === 'cancelled') this.#release(number);
  }

  /** What the built step samples, in the order of its rows of logits. */
  rows(local: ForwardBatch): SamplingRow[] {
    const rows: SamplingRow[] = [];
    for (const { chunk } of this.#rows.placed(local)) {
      if (!chunk.lastChunk) continue;
      const { controls } = this.#request(chunk.request);
      const { start, queryLen } = chunk;
      const first = chunk.phase === 'decode' ? 0 : queryLen - 1;
      for (let token = first; token < queryLen; token++) rows.push({ controls, position: start + token + 1 });
    }
    return rows;
  }

  /** Takes what was sampled: i32, one of each of `rows`. */
  accept(local: ForwardBatch, sampled: Int32Array): void {
    let at = 0;
    for (const placed of this.#rows.placed(local)) {
      const { chunk } = placed;
      if (chunk.phase === 'decode') {
        this.#acceptDecode(placed, sampled, at);
        at += chunk.queryLen;
      } else {
        this.#rows.advance(placed, chunk.queryLen);
        if (chunk.lastChunk) this.#say(chunk.request, sampled[at++]);
      }
    }
  }

  /** What requests were given since the last call, in order. */
  take(): EngineToken[] {
    const said = this.#said;
    this.#said = [];
    return said;
  }

  /** One step of a rank, blocking the thread. With `leave` the rank wants to stop once it has no work. */
  stepSync(rank: Rank, forward: SamplingForward, events: readonly EngineEvent[], leave = false): StepResult {
    this.plan(events);
    const result = rank.stepSync({ leave });
    const rows = this.rows(result.local);
    this.accept(result.local, rows.length === 0 ? NOTHING : forward.sampleSync(result.local, rows, this.#wait));
    return result;
  }

  /** `stepSync` for a thread whose event loop must stay free. */
  async step(rank: Rank, forward: SamplingForward, events: readonly EngineEvent[], leave = false): Promise<StepResult> {
    this.plan(events);
    const result = await rank.step({ leave });
    const rows = this.rows(result.local);
    this.accept(result.local, rows.length === 0 ? NOTHING : await forward.sample(result.local, rows, this.#wait));
    return result;
  }

  #check(request: EngineArrival): void {
    const refusal = refusalOf(this.#planner.limits, request);
    if (refusal === null) return;
    throw new LockstepError('ERR_BATCH_LIMIT', `Request ${request.id} can never be served: ${refusal}`, {
      id: request.id,
    });
  }

  #arrival(given: EngineArrival): SchedulerEvent {
    const request = new EngineRequest(given);
    const number = this.#free.pop() ?? this.#requests.length;
    this.#requests[number] = request;
    this.#numbers.set(request.id, number);
    this.#waiting++;
    const { promptTokens, maxTokens } = request;
    const prefix = request.sharePrefix ? this.#keys.of(request.ids, promptTokens) : undefined;
    return { kind: 'arrive', request: number, promptTokens, maxTokens, prefix };
  }

  /** Who runs and who waits after a schedule. */
  #follow({ removed, added }: RankSchedule): void {
    for (const number of removed) {
      const request = this.#request(number);
      if (request.ended !== null) this.#release(number);
      else {
        request.running = false;
        this.#running--;
        this.#waiting++;
      }
    }
    for (const { request: number } of added) {
      this.#request(number).running = true;
      this.#running++;
      this.#waiting--;
    }
  }

  /** The ids of a chunk: known ones, and drafts after the last of them. A decode has as many as were scheduled, good guesses or not. */
  #idsOf({ request: number, phase, start, queryLen }: Chunk): Int32Array {
    const request = this.#request(number);
    const known = request.ids.subarray(start, Math.min(request.length, start + queryLen));
    if (known.length === queryLen) return known;
    if (phase === 'prefill')
      throw new RangeError(`request ${request.id} has ${request.length} tokens, not ${start + queryLen}`);
    const ids = new Int32Array(queryLen);
    ids.set(known);
    const drafts = this.#drafter(request, queryLen - known.length);
    for (let at = known.length; at < queryLen; at++) {
      const draft = drafts[at - known.length];
      ids[at] = draft === undefined ? ids[at - 1] : draft;
    }
    this.#draftTokens += queryLen - known.length;
    return ids;
  }

  #acceptDecode(placed: PlacedChunk, sampled: Int32Array, at: number): void {
    const { chunk, ids } = placed;
    const { request: number, queryLen } = chunk;
    let yields = 0;
    let last = false;
    do last = this.#say(number, sampled[at + yields++]);
    while (!last && yields < queryLen && ids[yields] === sampled[at + yields - 1]);
    this.#acceptedTokens += yields - 1;
    if (queryLen > 1) this.#outcome.push({ kind: 'yield', request: number, tokens: yields });
    this.#rows.advance(placed, yields);
  }

  /** Gives a request a token. Returns whether it is its last. */
  #say(number: number, token: number): boolean {
    const request = this.#request(number);
    if (request.maxTokens === 0) {
      this.#end(number, 'length');
      this.#said.push({ id: request.id, token: -1, end: 'length' });
      return true;
    }
    const last = request.push(token);
    if (last) {
      this.#end(number, request.ended);
      // At its most tokens it ends by itself; the event says so of a stop token.
      this.#outcome.push({ kind: 'finish', request: number });
    }
    this.#said.push({ id: request.id, token, end: request.ended });
    return last;
  }

  /** A request is not counted any more, and cannot be cancelled; its number is free once the scheduler has let go of it. */
  #end(number: number, end: EngineEnd | null): void {
    const request = this.#request(number);
    request.ended = end;
    this.#numbers.delete(request.id);
    if (request.running) this.#running--;
    else this.#waiting--;
  }

  #release(number: number): void {
    this.#requests[number] = undefined;
    this.#free.push(number);
  }

  #request(number: number): EngineRequest {
    const request = this.#requests[number];
    if (request === undefined) throw new RangeError(`no request has number ${number}`);
    return request;
  }
}

const NOTHING = new Int32Array(0);
