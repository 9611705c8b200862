import type { ForwardBatch, Requests, Row, ScheduledChunk } from '../batch/index.js';
import { decodePlan } from '../keys/index.js';
import type { PlannerModules } from '../memory/index.js';
import { StepPlanner } from '../planner/index.js';
import { LOCKSTEP_POLICY } from '../policy/index.js';
import { type EventStream, type Newcomer, type StreamStep, tokenId } from './event-stream.js';

/** A step's events in the form the planner takes, prepared before timing: requests by number, in arrays of the right type. */
interface PreparedStep {
  readonly events: StreamStep;
  readonly chunks: readonly ScheduledChunk[];
  /** Requests whose blocks, or accepted drafts, `continueDecodes` is given. */
  readonly requests: Int32Array;
  /** Their rows, filled in during the step. */
  readonly rows: Int32Array;
  readonly accepted: Int32Array | null;
  readonly blocks: Int32Array;
}

/** A planner that takes an event stream's steps, one after the other. */
export class StreamRun {
  readonly planner: StepPlanner;
  readonly #stream: EventStream;
  readonly #requests: Requests;
  readonly #prepared: readonly PreparedStep[];
  readonly #decode: ScheduledChunk;
  /** Row of each request. */
  readonly #rows: Int32Array;
  #next = 0;
  #started = false;

  constructor(modules: PlannerModules, stream: EventStream) {
    const requests = stream.initial.length;
    const limits = {
      maxNumSeqs: stream.mostRequests,
      maxNumBatchedTokens: stream.mostTokens,
      maxModelLen: stream.maxModelLen,
      blockSize: stream.blockSize,
      numBlocks: stream.numBlocks,
      queryLen: stream.window,
    };
    const ladder = { maxNumSeqs: requests, queryLen: stream.window };
    const plan = decodePlan({ sizes: [requests * stream.window], limits: ladder, policy: LOCKSTEP_POLICY });
    this.planner = new StepPlanner(modules, { limits, plan });
    this.#stream = stream;
    this.#requests = this.planner.requests;
    this.#decode = { phase: 'decode', queryLen: stream.window };
    const joined = stream.steps.reduce((sum, step) => sum + step.joined.length, stream.initial.length);
    this.#rows = new Int32Array(joined);
    this.#prepared = stream.steps.map((events) => ({
      events,
      ...continuation(events),
      chunks: events.chunks.map(({ request, start, queryLen, last }) => ({
        phase: 'prefill',
        queryLen,
        lastChunk: last,
        inputIds: Int32Array.from({ length: queryLen }, (_, index) => tokenId(request, start + index)),
      })),
    }));
  }

  /** Steps that are left before `restart`. */
  get left(): number {
    return this.#prepared.length - this.#next;
  }

  /** Row of a request that is in the batch. */
  row(request: number): number {
    return this.#rows[request];
  }

  /** Puts the batch back to how the stream begins, and runs its first requests' first step. */
  restart(): void {
    for (const request of this.#live) this.#requests.remove(this.#rows[request] as Row);
    this.#started = true;
    for (const newcomer of this.#stream.initial) {
      this.#add(newcomer);
      this.#requests.schedule(this.#rows[newcomer.request] as Row, this.#decode);
    }
    this.#next = 0;
    this.#step();
  }

  /** Requests that are in the batch. */
  get #live(): Iterable<number> {
    if (!this.#started) return [];
    const live = new Set(this.#stream.initial.map(({ request }) => request));
    for (const { finished, joined } of this.#stream.steps.slice(0, this.#next)) {
      for (const request of finished) live.delete(request);
      for (const { request } of joined) live.add(request);
    }
    return live;
  }

  /** One step of the stream: removes and adds requests, continues the decodes, and plans the step. */
  step(): ForwardBatch {
    const prepared = this.#prepared[this.#next];
    const { events, chunks, rows } = prepared;
    const requests = this.#requests;
    const before = this.#next > 0 ? this.#prepared[this.#next - 1].events.chunks : NO_CHUNKS;
    this.#next++;
    for (let i = 0; i < events.finished.length; i++) requests.remove(this.#rows[events.finished[i]] as Row);
    for (let i = 0; i < before.length; i++) {
      requests.advance(this.#rows[before[i].request] as Row, before[i].queryLen);
    }
    for (let i = 0; i < rows.length; i++) rows[i] = this.#rows[prepared.requests[i]];
    requests.continueDecodes(rows, prepared.accepted, prepared.blocks);
    for (let i = 0; i < events.began.length; i++) {
      requests.schedule(this.#rows[events.began[i]] as Row, this.#decode);
    }
    for (let i = 0; i < events.joined.length; i++) {
      const newcomer = events.joined[i];
      this.#add(newcomer);
      if (newcomer.numComputedTokens > 0) requests.schedule(this.#rows[newcomer.request] as Row, this.#decode);
    }
    for (let i = 0; i < chunks.length; i++) {
      requests.schedule(this.#rows[events.chunks[i].request] as Row, chunks[i]);
    }
    return this.#step();
  }

  #add(newcomer: Newcomer): void {
    this.#rows[newcomer.request] = this.#requests.add(newcomer);
  }

  #step(): ForwardBatch {
    const { planner } = this;
    planner.vote();
    return planner.build(planner.resolve(planner.table));
  }
}

const NO_CHUNKS: StreamStep['chunks'] = [];

/** What `continueDecodes` is given in a step: blocks of those that enter one, and of all where they drafted. */
function continuation(step: StreamStep): Pick<PreparedStep, 'requests' | 'rows' | 'accepted' | 'blocks'> {
  const { entering, accepted } = step;
  const blockOf = new Map([...entering].map((request, index) => [request, step.blocks[index]]));
  const requests = accepted.length > 0 ? accepted.map((_, index) => index) : entering;
  const blocks = requests.map((request) => blockOf.get(request) ?? 0);
  return { requests, rows: new Int32Array(requests.length), accepted: accepted.length > 0 ? accepted : null, blocks };
}
