import type { ForwardBatch, Row } from '../batch/index.js';
import type { ContinuedRow, SampledStep, SampledWindow, SamplingForward, SamplingRow } from '../decoder/index.js';
import { LockstepError } from '../errors.js';
import type { StepPlanner } from '../planner/index.js';
import type { Rank, StepResult } from '../runtime/index.js';
import type { WaitOptions } from '../wait.js';
import { type Chunk, LiveScheduler, type RankSchedule, type SchedulerEvent } from '../workload/index.js';
import { chunkIds } from './chunk-ids.js';
import type { EngineEvent, EngineStats, EngineToken } from './engine-events.js';
import { type Drafter, type EngineArrival, type EngineEnd, EngineRequest, refusalOf } from './engine-request.js';
import { EngineRows, type PlacedChunk } from './engine-rows.js';
import { PrefixKeys } from './prefix-keys.js';
import { StepLogits } from './token-logprobs.js';

export interface RankEngineOptions {
  /** The planner of this rank; its limits bound the scheduler. It is given the ids of all tokens. */
  readonly planner: StepPlanner;
  /**
   * Default: the last tokens are looked up in the request's own text, as they always are where the step before is not known yet (`AheadSteps`).
   */
  readonly drafter?: Drafter;
  /** Longest wait for sampled tokens in `step` and `stepSync`, in ms. Default: the device's. */
  readonly timeoutMs?: number;
}

/** What a launched step gives a request, a token at least, before it is known. */
export interface AssumedToken extends SampledWindow {
  readonly number: number;
  readonly request: EngineRequest;
  /** The planner's row. */
  readonly row: Row;
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
  /** Requests that a stop token ended while a later step computed them, until the scheduler hears of it. */
  #stopped: { readonly number: number; readonly request: EngineRequest }[] = [];
  #said: EngineToken[] = [];
  /** Of the step whose tokens are taken. */
  readonly #logits = new StepLogits();
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

