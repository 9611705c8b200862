import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createThreadsGroup, superviseRanks, type ThreadsGroup } from '../../dist/index.js';
import { FULL_RUN, runs } from '../support/property-runs.js';

const entry = new URL('../fixtures/execution/capture-cases.mjs', import.meta.url);
const RANKS = 4;
const SIZES: readonly (readonly [requests: number, parts: number])[] = [
  [1, 1],
  [2, 1],
  [4, 1],
  [8, 1],
  [8, 2],
  [16, 1],
  [16, 2],
];

interface Result {
  readonly keys: readonly (readonly number[])[] | null;
  readonly captured?: readonly (readonly number[])[];
  readonly error: readonly [code: string, ranks: readonly number[] | number | null] | null;
  readonly graphs: number;
  readonly hash: number;
  readonly lost: number;
  readonly left: number;
}

/** What befalls one rank: nothing mostly. */
const mishap = <T>(arbitrary: fc.Arbitrary<T>, otherwise: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(otherwise) }, { weight: 1, arbitrary });

const rankCase = fc.record({
  keys: mishap(fc.shuffledSubarray([...SIZES], { minLength: 1 }), [...SIZES]),
  memoryLimit: mishap<number | null>(fc.integer({ min: 40_000, max: 400_000 }), null),
  greedy: mishap(fc.subarray([1, 2, 4, 8, 16]), []),
  breaksAt: mishap(fc.nat(30), -1),
  givesUpAt: mishap(fc.nat(14), -1),
  blocks: fc.boolean(),
});

const captureCase = fc.record({
  onAsymmetric: fc.constantFrom<'throw' | 'drop'>('drop', 'drop', 'throw'),
  ranks: fc.array(rankCase, { minLength: RANKS, maxLength: RANKS }),
});

/** The same typed error on all ranks, or the same keys; a rank that failed alone ends the group for the others. */
function check(results: readonly Result[], given: object): string {
  const say = (what: string): string => `${what}: ${JSON.stringify({ results, given })}`;
  const [first] = results as [Result];
  for (const { error, keys, captured, graphs, left } of results) {
    expect(left, say('memory is left')).toBe(0);
    expect(error === null, say('keys or an error')).toBe(keys !== null);
    expect(graphs, say('graphs are those of the plan')).toBe(keys?.length ?? 0);
    expect(new Set(captured?.map(String)), say('the report names what is held')).toEqual(
      new Set(keys?.map(String) ?? []),
    );
  }
  const codes = new Set(results.map(({ error }) => error?.[0] ?? 'none'));
  if (codes.has('none')) {
    for (const { keys, hash } of results)
      expect([keys, hash], say('all hold the same')).toEqual([first.keys, first.hash]);
    return first.lost > 0 ? 'lost twins' : 'held';
  }
  const shared = ['ERR_ABORTED', 'ERR_CAPTURE_ASYMMETRIC', 'ERR_RANKS_DIVERGED'];
  const [code] = codes as unknown as [string];
  if (codes.size === 1 && shared.includes(code)) {
    for (const { error } of results) expect(error, say('all name the same ranks')).toEqual(first.error);
    return code;
  }
  // One or more ranks broke alone, and every other lost them.
  const alone = results.filter(({ error }) => error?.[0] !== 'ERR_RANK_LOST');
  expect(alone.length, say('a rank broke first')).toBeGreaterThan(0);
  for (const { error } of alone) expect(['TypeError', 'ERR_DEVICE_MEMORY'], say('by itself')).toContain(error?.[0]);
  return 'broken';
}

it('all ranks end a capture with the same keys or the same typed error, and nothing is left: 1,000 cases', async () => {
  const cases = fc.sample(captureCase, { numRuns: runs(1000).numRuns as number, seed: runs(1).seed as number });
  const outcomes = new Map<string, number>();
  const batch = 50;
  for (let from = 0; from < cases.length; from += batch) {
    const some = cases.slice(from, from + batch);
    const groups: ThreadsGroup[] = some.map(() => createThreadsGroup(RANKS));
    const data = { cases: some.map((each, index) => ({ ...each, group: groups[index], timeoutMs: 20_000 })) };
    const results = await superviseRanks({ ranks: RANKS, entry, workerData: () => data });
    const byRank = results.map(({ value }) => value as Result[]);
    for (const [index, given] of some.entries()) {
      const outcome = check(
        byRank.map((rank) => rank[index] as Result),
        given,
      );
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  }
  if (!FULL_RUN) return;
  const kinds = ['ERR_ABORTED', 'ERR_CAPTURE_ASYMMETRIC', 'ERR_RANKS_DIVERGED', 'broken', 'held', 'lost twins'];
  expect([...outcomes.keys()].sort()).toEqual(kinds);
});
