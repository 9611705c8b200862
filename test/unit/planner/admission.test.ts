import { beforeEach, describe, expect, it } from 'vitest';
import { createPlanner, decodePlan, type Row, type StepPlanner } from '../../../dist/entry/planner.js';
import { ENUMS, VOTE_RANGES, VOTE_WORDS, word } from '../../../dist/layout/layout.js';
import { hashDecisionPlain, sealPlain, sealTable } from '../../oracles/seal-oracle.js';
import { refusedWith } from '../../support/expectations.js';
import { policyWith } from '../../support/planner-setup.js';

const WIDTH = VOTE_WORDS.length;
const HASH = word(VOTE_WORDS, 'decisionHash');
const SEAL = word(VOTE_WORDS, 'seal');
const RANKS = 3;
const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 128, numBlocks: 64, queryLen: 1 };
const policy = policyWith({ ubatches: 2 });
const plan = decodePlan({ sizes: [1, 2, 4, 8], limits, policy });

let planners: readonly StepPlanner[];
let rows: readonly Row[];

/** Three ranks, of which the first two have a request that decodes. */
async function begin(options: { firstStep?: number } = {}): Promise<void> {
  planners = await Promise.all(
    Array.from({ length: RANKS }, (_, rank) => createPlanner({ limits, policy, plan, rank, ranks: RANKS, ...options })),
  );
  rows = [0, 1].map((rank) => planners[rank].requests.add({ blockIds: [rank + 1, rank + 3], numComputedTokens: 3 }));
}

/** What the ranks gather for a decode on each of the first two. */
function gathered(): Int32Array {
  for (const [rank, row] of rows.entries()) planners[rank].requests.schedule(row, { phase: 'decode', queryLen: 1 });
  return Int32Array.from(planners.flatMap((planner) => [...planner.vote()]));
}

function build(table: Int32Array): void {
  for (const planner of planners) planner.build(planner.resolve(table));
  for (const [rank, row] of rows.entries()) planners[rank].requests.advance(row, 1);
}

const abandon = (): void => planners.forEach((planner) => void planner.abandon());

/** The details with which each rank refuses a table. */
function refusals(table: Int32Array): unknown[] {
  return planners.map((planner) => refusedWith('ERR_RANKS_DIVERGED', () => planner.resolve(table)).details);
}

beforeEach(() => begin());

describe('a row', () => {
  it('is sealed as the plain checksum has it, by its rank, after the decision built last', () => {
    let hash = 0;
    for (let step = 0; step < 4; step++) {
      const table = gathered();
      for (let rank = 0; rank < RANKS; rank++) {
        const row = table.subarray(rank * WIDTH, (rank + 1) * WIDTH);
        expect(row[HASH]).toBe(hash);
        expect(row[SEAL]).toBe(sealPlain(row, rank));
      }
      build(table);
      hash = hashDecisionPlain(planners[0].decision.words);
    }
    expect(hash).not.toBe(0);
  });

  it('keeps the hash of the decision built last when a step is refused or given up, and none after keepKeys', () => {
    build(gathered());
    const [hash] = [gathered()[HASH]];
    planners[0].resolve(sealTable(Int32Array.from(planners.flatMap(({ row }) => [...row])), hash));
    abandon();
    const table = gathered();
    expect(table[HASH]).toBe(hash);
    table[WIDTH] ^= 1;
    refusals(table);
    abandon();
    for (const planner of planners) planner.keepKeys([0, 1]);
    const after = gathered();
    expect([0, 1, 2].map((rank) => after[rank * WIDTH + HASH])).toEqual([0, 0, 0]);
    build(after);
  });

  it('is refused with any one bit of it changed, naming its rank', () => {
    build(gathered());
    const table = gathered();
    for (let bit = 0; bit < 32 * WIDTH * RANKS; bit++) {
      const index = bit >>> 5;
      table[index] ^= 1 << (bit & 31);
      const rank = Math.floor(index / WIDTH);
      expect(refusals(table)[1]).toMatchObject({ what: 'seal', ranks: [rank] });
      table[index] ^= 1 << (bit & 31);
    }
    build(table);
  });

  it('is refused at the place of another rank, and so is one of an earlier step', () => {
    const first = gathered();
    build(first);
    const second = gathered();
    const exchanged = second.slice();
    exchanged.copyWithin(0, WIDTH, 2 * WIDTH);
    exchanged.set(second.subarray(0, WIDTH), WIDTH);
    expect(refusals(exchanged)).toEqual(Array(RANKS).fill({ step: 1, what: 'seal', ranks: [0, 1] }));
    const stale = second.slice();
    stale.set(first.subarray(WIDTH, 2 * WIDTH), WIDTH);
    expect(refusals(stale)[0]).toMatchObject({ what: 'step', ranks: [1] });
    build(second);
  });

  it('is refused by every rank with a word that no planner votes, however well it is sealed', () => {
    const table = gathered();
    const named = new Set<string>();
    for (const [index, name] of VOTE_WORDS.entries()) {
      const [low, high] = VOTE_RANGES[name];
      const bounds = [low, high].map((bound) => (typeof bound === 'number' ? bound : BOUNDS[bound]));
      for (const value of [bounds[0] - 1, bounds[1] + 1]) {
        if ((value | 0) !== value || name === 'version') continue;
        const wrong = table.slice();
        wrong[WIDTH + index] = value;
        const found = refusals(sealTable(wrong));
        expect(found[0]).toMatchObject({ what: 'limits', word: name, ranks: [1] });
        expect(found).toEqual(Array(RANKS).fill(found[0]));
        named.add(name);
      }
    }
    const free = ['version', 'step', 'planHash', 'decisionHash', 'seal'];
    expect([...named].sort()).toEqual(VOTE_WORDS.filter((name) => !free.includes(name)).sort());
    build(table);
  });
});

