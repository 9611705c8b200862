import { describe, expect, it } from 'vitest';
import { type CaptureKey, decodeKey, mixedKey, type Policy, piecewiseKey } from '../../../dist/entry/planner.js';
import { superviseRanks } from '../../../dist/ranks/index.js';

const entry = new URL('../../fixtures/execution/expert-rank.mjs', import.meta.url);
const limits = { maxNumSeqs: 6, maxNumBatchedTokens: 32, maxModelLen: 64, blockSize: 4, numBlocks: 64, queryLen: 1 };

interface Report {
  readonly runs: readonly string[];
  readonly mismatches: number;
  readonly collectiveCounts: { readonly inGraphs: number; readonly eager: number };
  readonly graphs: readonly number[];
}

/** Steps: for each rank the tokens of its requests, where one token is a decode. */
type Batches = readonly (readonly (readonly number[])[])[];

async function run(
  ranks: number,
  keys: readonly CaptureKey[],
  batches: Batches,
  given: { readonly policy?: Partial<Policy>; readonly fault?: string } = {},
): Promise<Report[]> {
  const results = await superviseRanks({
    ranks,
    entry,
    workerData: () => ({ keys, batches, limits, ...given }),
    signal: AbortSignal.timeout(120_000),
    graceMs: 10_000,
  });
  return results.map(({ value }) => value as Report);
}

const decodes = (count: number): number[] => new Array<number>(count).fill(1);
const twoParts = { ubatches: 2, ubatchThresholdDecode: 4, ubatchThresholdPrefill: 8 };
const pairs = [1, 2, 3, 4].flatMap((first) => [1, 2, 3, 4].map((second) => [decodes(first), decodes(second)]));

describe('a graph of each kind, replayed with every batch that fits it', () => {
  it.each<[string, CaptureKey, Batches, string, Partial<Policy>]>([
    ['decode', decodeKey(4, 1, 1), pairs, 'full 1', {}],
    [
      'two parts',
      decodeKey(4, 1, 2),
      [[decodes(4), decodes(4)], ...pairs.slice(-1), [decodes(4), decodes(4)]],
      'full 2',
      twoParts,
    ],
    [
      'mixed',
      mixedKey(16, 2, 3, 1),
      [
        [
          [1, 1, 9],
          [2, 3],
        ],
        [[16], [5, 7]],
        [
          [1, 5],
          [1, 1, 1, 12],
        ],
      ],
      'full 1',
      {},
    ],
    [
      'piecewise',
      piecewiseKey(16),
      [
        [
          [1, 9],
          [2, 3],
        ],
        [[16], [3, 3]],
        [[2, 2, 2], [10]],
      ],
      'piecewise 1',
      {},
    ],
  ])('%s: two ranks, cut at each collective', async (_name, key, batches, expected, policy) => {
    const reports = await run(2, [key], batches, { policy });
    for (const { runs, mismatches, collectiveCounts } of reports) {
      expect(runs).toEqual(batches.map(() => expected));
      expect(mismatches).toBe(0);
      expect(collectiveCounts).toEqual({ inGraphs: 0, eager: batches.length * 2 * Number(expected.at(-1)) });
    }
  });

  it('holds its collectives where a rank is alone, and is cut in three where ranks must meet', async () => {
    const batches = [1, 2, 3, 4].map((count) => [decodes(count)]);
    const [alone] = await run(1, [decodeKey(4, 1, 1)], batches);
    expect(alone).toMatchObject({ mismatches: 0, graphs: [1], collectiveCounts: { inGraphs: 8, eager: 0 } });
    const [two] = await run(2, [decodeKey(4, 1, 1)], pairs);
    expect(two?.graphs).toEqual([3]);
  });

  it('and eager steps, of ranks with unequal batches or none, one part or two', async () => {
    const batches = [
      [[3], [8, 2], [], [1]],
      [[], [16], [5, 5], []],
      [
        [9, 9],
        [8, 8],
        [7, 9],
        [12, 4],
      ],
    ];
    for (const { mismatches, runs, collectiveCounts } of await run(4, [], batches, { policy: twoParts })) {
      expect(mismatches).toBe(0);
      expect(runs).toEqual(['eager 1', 'eager 2', 'eager 2']);
      expect(collectiveCounts).toEqual({ inGraphs: 0, eager: 10 });
    }
  });
});

describe('a mistake of a collective is found', () => {
  const batches = Array.from({ length: 6 }, () => [decodes(4), decodes(4)]);

  it.each(['wrong gather', 'missing rank', 'stale', 'lost share'])('%s', async (fault) => {
    const reports = await run(2, [decodeKey(4, 1, 1)], batches, { fault });
    expect(reports.reduce((sum, { mismatches }) => sum + mismatches, 0)).toBeGreaterThan(0);
  });

  it('swapped parts', async () => {
    const reports = await run(2, [decodeKey(4, 1, 2)], batches, { fault: 'swapped parts', policy: twoParts });
    expect(reports.reduce((sum, { mismatches }) => sum + mismatches, 0)).toBeGreaterThan(0);
  });
});