  /** Whether a request is to be served: a step may have no chunk of any, where all wait for what the step before said. */
  get hasWork(): boolean {
    return this.#running + this.#waiting > 0;
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
    const leaving = this.#stopped;
    this.#stopped = [];
    for (const { number } of leaving) told.push({ kind: 'cancel', request: number });
    for (const event of events) {
      if (event.kind === 'arrive') told.push(this.#arrival(event.request));
      else {
        const number = this.#numbers.get(event.id);
        if (number === undefined) continue;
        const request = this.#request(number);
        this.#end(request, 'cancelled');
        this.#said.push({ id: event.id, token: -1, end: 'cancelled' });
        told.push({ kind: 'cancel', request: number });
        leaving.push({ number, request });
        this.#cancelled++;
      }
    }
    const schedule = this.#scheduler.step(told);
    this.#outcome = [];
    this.#follow(schedule);
    this.#rows.apply(schedule, (chunk) => this.#idsOf(chunk));
    // What only waited has no row that the schedule removes.
    for (const { number, request } of leaving) if (this.#requests[number] === request) this.#release(number);
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

  /** Whether a request of the built step wants to know how likely its tokens are. */
  wantsLogits(local: ForwardBatch): boolean {
    for (const { chunk } of this.#rows.placed(local)) {
      if (chunk.lastChunk && this.#request(chunk.request).logprobs !== undefined) return true;
    }
    return false;
  }

  /** Takes what was sampled: i32, one of each of `rows`; and the logits, f32[rows, vocabSize], where they are wanted. */
  accept(local: ForwardBatch, sampled: Int32Array, logits: Float32Array | null = null): void {
    this.#logits.set(logits, sampled.length);
    let at = 0;
    for (const placed of this.#rows.placed(local)) {
      const { chunk } = placed;
      if (chunk.phase === 'decode') {
        this.#acceptDecode(placed, sampled, at);
        at += chunk.queryLen;
      } else {
        this.#rows.advance(placed, chunk.queryLen);
        if (chunk.lastChunk) this.#say(chunk.request, this.#request(chunk.request), sampled, at++);
      }
    }
  }

  /**
   * Counts the built step as computed before its tokens are known, so that the next can be planned: of each request that samples, in the
   * order of the rows of logits. A decode counts as one token until `hear` takes what the step said, drafts that were accepted among it.
   */
  assume(local: ForwardBatch): AssumedToken[] {
    const assumed: AssumedToken[] = [];
    let first = 0;
    for (const placed of this.#rows.placed(local)) {
      const { chunk, row, ids } = placed;
      const { request: number, phase, queryLen } = chunk;
      this.#rows.advance(placed, phase === 'decode' ? 1 : queryLen);
      if (!chunk.lastChunk) continue;
      const request = this.#request(number);
      const length = phase === 'decode' ? queryLen : 1;
      const drafts = ids.subarray(ids.length - length + 1);
      request.drawn++;
      request.underWay = drafts;
      if (length > 1) this.#outcome.push({ kind: 'unread', request: number });
      assumed.push({ number, request, row, first, length, drafts });
      first += length;
    }
    return assumed;
  }

  /** What a step said whose tokens were assumed. A request that has ended since is not given its token. */
  hear(assumed: readonly AssumedToken[], { ids, accepted, logits }: SampledStep): void {
    this.#logits.set(logits, ids.length);
    for (const [index, { number, request, row, first, length }] of assumed.entries()) {
      if (request.ended !== null) continue;
      let tokens = 0;
      while (!this.#say(number, request, ids, first + tokens++, true) && tokens <= accepted[index]);
      if (length === 1) continue;
      this.#acceptedTokens += tokens - 1;
      request.drawn += tokens - 1;
      this.#rows.advanceLate(number, row, tokens - 1);
      this.#outcome.push({ kind: 'read', request: number, tokens });
    }
  }

  /** The scheduled step's decodes of requests whose tokens of the step before are not known yet: they go on with them. */
  *goesOn(assumed: readonly AssumedToken[]): Generator<ContinuedRow, void, void> {
    for (const [window, { number, request, row }] of assumed.entries()) {
      const placed = this.#requests[number] === request ? this.#rows.chunkAt(row) : undefined;
      if (placed?.chunk.phase !== 'decode') continue;
      yield { row, window, position: placed.chunk.start, drafts: placed.ids.subarray(1) };
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
    const ids = rows.length === 0 ? NOTHING : forward.sampleSync(result.local, rows, this.#wait);
    this.accept(result.local, ids, this.#read(forward, result.local));
    return result;
  }

  /** `stepSync` for a thread whose event loop must stay free. */
  async step(rank: Rank, forward: SamplingForward, events: readonly EngineEvent[], leave = false): Promise<StepResult> {
    this.plan(events);
    const result = await rank.step({ leave });
    const rows = this.rows(result.local);
    const ids = rows.length === 0 ? NOTHING : await forward.sample(result.local, rows, this.#wait);
    this.accept(result.local, ids, this.#read(forward, result.local));
    return result;
  }

  /** The step's logits, where a request wants them and the forward gives them. */
  #read(forward: SamplingForward, local: ForwardBatch): Float32Array | null {
    return this.wantsLogits(local) ? (forward.logitsSync?.(local, this.#wait) ?? null) : null;
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
      const isDrawn = request.drawn >= Math.max(1, request.maxTokens);
      if (request.ended !== null) this.#release(number);
      else if (isDrawn) {
        // Its last tokens are under way, and are heard later.
        this.#uncount(request);
        this.#release(number);
      } else {
        request.place = 'waiting';
        this.#running--;
        this.#waiting++;
      }
    }
    for (const { request: number } of added) {
      this.#request(number).place = 'running';
      this.#running++;
      this.#waiting--;
    }
  }

  #idsOf(chunk: Chunk): Int32Array {
    const ids = chunkIds(this.#request(chunk.request), chunk, this.#drafter);
    if (chunk.phase === 'decode') this.#draftTokens += chunk.queryLen - 1;
    return ids;
  }

  #acceptDecode(placed: PlacedChunk, sampled: Int32Array, at: number): void {
    const { chunk, ids } = placed;
    const { request: number, queryLen } = chunk;
    let yields = 0;
    let last = false;
    const request = this.#request(number);
    do last = this.#say(number, request, sampled, at + yields++);
    while (!last && yields < queryLen && ids[yields] === sampled[at + yields - 1]);
    this.#acceptedTokens += yields - 1;
    if (queryLen > 1) this.#outcome.push({ kind: 'yield', request: number, tokens: yields });
    this.#rows.advance(placed, yields);
  }

  /** Gives a request the token of a row of logits, `late` where a step has been scheduled since. Returns whether it is its last. */
  #say(number: number, request: EngineRequest, sampled: Int32Array, row: number, late = false): boolean {
    const token = sampled[row];
    if (request.maxTokens === 0) {
      this.#end(request, 'length');
      this.#said.push({ id: request.id, token: -1, end: 'length' });
      return true;
    }
    const last = request.push(token);
    if (last) {
      this.#end(request, request.ended);
      // At its most tokens it ends by itself; the event says so of a stop token.
      if (!late) this.#outcome.push({ kind: 'finish', request: number });
      else if (this.#requests[number] === request) this.#stopped.push({ number, request });
    }
    const logprobs = this.#logits.logprobsOf(row, token, request.logprobs);
    this.#said.push({ id: request.id, token, end: request.ended, ...(logprobs === null ? {} : { logprobs }) });
    return last;
  }

  /** A request is not counted any more, and cannot be cancelled; its number is free once the scheduler has let go of it. */
  #end(request: EngineRequest, end: EngineEnd | null): void {
    request.ended = end;
    this.#uncount(request);
  }

  #uncount(request: EngineRequest): void {
    this.#numbers.delete(request.id);
    if (request.place === 'running') this.#running--;
    else if (request.place === 'waiting') this.#waiting--;
    request.place = 'gone';
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