/** Bounds of the words under these limits. */
const BOUNDS: Readonly<Record<string, number>> = { maxRequests: 8, maxTokens: 64, maxPaddedTokens: 64, maxParts: 2 };

describe('ranks that decided differently', () => {
  it('find out at the next vote, on every rank, naming the one that differs from most', () => {
    const table = gathered();
    // As if rank 2 had resolved another table, in which nobody has work.
    const other = Int32Array.from(table);
    for (const rank of [0, 1]) other.set(idleRow(table.subarray(2 * WIDTH)), rank * WIDTH);
    planners[2].build(planners[2].resolve(sealTable(other)));
    for (const rank of [0, 1]) planners[rank].build(planners[rank].resolve(table));
    for (const [rank, row] of rows.entries()) planners[rank].requests.advance(row, 1);
    const found = refusals(gathered());
    expect(found[0]).toMatchObject({ what: 'decision', ranks: [2], step: 1 });
    expect(found).toEqual(Array(RANKS).fill(found[0]));
  });

  it('of another plan or step are told that', () => {
    const table = gathered();
    build(table);
    const next = gathered();
    for (const name of ['planHash', 'step'] as const) {
      const wrong = sealTable(next.slice(), next[HASH]);
      wrong[2 * WIDTH + word(VOTE_WORDS, name)] ^= 5;
      wrong[2 * WIDTH + HASH] = 99;
      wrong[2 * WIDTH + SEAL] = sealPlain(wrong.subarray(2 * WIDTH), 2);
      expect(refusals(wrong)[0]).toMatchObject({ what: name === 'step' ? 'step' : 'plan', ranks: [2] });
    }
  });
});

describe('the number of a step', () => {
  it('wraps on every rank alike, from 2^31 - 1 to -2^31, and staging sets go on alternating', async () => {
    const most = 2 ** 31 - 1;
    await begin({ firstStep: most - 2 });
    const seen: number[] = [];
    for (let step = 0; step < 6; step++) {
      seen.push(planners[0].step);
      const table = gathered();
      build(table);
      expect(planners.map(({ decision, local }) => [decision.step, local.step])).toEqual(
        Array(RANKS).fill([seen[step], seen[step]]),
      );
      expect(planners[0].local.staging).toBe((step + 1) & 1);
    }
    expect(seen).toEqual([most - 2, most - 1, most, -most - 1, -most, -most + 1]);
  });

  it('is an int32', async () => {
    for (const firstStep of [0.5, 2 ** 31, '1' as unknown as number]) {
      await expect(createPlanner({ limits, firstStep })).rejects.toThrow('firstStep is');
    }
  });
});

/** The row of an idle rank at another's place. */
function idleRow(row: Int32Array): Int32Array {
  expect(row[word(VOTE_WORDS, 'control')]).toBe(ENUMS.CONTROL.run);
  return row.slice(0, WIDTH);
}
