import type { DecodeLanes } from './decode-lanes.js';
import type { BatchTotals, Chunk } from './step-schedule.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The chunks of one rank's step, and what they add up to. Every step uses the same objects. */
export class ChunkList implements BatchTotals {
  tokens = 0;
  kvTokens = 0;
  decodeRequests = 0;
  prefillRequests = 0;
  maxQueryLen = 0;
  minQueryLen = 0;
  maxDecodeQueryLen = 0;
  maxSeqLen = 0;
  /** Lanes among the decodes: the first of `#running`. Their chunks are made on request. */
  lanes = 0;
  readonly #lanes: DecodeLanes;
  readonly #running: readonly number[];
  /** Chunks that are not lanes, then unused objects of larger steps. */
  readonly #pushed: Writable<Chunk>[] = [];
  #pushedCount = 0;
  readonly #laneChunks: Writable<Chunk>[] = [];
  readonly #all: Chunk[] = [];
  #allAreListed = false;
  /** The chunks that are not lanes by request, built at the first lookup. */
  readonly #byRequest = new Map<number, Writable<Chunk>>();

  /** `running`: the rank's requests in order of admission, its lanes first. */
  constructor(lanes: DecodeLanes, running: readonly number[]) {
    this.#lanes = lanes;
    this.#running = running;
  }

  begin(): void {
    this.tokens = 0;
    this.kvTokens = 0;
    this.decodeRequests = 0;
    this.prefillRequests = 0;
    this.maxQueryLen = 0;
    this.minQueryLen = 0;
    this.maxDecodeQueryLen = 0;
    this.maxSeqLen = 0;
    this.lanes = 0;
    this.#pushedCount = 0;
    this.#allAreListed = false;
    if (this.#byRequest.size > 0) this.#byRequest.clear();
  }

  /** Schedules one token of each lane. */
  pushLanes(): void {
    const lanes = this.#lanes;
    const { count } = lanes;
    if (count === 0) return;
    this.lanes = count;
    this.decodeRequests = count;
    this.tokens = count;
    this.kvTokens = lanes.positions + count;
    this.maxQueryLen = 1;
    this.minQueryLen = 1;
    this.maxDecodeQueryLen = 1;
    this.maxSeqLen = lanes.longest + 1;
  }

  push(
    request: number,
    phase: Chunk['phase'],
    start: number,
    queryLen: number,
    lastChunk: boolean,
    advance: number,
  ): void {
    if (this.#pushedCount === this.#pushed.length) this.#pushed.push(newChunk());
    const chunk = this.#pushed[this.#pushedCount++];
    chunk.request = request;
    chunk.phase = phase;
    chunk.start = start;
    chunk.queryLen = queryLen;
    chunk.lastChunk = lastChunk;
    chunk.advance = advance;
    this.minQueryLen = this.tokens === 0 ? queryLen : Math.min(this.minQueryLen, queryLen);
    this.maxQueryLen = Math.max(this.maxQueryLen, queryLen);
    this.maxSeqLen = Math.max(this.maxSeqLen, start + queryLen);
    this.tokens += queryLen;
    this.kvTokens += start + queryLen;
    if (phase === 'prefill') this.prefillRequests++;
    else {
      this.decodeRequests++;
      this.maxDecodeQueryLen = Math.max(this.maxDecodeQueryLen, queryLen);
    }
  }

  /** Chunks that are not lanes. */
  get pushedCount(): number {
    return this.#pushedCount;
  }

  pushed(index: number): Writable<Chunk> {
    return this.#pushed[index];
  }

  /** The chunk of a request that is not a lane. */
  find(request: number): Writable<Chunk> | undefined {
    const found = this.#byRequest;
    for (let index = found.size; index < this.#pushedCount; index++) {
      found.set(this.#pushed[index].request, this.#pushed[index]);
    }
    return found.get(request);
  }

  /** All chunks: decodes, then prefills. The same array each time. */
  all(): readonly Chunk[] {
    const all = this.#all;
    if (this.#allAreListed) return all;
    this.#allAreListed = true;
    while (this.#laneChunks.length < this.lanes) this.#laneChunks.push(newChunk());
    let count = 0;
    for (; count < this.lanes; count++) {
      const chunk = this.#laneChunks[count];
      chunk.request = this.#running[count];
      chunk.start = this.#lanes.position(chunk.request);
      all[count] = chunk;
    }
    for (let index = 0; index < this.#pushedCount; index++) all[count++] = this.#pushed[index];
    if (all.length > count) all.length = count;
    return all;
  }
}

/** A lane's chunk, without request and start. */
function newChunk(): Writable<Chunk> {
  return { request: 0, phase: 'decode', start: 0, queryLen: 1, lastChunk: true, advance: 1 };
}
