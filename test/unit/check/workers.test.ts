import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CheckOptions, checkInSlices } from '../../../dist/check/check-policy.js';
import { CheckPool } from '../../../dist/check/check-pool.js';
import { exploreSlices, type SliceExplorer } from '../../../dist/check/explore.js';
import { type CheckReport, checkPolicy, HISTORICAL, standardDomain } from '../../../dist/check/index.js';
import type { SliceFindings } from '../../../dist/check/table-explorer.js';
import { tableAt, tableCount } from '../../../dist/check/tables.js';
import { loadModules } from '../../../dist/memory/modules.js';
import { cli, interruptCli } from '../../support/cli.js';

/** Threads that were started since the test began. */
let started = 0;
const count = (): void => {
  started += 1;
};
beforeEach(() => {
  started = 0;
  process.on('worker', count);
});
afterEach(() => process.off('worker', count));

/** A report without how long it took. */
async function reportOf(options: CheckOptions, sliceTables: number): Promise<Omit<CheckReport, 'seconds'>> {
  const { seconds, ...report } = await checkInSlices(options, sliceTables);
  expect(seconds).toBeGreaterThan(0);
  return report;
}

/** Every table in order: the states of the replicas, each at least the one before it. */
function tablesInOrder(states: number, replicas: number, least = 0): number[][] {
  if (replicas === 0) return [[]];
  return Array.from({ length: states - least }, (_, index) => least + index).flatMap((state) =>
    tablesInOrder(states, replicas - 1, state).map((rest) => [state, ...rest]),
  );
}

describe('slices of the tables', () => {
  test.each([
    [1, 3],
    [7, 1],
    [5, 2],
    [6, 4],
  ])('%i states on %i replicas: a place says which table it is', (states, replicas) => {
    const all = tablesInOrder(states, replicas);
    expect(all.length).toBe(tableCount(states, replicas));
    expect(all.map((_, place) => tableAt(place, states, replicas))).toEqual(all);
  });

  const NOTHING: SliceFindings = { violations: [], reached: [] };
  const options = { tables: 35, sliceTables: 10, afterUbatches: false, signal: undefined };

  test('are all explored once, and of two findings the earlier table counts, whoever comes first', async () => {
    const answered: number[] = [];
    // The first explorer keeps the slice at place 0 until all others are done.
    let release = (): void => {};
    const others = new Promise<void>((resolve) => {
      release = resolve;
    });
    const explorers: SliceExplorer[] = [0, 1].map(() => ({
      explore: async ({ first, count: tables }) => {
        if (first === 0) await others;
        answered.push(first);
        if (answered.length === 3) release();
        return first === 20 ? NOTHING : { violations: [{ property: 'P4', states: [first] }], reached: [tables] };
      },
    }));
    const progress: number[] = [];
    const explored = await exploreSlices(explorers, { ...options, progress: (states) => progress.push(states) });
    expect(answered).toEqual([10, 20, 30, 0]);
    expect(progress).toEqual([10, 20, 25, 35]);
    expect(explored).toMatchObject({ states: 35, complete: true, violations: [{ property: 'P4', states: [0] }] });
    expect([...explored.reached].sort()).toEqual([10, 5]);
  });

  test('are given out no longer once the signal says so', async () => {
    const controller = new AbortController();
    const explorer: SliceExplorer = { explore: async () => NOTHING };
    const explored = await exploreSlices([explorer, explorer], {
      ...options,
      signal: controller.signal,
      progress: () => controller.abort(),
    });
    // Both had one.
    expect(explored).toMatchObject({ states: 20, complete: false });
  });
});

