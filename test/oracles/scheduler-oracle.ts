import type { Request, SchedulerLimits } from '../../dist/workload/index.js';
import { hash32 } from '../../dist/workload/random.js';

/** The scheduler's rules in their plainest form: objects, lists, strings as keys, everything searched and counted anew. */
export interface OracleChunk {
  request: number;
  phase: 'decode' | 'prefill';
  start: number;
  queryLen: number;
  lastChunk: boolean;
  advance: number;
}

export interface OracleRank {
  removed: number[];
  added: { request: number; numComputedTokens: number; blocks: number }[];
  appended: { request: number; blocks: number }[];
  scheduled: OracleChunk[];
}

interface Block {
  key: string | null;
  holders: number;
}

interface Live {
  request: Request;
  computed: number;
  generated: number;
  prefill: number;
  blocks: Block[];
}

export class SchedulerOracle {
  clockMs = 0;
  rejected = 0;
  preemptions = 0;
  readonly #limits: SchedulerLimits;
  #future: Request[];
  readonly #ranks: Rank[];

  constructor(requests: readonly Request[], limits: SchedulerLimits) {
    this.#limits = limits;
    const fits = (r: Request): boolean =>
      r.inputTokens + r.outputTokens <= limits.maxModelLen &&
      Math.ceil((r.inputTokens + r.outputTokens) / limits.blockSize) <= limits.numBlocks - 1;
    this.#future = requests.filter(fits);
    this.rejected = requests.length - this.#future.length;
    this.#ranks = Array.from({ length: limits.ranks }, () => new Rank(limits));
  }

