import { type RankSchedule, type RequestTable, type SchedulerLimits, tokenId } from '../../dist/workload/index.js';
import { hash32 } from '../../dist/workload/random.js';

const GARBAGE = -1;

/**
 * One rank's KV cache, really written: each slot holds the number of a whole prefix of tokens. Applying a schedule
 * fails where a request would read anything but its own prefix, write into a block that is not its own, or hold a
 * block twice.
 */
export class KvCacheOracle {
  readonly #table: RequestTable;
  readonly #limits: SchedulerLimits;
  readonly #slots: Map<number, number> = new Map();
  readonly rows: Map<number, { blocks: number[]; computed: number }> = new Map();
  readonly #prefixes: Map<number, number[]> = new Map();

  constructor(table: RequestTable, limits: SchedulerLimits) {
    this.#table = table;
    this.#limits = limits;
  }

  apply(schedule: RankSchedule): void {
    for (const request of schedule.removed) must(this.rows.delete(request), `request ${request} has a row to remove`);
    for (const { request, numComputedTokens, blockIds } of schedule.added) {
      must(!this.rows.has(request), `request ${request} is added once`);
      this.rows.set(request, { blocks: [...blockIds], computed: numComputedTokens });
    }
    for (const { request, blockIds } of schedule.appended) this.#row(request).blocks.push(...blockIds);
    const holders = this.#countHolders();
    const written = new Set<number>();
    for (const chunk of schedule.scheduled) {
      const row = this.#row(chunk.request);
      must(row.computed === chunk.start, `request ${chunk.request} goes on at ${row.computed}, not ${chunk.start}`);
      for (let i = 0; i < chunk.queryLen; i++) {
        const slot = this.#slot(row.blocks, chunk.start + i);
        must(!written.has(slot), `slot ${slot} is written once`);
        written.add(slot);
        this.#slots.set(slot, i < chunk.advance ? this.#prefix(chunk.request, chunk.start + i) : GARBAGE);
        // A decode's block has no other reader; a prompt's may gain readers in the same step.
        const block = Math.floor(slot / this.#limits.blockSize);
        if (chunk.phase === 'decode') must(holders.get(block) === 1, `block ${block} of a decode has one holder`);
      }
    }
    for (const chunk of schedule.scheduled) {
      const row = this.#row(chunk.request);
      row.computed += chunk.advance;
      for (let position = 0; position < row.computed; position++) {
        const held = this.#slots.get(this.#slot(row.blocks, position));
        must(
          held === this.#prefix(chunk.request, position),
          `request ${chunk.request} reads its own prefix at ${position}`,
        );
      }
    }
  }

  #countHolders(): Map<number, number> {
    const holders = new Map<number, number>();
    for (const [request, { blocks }] of this.rows) {
      must(new Set(blocks).size === blocks.length, `request ${request} holds no block twice`);
      for (const block of blocks) {
        must(block >= 1 && block < this.#limits.numBlocks, `block ${block} exists`);
        holders.set(block, (holders.get(block) ?? 0) + 1);
      }
    }
    return holders;
  }

  #row(request: number): { blocks: number[]; computed: number } {
    const row = this.rows.get(request);
    if (row === undefined) throw new Error(`request ${request} has no row`);
    return row;
  }

  #slot(blocks: number[], position: number): number {
    const block = blocks[Math.floor(position / this.#limits.blockSize)];
    if (block === undefined) throw new Error(`position ${position} lies beyond ${blocks.length} blocks`);
    return block * this.#limits.blockSize + (position % this.#limits.blockSize);
  }

  #prefix(request: number, position: number): number {
    const known = this.#prefixes.get(request) ?? [];
    this.#prefixes.set(request, known);
    for (let p = known.length; p <= position; p++) {
      known.push(hash32(7, known.at(-1) ?? 0, tokenId(this.#table, request, p)));
    }
    return known[position] as number;
  }
}

function must(condition: boolean, law: string): void {
  if (!condition) throw new Error(`broken: ${law}`);
}
