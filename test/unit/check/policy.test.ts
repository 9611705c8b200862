import { describe, expect, test } from 'vitest';
import {
  type CheckedPair,
  type CheckReport,
  checkPolicy,
  HISTORICAL,
  standardDomain,
} from '../../../dist/check/index.js';
import { PROPERTIES, type Property } from '../../../dist/check/properties.js';
import { namedPolicy, policyNames } from '../../../dist/engines/policies.js';
import { keyKind } from '../../../dist/keys/capture-key.js';
import { PAIRS, pairOver } from '../../support/check-fixture.js';
import { FULL_RUN } from '../../support/property-runs.js';

const found = ({ violations }: CheckReport): Property[] => violations.map(({ property }) => property);

/** Multisets of `size` out of `count`, by Pascal's rule. */
function multisets(count: number, size: number): number {
  if (size === 0) return 1;
  return count === 0 ? 0 : multisets(count - 1, size) + multisets(count, size - 1);
}

/** Every table of up to `ranks` ranks, in each past, and every key's capture with room on 0 to all ranks, asked two ways. */
function expectedStates({ domain, ranks }: CheckReport): number {
  const { replicaSize } = domain;
  let states = 0;
  for (let size = replicaSize; size <= ranks; size += replicaSize) {
    const tables = multisets(domain.localStates, size / replicaSize);
    states += (domain.hysteresis ? 2 : 1) * tables + 2 * domain.keys * (size + 1);
  }
  return states;
}

describe('the default policy', () => {
  test('up to three ranks: the whole domain, and nothing is violated', async () => {
    const progress: { states: number; total: number }[] = [];
    const report = await checkPolicy({
      pair: standardDomain({}),
      ranks: 3,
      onProgress: (now) => progress.push(now),
    });
    expect(report).toMatchObject({ policy: 'lockstep', ranks: 3, complete: true, properties: PROPERTIES });
    expect(report.violations).toEqual([]);
    expect(report.domain.localStates).toBeGreaterThanOrEqual(150);
    expect(report.states).toBe(expectedStates(report));
    for (const [index, { states, total }] of progress.entries()) {
      expect(total).toBe(report.states);
      expect(states).toBeGreaterThan(progress[index - 1]?.states ?? 0);
    }
    expect(progress.at(-1)?.states).toBe(report.states);
  });

  // Forty million tables.
  test.runIf(FULL_RUN)(
    'up to four ranks',
    async () => {
      const report = await checkPolicy({ pair: standardDomain({}), ranks: 4 });
      expect(report.violations).toEqual([]);
      expect(report.complete).toBe(true);
      expect(report.states).toBe(expectedStates(report));
      expect(report.states).toBeGreaterThan(40_000_000);
    },
    300_000,
  );

  test('is explored with two micro-batches, which it leaves off in serving', () => {
    expect(standardDomain({}).policy.ubatches).toBe(2);
    expect(standardDomain({ ubatches: 4 }).policy.ubatches).toBe(4);
    expect(standardDomain({}, { ubatches: 1 }).policy.ubatches).toBe(1);
  });

  test.each([
    [2, 2],
    [4, 2],
    [3, 3],
  ])('%i ranks in replicas of %i: the whole domain, and nothing is violated', async (ranks, replicaSize) => {
    const report = await checkPolicy({ pair: standardDomain({}), ranks, replicaSize });
    expect(report).toMatchObject({ ranks, complete: true, violations: [], domain: { replicaSize } });
    expect(report.states).toBe(expectedStates(report));
  });

  test.each(policyNames())('%s under another name has the same domain', (name) => {
    const named = namedPolicy(name);
    const { policy, ...rest } = standardDomain({ ...named, name: 'mine' });
    expect({ ...rest, policy: { ...policy, name } }).toEqual(standardDomain(named));
  });
});

describe('other choices', () => {
  const ours = PAIRS.filter(([name]) => !name.endsWith(', fixed'));

  test.each(ours)('%s: nothing is violated on up to two ranks', async (_name, pair) => {
    const report = await checkPolicy({ pair });
    expect(report.violations).toEqual([]);
    expect(report.states).toBe(expectedStates(report));
  });

  test('with hysteresis every table is met after a plain step and after one in micro-batches', async () => {
    const without = await checkPolicy({ pair: standardDomain({}) });
    const report = await checkPolicy({ pair: standardDomain({ ubatchHysteresis: 4 }) });
    expect(without.domain.hysteresis).toBe(false);
    expect(report.domain.hysteresis).toBe(true);
    expect(report.states).toBe(expectedStates(report));
    // The threshold that holds after micro-batches, 4 tokens, has a key with them that would be unreachable without that past.
    expect(report.domain.keys).toBe(without.domain.keys + 1);
    expect(found(report)).toEqual([]);
  });

  test.each(standardDomain({}).plan.keys.map((key, index) => [index, key] as const))(
    'key %i dropped everywhere breaks nothing, but for steps it alone could hold',
    async (index, key) => {
      const pair = pairOver({}, (keys) => keys.filter((_, other) => other !== index));
      const properties = found(await checkPolicy({ pair }));
      // Without a plain key, what its ubatched twin could hold runs eager: the reason says which graph is missing.
      const alone = keyKind(key) === 'decode' && key.parts === 1 && key.tokens === 16;
      expect(properties).toEqual(alone ? ['P6'] : []);
    },
  );
});