  /** Ends a request that waits or runs, between two steps. */
  cancel(request: number): void {
    for (const rank of this.#ranks) rank.cancel(request);
  }

  /** One whole step: what every rank does, or null at the end. The clock is then that of the next step. */
  step(): { idle: boolean; ranks: OracleRank[] } | null {
    const arrival = (r: Request): number => r.arrivalMs / this.#limits.speed;
    for (const request of this.#future.filter((r) => arrival(r) <= this.clockMs)) {
      const loads = this.#ranks.map((rank) => 4 * rank.waiting.length + rank.running.length);
      const rank = this.#ranks[loads.indexOf(Math.min(...loads))] as Rank;
      rank.waiting.push({ request, computed: 0, generated: 0, prefill: 0, blocks: [] });
    }
    this.#future = this.#future.filter((r) => arrival(r) > this.clockMs);
    const idle = this.#ranks.every((rank) => rank.waiting.length + rank.running.length === 0);
    if (idle && this.#future.length === 0) return null;
    const ranks = this.#ranks.map((rank) => rank.step());
    this.preemptions = this.#ranks.reduce((sum, rank) => sum + rank.preemptions, 0);
    if (idle) {
      this.clockMs = arrival(this.#future[0] as Request);
    } else {
      const sums = (of: (chunk: OracleChunk) => number): number =>
        Math.max(...ranks.map((rank) => rank.scheduled.reduce((sum, chunk) => sum + of(chunk), 0)));
      const [a, b, c] = this.#limits.stepTime;
      this.clockMs += a + b * sums((chunk) => chunk.queryLen) + c * sums((chunk) => chunk.start + chunk.queryLen);
    }
    return { idle, ranks };
  }
}

class Rank {
  waiting: Live[] = [];
  running: Live[] = [];
  preemptions = 0;
  readonly #limits: SchedulerLimits;
  /** Blocks with neither holder nor key. */
  #free: number;
  /** Keyed blocks without a holder, least recently used first. */
  #evictable: Block[] = [];
  readonly #keyed: Map<string, Block> = new Map();
  #finished: number[] = [];

  constructor(limits: SchedulerLimits) {
    this.#limits = limits;
    this.#free = limits.numBlocks - 1;
  }

  step(): OracleRank {
    const { maxNumBatchedTokens, maxNumSeqs, blockSize, queryLen: longest } = this.#limits;
    const out: OracleRank = { removed: this.#finished, added: [], appended: [], scheduled: [] };
    this.#finished = [];
    const budget = (): number => maxNumBatchedTokens - out.scheduled.reduce((sum, chunk) => sum + chunk.queryLen, 0);
    const preemptionsBefore = this.preemptions;
    const decodes = this.running.filter((live) => live.computed >= live.prefill);
    const prefills = this.running.filter((live) => live.computed < live.prefill);
    for (const live of [...decodes, ...prefills]) {
      if (!this.running.includes(live) || budget() === 0) continue;
      const left =
        live.computed < live.prefill
          ? live.prefill - live.computed
          : Math.min(longest, live.request.outputTokens - live.generated);
      const queryLen = Math.min(left, budget());
      const more = Math.max(0, Math.ceil((live.computed + queryLen) / blockSize) - live.blocks.length);
      while (this.running.includes(live) && more > this.#free + this.#evictable.length) {
        const victim = this.running.at(-1) as Live;
        this.running = this.running.slice(0, -1);
        this.#release(victim);
        victim.computed = 0;
        this.waiting.unshift(victim);
        out.removed.push(victim.request.id);
        this.preemptions++;
      }
      if (!this.running.includes(live)) continue;
      if (more > 0) out.appended.push({ request: live.request.id, blocks: more });
      this.#schedule(live, queryLen, more, out);
    }
    if (this.preemptions > preemptionsBefore) return this.#complete(out);
    while (this.waiting.length > 0 && budget() > 0 && this.running.length < maxNumSeqs) {
      const live = this.waiting[0] as Live;
      const prefix: Block[] = [];
      for (let k = 0; (k + 1) * blockSize < live.request.inputTokens; k++) {
        const block = this.#keyed.get(this.#key(live, k) ?? '');
        if (block === undefined) break;
        prefix.push(block);
      }
      // One prompt token at least is computed.
      prefix.length = Math.min(prefix.length, Math.floor((live.request.inputTokens - 1) / blockSize));
      const start = prefix.length * blockSize;
      live.prefill = live.request.inputTokens + live.generated;
      const queryLen = Math.min(live.prefill - start, budget());
      const more = Math.ceil((start + queryLen) / blockSize) - prefix.length;
      const available = this.#free + this.#evictable.filter((block) => !prefix.includes(block)).length;
      if (more > available) break;
      this.#evictable = this.#evictable.filter((block) => !prefix.includes(block));
      for (const block of prefix) block.holders++;
      live.blocks = prefix;
      live.computed = start;
      this.waiting = this.waiting.slice(1);
      this.running.push(live);
      out.added.push({ request: live.request.id, numComputedTokens: start, blocks: prefix.length + more });
      this.#schedule(live, queryLen, more, out);
    }
    return this.#complete(out);
  }

  cancel(request: number): void {
    this.waiting = this.waiting.filter((live) => live.request.id !== request);
    const live = this.running.find((one) => one.request.id === request);
    if (live === undefined) return;
    this.#release(live);
    this.running = this.running.filter((one) => one !== live);
    this.#finished.push(request);
  }

  #schedule(live: Live, queryLen: number, more: number, out: OracleRank): void {
    for (let i = 0; i < more; i++) {
      if (this.#free > 0) this.#free--;
      else this.#keyed.delete((this.#evictable.shift() as Block).key as string);
      live.blocks.push({ key: null, holders: 1 });
    }
    const { request, computed: start, generated, prefill } = live;
    const end = start + queryLen;
    if (start >= prefill) {
      let advance = 1;
      const { seed, acceptRate } = this.#limits;
      while (advance < queryLen && hash32(seed, request.id, generated + advance - 1) / 2 ** 32 < acceptRate) advance++;
      out.scheduled.push({ request: request.id, phase: 'decode', start, queryLen, lastChunk: true, advance });
      return;
    }
    out.scheduled.push({
      request: request.id,
      phase: 'prefill',
      start,
      queryLen,
      lastChunk: end === prefill,
      advance: queryLen,
    });
    for (const [k, block] of live.blocks.entries()) {
      const key = this.#key(live, k);
      const blockEnd = (k + 1) * this.#limits.blockSize;
      // Keyed by the chunk that fills it, or never: a later chunk does not come back to it when the key has become free.
      const filled = blockEnd > start && blockEnd <= end;
      if (!filled || block.key !== null || key === null || this.#keyed.has(key)) continue;
      block.key = key;
      this.#keyed.set(key, block);
    }
  }

  #complete(out: OracleRank): OracleRank {
    for (const { request, phase, lastChunk, advance } of out.scheduled) {
      const live = this.running.find((one) => one.request.id === request) as Live;
      live.computed += advance;
      if (phase === 'decode') live.generated += advance;
      else if (lastChunk && live.request.outputTokens > 0) live.generated++;
      if (!lastChunk || live.generated < live.request.outputTokens) continue;
      this.#release(live);
      this.running = this.running.filter((one) => one !== live);
      this.#finished.push(request);
    }
    return out;
  }

  /** Block k of a prompt: all hash ids up to its last token. Null where the block is not wholly prompt or has no ids. */
  #key(live: Live, k: number): string | null {
    const { hashIds, inputTokens } = live.request;
    const end = (k + 1) * this.#limits.blockSize;
    if (hashIds === null || end > inputTokens) return null;
    return `${hashIds.slice(0, Math.ceil(end / 512)).join(',')} block ${k}`;
  }

  #release(live: Live): void {
    for (const block of live.blocks.reverse()) {
      block.holders--;
      if (block.holders > 0) continue;
      if (block.key === null) this.#free++;
      else this.#evictable.push(block);
    }
    live.blocks = [];
  }
}