describe('the report is the same whatever the number of workers', () => {
  test.each([
    [2, 2000, 18_264],
    [3, 1 << 16, 1_161_495],
  ])('the default policy up to %i ranks', async (ranks, sliceTables, states) => {
    const pair = standardDomain({});
    const alone = await reportOf({ pair, ranks, workers: 1 }, sliceTables);
    expect(started).toBe(0);
    expect(alone).toMatchObject({ states, complete: true, violations: [] });
    for (const workers of [2, 3]) {
      started = 0;
      expect(await reportOf({ pair, ranks, workers }, sliceTables)).toEqual(alone);
      expect(started).toBe(workers);
    }
  });

  test.each(HISTORICAL.map((policy) => [policy.name, policy] as const))('%s', async (_name, { pair: pairOf }) => {
    const pair = pairOf('before');
    const alone = await reportOf({ pair, workers: 1 }, 1 << 20);
    expect(alone.violations).not.toEqual([]);
    for (const workers of [1, 2, 3]) {
      started = 0;
      expect(await reportOf({ pair, workers }, 1000)).toEqual(alone);
      expect(started).toBe(workers === 1 ? 0 : workers);
    }
  });

  test('in both pasts, and with replicas', async () => {
    const pair = standardDomain({ ubatchHysteresis: 4, twins: false });
    const alone = await reportOf({ pair, ranks: 2, workers: 1 }, 1 << 20);
    expect(alone.violations).not.toEqual([]);
    expect(await reportOf({ pair, ranks: 2, workers: 2 }, 3000)).toEqual(alone);
    const replicas = { pair: standardDomain({ twins: false }), ranks: 2, replicaSize: 2 };
    const one = await reportOf({ ...replicas, workers: 1 }, 1 << 20);
    expect(one.violations).not.toEqual([]);
    started = 0;
    expect(await reportOf({ ...replicas, workers: 2 }, 200)).toEqual(one);
    expect(started).toBe(2);
  });

  test('a domain of one slice starts no thread', async () => {
    const { states } = await checkPolicy({ pair: standardDomain({}), ranks: 2, workers: 8 });
    expect(states).toBe(18_264);
    expect(started).toBe(0);
  });
});

test('aborted, workers end and the report says what they have seen', async () => {
  const controller = new AbortController();
  const ended: Promise<unknown>[] = [];
  const onWorker = (worker: import('node:worker_threads').Worker): void => {
    ended.push(new Promise((resolve) => worker.once('exit', resolve)));
  };
  process.on('worker', onWorker);
  const seen: number[] = [];
  const report = await checkPolicy({
    pair: standardDomain({}),
    ranks: 8,
    workers: 2,
    signal: controller.signal,
    onProgress: ({ states }) => {
      seen.push(states);
      if (states > 200_000) controller.abort();
    },
  });
  process.off('worker', onWorker);
  expect(ended.length).toBe(2);
  await Promise.all(ended);
  expect(report.complete).toBe(false);
  expect(report.states).toBe(seen.at(-1));
  expect(report.violations).toEqual([]);
});

test('a worker that fails fails the check', async () => {
  const { rules, metadata } = await loadModules();
  if (typeof metadata === 'function') throw new TypeError('the built-in module is none');
  // Each in the other's place.
  const modules = { rules: metadata, metadata: rules };
  await using pool = new CheckPool({ modules, pair: standardDomain({}), replicaSize: 1 });
  const [explorer] = pool.explorers(1, 1);
  const slice = { first: 0, count: 1, afterUbatches: false };
  await expect(explorer.explore(slice)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  // And goes on failing.
  await expect(explorer.explore(slice)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
});

test.each([0, 1.5, 257])('%d workers are refused', async (workers) => {
  const refused = checkPolicy({ pair: standardDomain({}), workers });
  await expect(refused).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  await expect(refused).rejects.toThrow(`workers is ${workers}`);
});

describe('lockstep check --workers', () => {
  const json = (workers: string, env: NodeJS.ProcessEnv = {}): object => {
    const args = ['check', '--ranks', '3', '--workers', workers, '--json'];
    const { stdout, status } = cli(args, '', { ...process.env, ...env });
    expect(status).toBe(0);
    const { seconds, ...report } = JSON.parse(stdout);
    expect(seconds).toBeGreaterThan(0);
    return report;
  };

  test('prints the same document, and loads no addon in any thread', () => {
    const refuse = 'process.dlopen = () => { throw new Error("an addon is loaded"); };';
    const noAddon = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(refuse)}` };
    expect(json('2', noAddon)).toEqual(json('1'));
  });

  test('interrupted, prints what its workers have seen', async () => {
    const args = ['check', '--ranks', '8', '--workers', '2', '--json'];
    const { status, stdout } = await interruptCli(args, 'SIGINT', false);
    expect(status).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ complete: false, violations: [] });
  });

  test('0 workers are bad input', () => {
    expect(cli(['check', '--workers', '0']).status).toBe(2);
  });
});
