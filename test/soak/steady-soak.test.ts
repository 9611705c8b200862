import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createPlanner, decodePlan, LOCKSTEP_POLICY, type Row, type StepPlanner } from '../../dist/entry/planner.js';
import { devicePort } from '../../dist/planner/index.js';
import { slotsOf } from '../oracles/slot-oracle.js';
import { runs } from '../support/property-runs.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const LIMITS = {
  maxNumSeqs: 32,
  maxNumBatchedTokens: 64,
  maxModelLen: 512,
  blockSize: 16,
  numBlocks: 2048,
  queryLen: 1,
};
const SIZES = [1, 2, 4, 8, 16, 24, 32];
const GEOMETRY = { blockSize: 16, contextParallelSize: 1, contextParallelRank: 0, interleaveSize: 1 };
/** A million with LOCKSTEP_RUNS=10, which is what `npm run test:soak` takes. */
const STEPS = runs(100_000).numRuns as number;

interface Live {
  readonly row: Row;
  readonly blockIds: number[];
  /** Of the token that the last step computed. */
  position: number;
}

/** Decodes that come and go at random over one planner, beside plain lists of their blocks. */
class Soak {
  readonly planner: StepPlanner;
  readonly live: Live[] = [];
  readonly #free: number[] = Array.from({ length: LIMITS.numBlocks - 1 }, (_, index) => index + 1);
  #random = 7;
  joined = 0;
  left = 0;

  constructor(planner: StepPlanner) {
    this.planner = planner;
  }

  step(): void {
    const { requests } = this.planner;
    const { live } = this;
    for (let index = live.length - 1; index >= 0; index--) {
      if (live[index].position + 2 > LIMITS.maxModelLen) this.#leave(index);
    }
    if (live.length > 1 && this.#draw(10) === 0) this.#leave(this.#draw(live.length));
    for (const request of live) {
      request.position++;
      if (request.position < request.blockIds.length * LIMITS.blockSize) continue;
      const block = this.#free.pop() as number;
      request.blockIds.push(block);
      requests.appendBlocks(request.row, [block]);
    }
    if (requests.continueDecodes() !== live.length) throw new Error(`${live.length} decodes are live`);
    if (live.length === 0 || (live.length < LIMITS.maxNumSeqs && this.#draw(8) === 0)) this.#join();
    this.planner.vote();
    this.planner.build(this.planner.resolve(this.planner.table));
  }

  /** What the tensors of the last step should hold, from the lists alone, in the planner's order of the decodes. */
  expected(): object {
    const { order, rows } = this.planner.local;
    const placeOf = new Map([...order.subarray(0, rows)].map((row, place) => [row, place]));
    const live = [...this.live].sort((a, b) => Number(placeOf.get(a.row)) - Number(placeOf.get(b.row)));
    expect([...placeOf.keys()]).toEqual(live.map(({ row }) => Number(row)));
    const requests = live.length;
    const padded = SIZES.find((size) => size >= requests) as number;
    const pad = <T>(values: readonly T[], value: T): T[] => [...values, ...new Array<T>(padded - requests).fill(value)];
    const width = LIMITS.maxModelLen / LIMITS.blockSize;
    return {
      paddedTokens: padded,
      slotMapping: pad(
        live.map(({ blockIds, position }) => slotsOf(blockIds, position + 1, GEOMETRY)[position]),
        -1n,
      ),
      positions: pad(
        live.map(({ position }) => BigInt(position)),
        0n,
      ),
      seqLens: pad(
        live.map(({ position }) => position + 1),
        0,
      ),
      tokenToRequest: pad(
        live.map((_, index) => index),
        -1,
      ),
      queryStartLoc: pad(
        Array.from({ length: requests + 1 }, (_, index) => index),
        requests,
      ),
      blockTable: pad<readonly number[]>(
        live.map(({ blockIds }) => blockIds),
        [],
      ).flatMap((blockIds) => Array.from({ length: width }, (_, column) => blockIds[column] ?? 0)),
    };
  }

  found(): object {
    const { local } = this.planner;
    const { tensors, paddedTokens, attentionRequests } = local;
    return {
      paddedTokens,
      slotMapping: [...tensors.slotMapping.subarray(0, paddedTokens)],
      positions: [...tensors.positions.subarray(0, paddedTokens)],
      seqLens: [...tensors.seqLens.subarray(0, attentionRequests)],
      tokenToRequest: [...tensors.tokenToRequest.subarray(0, paddedTokens)],
      queryStartLoc: [...tensors.queryStartLoc.subarray(0, attentionRequests + 1)],
      blockTable: [...local.blockTable.subarray(0, attentionRequests * local.tableWidth)],
    };
  }

  #join(): void {
    const { requests } = this.planner;
    const position = this.#draw(400);
    const blockIds = Array.from(
      { length: Math.ceil((position + 1) / LIMITS.blockSize) },
      () => this.#free.pop() as number,
    );
    const row = requests.add({ blockIds, numComputedTokens: position });
    requests.schedule(row, { phase: 'decode', queryLen: 1 });
    this.live.push({ row, blockIds, position });
    this.joined++;
  }

  #leave(index: number): void {
    const [{ row, blockIds }] = this.live.splice(index, 1);
    this.planner.requests.remove(row);
    this.#free.push(...blockIds);
    this.left++;
  }

  #draw(bound: number): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#random / 2 ** 32) * bound);
  }
}

async function planner(limits: typeof LIMITS, sizes: readonly number[]): Promise<StepPlanner> {
  return createPlanner({ limits, plan: decodePlan({ sizes, limits, policy: LOCKSTEP_POLICY }) });
}

function heap(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

test('decodes that come and go for a long time hold the plain tensors, in memory that does not grow', async () => {
  const soak = new Soak(await planner(LIMITS, SIZES));
  const buffer = devicePort(soak.planner).arena.buffer;
  const sizes = new Set<number>();
  const run = (steps: number): void => {
    for (let step = 0; step < steps; step++) {
      soak.step();
      sizes.add(soak.live.length);
      if (step % 211 === 0) expect(soak.found()).toEqual(soak.expected());
    }
  };
  run(STEPS / 2);
  const before = heap();
  run(STEPS / 2);
  expect(heap() - before).toBeLessThan(4 * 2 ** 20);
  expect(devicePort(soak.planner).arena.buffer).toBe(buffer);
  expect(soak.joined).toBeGreaterThan(STEPS / 20);
  expect(soak.left).toBeGreaterThan(STEPS / 20);
  expect(sizes.size).toBeGreaterThan(16);
});

test('a steady step allocates nothing', async () => {
  const limits = { ...LIMITS, maxModelLen: 2 ** 18, blockSize: 2 ** 18, numBlocks: 40 };
  const steady = await planner(limits, [32]);
  const { requests } = steady;
  for (let block = 1; block <= 32; block++) {
    requests.schedule(requests.add({ blockIds: [block] }), { phase: 'decode', queryLen: 1 });
  }
  const step = (): void => {
    steady.vote();
    steady.build(steady.resolve(steady.table));
    requests.continueDecodes();
  };
  for (let i = 0; i < 20_000; i++) step();
  // No collection runs in between: what the steps left behind would still be there. The engine compiles steps when it comes to it, which takes
  // memory too, once.
  const left = Array.from({ length: 5 }, () => {
    const before = heap();
    for (let i = 0; i < 40_000; i++) step();
    return process.memoryUsage().heapUsed - before;
  });
  expect(Math.min(...left) / 40_000).toBeLessThan(2);
});