describe('rules as they once were', () => {
  const pairs = HISTORICAL.map((policy) => [policy.name, policy] as const);

  test.each(pairs)('%s violates what it is known for, and no fewer ranks do', async (_name, { expects, pair }) => {
    const report = await checkPolicy({ pair: pair('before') });
    expect(report.complete).toBe(true);
    expect(found(report)).toEqual(expect.arrayContaining([...expects]));
    for (const { property, ranks } of report.violations) {
      // P10 is about all that was explored.
      if (property === 'P10' || ranks === 1) continue;
      expect(found(await checkPolicy({ pair: pair('before'), ranks: ranks - 1 }))).not.toContain(property);
    }
  });

  test.each(pairs)('%s: its fix brings back what it violated', async (_name, { expects, pair }) => {
    const report = await checkPolicy({ pair: pair('fixed') });
    expect(report.complete).toBe(true);
    for (const property of expects) expect(found(report)).not.toContain(property);
  });

  test.each(pairs)('%s: each rank of a trace votes, and acts in its own lines', async (_name, { pair }) => {
    for (const { ranks, trace, property } of (await checkPolicy({ pair: pair('before') })).violations) {
      expect(trace.at(-1)?.phase).toBe('end');
      const voting = trace.filter(({ phase }) => phase === 'vote');
      if (voting.length === 0) continue;
      expect(voting.map(({ rank }) => rank)).toEqual([...Array(ranks).keys()]);
      expect(trace.at(-1)?.text).toMatch(new RegExp(`^violates ${property}: `));
      const acting = trace.filter(({ phase }) => phase === 'run').map(({ rank }) => rank);
      expect(acting).toEqual([...Array(ranks).keys()]);
    }
  });

  test.each([{ graphLookup: 'own' }, { idleRanks: 'return' }, { dummies: 'eager' }, { dummies: 'one-token' }] as const)(
    '$graphLookup$idleRanks$dummies under any policy leaves ranks in different collectives',
    async (rule) => {
      for (const name of policyNames()) {
        const { violations } = await checkPolicy({ pair: standardDomain({ ...namedPolicy(name), ...rule }) });
        expect(violations.find(({ property }) => property === 'P2')?.ranks, name).toBe(2);
      }
    },
  );

  test('the deadlock of a capture is a state in which a rank waits', async () => {
    const { pair } = HISTORICAL.find(({ name }) => name === 'trtllm-before-14986') as (typeof HISTORICAL)[number];
    const { violations } = await checkPolicy({ pair: pair('before') });
    const p2 = violations.find(({ property }) => property === 'P2');
    expect(p2?.ranks).toBe(2);
    expect(p2?.trace.map(({ phase, rank, text }) => `${phase} ${rank}: ${text}`)).toEqual([
      'capture 0: has no KV space for key 0 (16 tokens)',
      'capture 1: has KV space for key 0 (16 tokens)',
      'capture 0: skips the key and goes on to the next collective',
      'capture 1: enters the collectives of the forward of key 0 (16 tokens)',
      'end 1: waits for ever in the forward of key 0 (16 tokens): not every rank can enter it',
    ]);
  });
});

test('aborted, it reports what it has seen, and that this is not all', async () => {
  const controller = new AbortController();
  const pair: CheckedPair = standardDomain({});
  const report = await checkPolicy({
    pair,
    ranks: 8,
    signal: controller.signal,
    onProgress: ({ states }) => {
      if (states > 100_000) controller.abort();
    },
  });
  expect(report.complete).toBe(false);
  expect(report.states).toBeGreaterThan(100_000);
  // Not all tables were met, so that nothing can be said of keys that none has run on.
  expect(found(report)).not.toContain('P10');
});

test.each([
  [3, 2],
  [2, 4],
  [2, 0],
])('%d ranks in replicas of %d are refused', async (ranks, replicaSize) => {
  const refused = checkPolicy({ pair: standardDomain({}), ranks, replicaSize });
  await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  await expect(refused).rejects.toThrow('replicaSize');
});

test('in a trace of replicas each rank votes for itself', async () => {
  const pair = standardDomain({ twins: false });
  const { violations } = await checkPolicy({ pair, ranks: 2, replicaSize: 2 });
  expect(violations.map(({ property }) => property)).toEqual(['P6']);
  const votes = violations[0].trace.filter(({ phase }) => phase === 'vote');
  expect(votes.map(({ rank }) => rank)).toEqual([0, 1]);
  // One batch.
  expect(new Set(votes.map(({ text }) => text.replace(/,.*$/, ''))).size).toBe(1);
});

test.each([0, 9, 1.5])('%d ranks are refused', async (ranks) => {
  await expect(checkPolicy({ pair: standardDomain({}), ranks })).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
});
