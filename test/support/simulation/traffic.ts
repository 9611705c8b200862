import type { Row, StepPlanner } from '../../../dist/entry/planner.js';
import type { Random } from '../../../dist/workload/random.js';

export const LIMITS = {
  maxNumSeqs: 4,
  maxNumBatchedTokens: 16,
  maxModelLen: 32,
  blockSize: 4,
  numBlocks: 33,
  queryLen: 1,
};
const BLOCKS = LIMITS.maxModelLen / LIMITS.blockSize;

interface Live {
  readonly row: Row;
  readonly blockIds: readonly number[];
  prompt: number;
  decodes: number;
  computed: number;
}

interface Chunk {
  readonly request: Live;
  readonly phase: 'prefill' | 'decode';
  readonly queryLen: number;
}

/** What one rank's scheduler does: requests come, compute their prompts in chunks, decode, and go. It keeps its own plain account of their blocks. */
export class Traffic {
  readonly #planner: StepPlanner;
  readonly #random: Random;
  readonly #live: Live[] = [];
  readonly #free: number[] = Array.from({ length: LIMITS.numBlocks - 1 }, (_, block) => block + 1);
  #chunks: readonly Chunk[] = [];

  constructor(planner: StepPlanner, random: Random) {
    this.#planner = planner;
    this.#random = random;
  }

  /** Schedules the next step, or the same again if its schedule was given up. `arrives`: whether a request comes. */
  schedule(arrives: boolean): void {
    if (this.#planner.scheduledTokens > 0) return;
    if (this.#chunks.length === 0) {
      if (arrives && this.#live.length < LIMITS.maxNumSeqs) this.#join();
      this.#chunks = this.#choose();
    }
    for (const { request, phase, queryLen } of this.#chunks) {
      this.#planner.requests.schedule(request.row, { phase, queryLen });
    }
  }

  /** Schedules nothing, whatever was to run next. */
  rest(): void {
    this.#chunks = [];
  }

  /** The step has run. */
  ran(): void {
    for (const { request, phase, queryLen } of this.#chunks) {
      this.#planner.requests.advance(request.row, queryLen);
      request.computed += queryLen;
      if (phase === 'prefill') request.prompt -= queryLen;
      else request.decodes -= queryLen;
      if (request.prompt === 0 && request.decodes === 0) this.#leave(request);
    }
    this.#chunks = [];
  }

  /** What the step holds, as a reference of its decision takes it. */
  totals() {
    const of = (phase: Chunk['phase']): number[] =>
      this.#chunks.filter((chunk) => chunk.phase === phase).map(({ queryLen }) => queryLen);
    const [prefills, decodes] = [of('prefill'), of('decode')];
    const all = [...decodes, ...prefills];
    return {
      tokens: all.reduce((sum, queryLen) => sum + queryLen, 0),
      prefillRequests: prefills.length,
      decodeRequests: decodes.length,
      maxQueryLen: Math.max(0, ...all),
      minQueryLen: all.length === 0 ? 0 : Math.min(...all),
      maxDecodeQueryLen: Math.max(0, ...decodes),
      maxSeqLen: Math.max(0, ...this.#chunks.map(({ request, queryLen }) => request.computed + queryLen)),
    };
  }

  /** The KV slots that the step writes, ascending, from the lists of blocks. */
  slots(): number[] {
    const { blockSize } = LIMITS;
    const slots: number[] = [];
    for (const { request, queryLen } of this.#chunks) {
      for (let at = request.computed; at < request.computed + queryLen; at++) {
        slots.push(request.blockIds[Math.floor(at / blockSize)] * blockSize + (at % blockSize));
      }
    }
    return slots.sort((a, b) => a - b);
  }

  #join(): void {
    const random = this.#random;
    const prompt = 1 + random.below(10);
    const decodes = 1 + random.below(LIMITS.maxModelLen - prompt - 1);
    const blockIds = Array.from({ length: BLOCKS }, () => this.#free.splice(random.below(this.#free.length), 1)[0]);
    const row = this.#planner.requests.add({ blockIds });
    this.#live.push({ row, blockIds, prompt, decodes, computed: 0 });
  }

  #leave(request: Live): void {
    this.#planner.requests.remove(request.row);
    this.#free.push(...request.blockIds);
    this.#live.splice(this.#live.indexOf(request), 1);
  }

  #choose(): Chunk[] {
    let room = LIMITS.maxNumBatchedTokens - LIMITS.maxNumSeqs;
    return this.#live.map((request) => {
      if (request.prompt === 0) return { request, phase: 'decode', queryLen: 1 };
      const queryLen = Math.max(1, Math.min(request.prompt, 1 + this.#random.below(8), room));
      room -= queryLen;
      return { request, phase: 'prefill', queryLen };
    });
  }
}
