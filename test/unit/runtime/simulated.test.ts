import { afterEach, describe, expect, it } from 'vitest';
import { createPlanner, type Row, type StepPlanner, VOTE_WORDS } from '../../../dist/entry/planner.js';
import {
  agreeOnCapture,
  type Collective,
  createRank,
  createThreadsGroup,
  openDevice,
  type Rank,
} from '../../../dist/index.js';
import { joinThreads } from '../../../dist/ranks/index.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';
import { Network } from '../../support/simulation/network.js';
import { Simulation } from '../../support/simulation/scheduler.js';

const RANKS = 3;
const TIMEOUT_MS = 30_000;
const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 64, blockSize: 4, numBlocks: 32, queryLen: 1 };

/** How the rows of the ranks travel; both are the shipped transports, in the simulation's time. */
const TRANSPORTS = ['shared memory', 'messages'] as const;

const made: Disposable[] = [];
afterEach(() => {
  for (const part of made.splice(0).reverse()) part[Symbol.dispose]();
});

interface Group {
  readonly simulation: Simulation;
  readonly network: Network | null;
  readonly collectives: readonly Collective[];
  readonly ranks: readonly Rank[];
}

async function group(transport: (typeof TRANSPORTS)[number], seed: number): Promise<Group> {
  const simulation = new Simulation(seed);
  const { timing } = simulation;
  const network = transport === 'messages' ? new Network(simulation, RANKS, VOTE_WORDS.length, 5) : null;
  const threads = createThreadsGroup(RANKS);
  const numbers = Array.from({ length: RANKS }, (_, rank) => rank);
  const collectives = numbers.map((rank) => network?.join(rank) ?? joinThreads(threads, rank, { timing }));
  const ranks: Rank[] = [];
  for (const rank of numbers) {
    const planner = await createPlanner({ limits, rank, ranks: RANKS });
    const device = openDevice({ device: TEST_DEVICE });
    ranks.push(createRank({ planner, device, collective: collectives[rank], timeoutMs: TIMEOUT_MS }));
    made.push(planner, device, ranks[rank]);
  }
  return { simulation, network, collectives, ranks };
}

/** Steps with a decode of one request each; between two, the rank computes for a time that the seed draws. */
async function steps(simulation: Simulation, rank: Rank, count: number): Promise<string[]> {
  const row = added(rank.planner);
  const taken: string[] = [];
  for (let step = 0; step < count; step++) {
    await simulation.sleep(simulation.random.uniform() * 20);
    rank.planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    const { decision } = await rank.step();
    taken.push(`${decision.step} ${decision.run} ${decision.paddedTokens}`);
    rank.planner.requests.advance(row, 1);
  }
  return taken;
}

const added = (planner: StepPlanner): Row =>
  planner.requests.add({ blockIds: Array.from({ length: 10 }, (_, block) => 10 * planner.rank + block + 1) });

/** What `run` took of the real clock must be next to nothing beside the time that passed in it. Returns what it returned. */
async function inNoTime<T>(simulation: Simulation, run: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await run();
  expect(performance.now() - start).toBeLessThan(simulation.time / 4);
  return result;
}

describe.each(TRANSPORTS)('ranks in a simulated time, over %s', (transport) => {
  it('take the same decisions, and a seed gives the same run again', async () => {
    const runs = [];
    for (const seed of [1, 1, 2]) {
      const { simulation, ranks } = await group(transport, seed);
      const results = await simulation.run(ranks.map((rank) => () => steps(simulation, rank, 30)));
      const [first, ...others] = results.map((result) =>
        result.status === 'fulfilled' ? result.value : result.reason,
      );
      expect(first).toHaveLength(30);
      for (const other of others) expect(other).toEqual(first);
      runs.push(simulation.trace);
    }
    expect(runs[1]).toBe(runs[0]);
    expect(runs[2]).not.toBe(runs[0]);
  });

  it('name the rank that stalls, once the deadline has passed in that time', async () => {
    const { simulation, ranks } = await group(transport, 3);
    let since = 0;
    const tasks = ranks.map((rank, index) => async () => {
      await steps(simulation, rank, 5);
      if (index === 1) return;
      since = simulation.time;
      await steps(simulation, rank, 1);
    });
    const results = await inNoTime(simulation, () => simulation.run(tasks));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected']);
    const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    const timeout = reasons.find(({ code }) => code === 'ERR_COLLECTIVE_TIMEOUT');
    expect(timeout?.details).toMatchObject({ sequence: 6, missing: [{ rank: 1, sequence: 5 }] });
    expect(reasons.find((reason) => reason !== timeout)?.code).toMatch(/ERR_RANK_LOST|ERR_COLLECTIVE_TIMEOUT/);
    expect(simulation.time).toBeGreaterThan(since + TIMEOUT_MS - 100);
    expect(simulation.time).toBeLessThan(since + TIMEOUT_MS + 1000);
  });

  it('park while nobody has work, for minutes, and work of one ends it for all', async () => {
    const { simulation, ranks } = await group(transport, 4);
    const AWAY_MS = 600_000;
    const bring = async (): Promise<string[]> => {
      await simulation.sleep(AWAY_MS);
      ranks[2].planner.requests.schedule(added(ranks[2].planner), { phase: 'decode', queryLen: 1 });
      ranks[2].collective.wake();
      return [];
    };
    const idle = ranks.map((rank) => async () => {
      const parked = (await rank.step()).decision.run;
      return [parked, (await rank.step()).decision.run];
    });
    const results = await inNoTime(simulation, () => simulation.run([...idle, bring]));
    for (const result of results.slice(0, RANKS)) expect(result).toMatchObject({ value: ['park', 'eager'] });
    expect(simulation.time).toBeGreaterThanOrEqual(AWAY_MS);
  });

  it('are refused alike by the guard where one lacks memory', async () => {
    const { simulation, collectives } = await group(transport, 5);
    const tasks = collectives.map((collective, rank) => async () => {
      await simulation.sleep(simulation.random.uniform() * 20);
      const ready = {
        key: 7,
        ready: rank !== 2,
        lackingBytes: rank === 2 ? 64 : 0,
        reason: rank === 2 ? 'memory' : 'nothing',
      } as const;
      return await agreeOnCapture(collective, ready, { onAsymmetric: 'throw' });
    });
    for (const result of await simulation.run(tasks)) {
      expect(result).toMatchObject({
        reason: { code: 'ERR_CAPTURE_ASYMMETRIC', details: { key: 7, lacking: [{ rank: 2 }] } },
      });
    }
  });
});

it('a rank whose process ends is named by all others, long before the deadline', async () => {
  const { simulation, network, ranks } = await group('messages', 6);
  const tasks = ranks.map((rank) => () => steps(simulation, rank, 1000));
  const reaper = async (): Promise<string[]> => {
    await simulation.sleep(100);
    network?.kill(1);
    return [];
  };
  const results = await simulation.run([...tasks, reaper]);
  for (const rank of [0, 2]) {
    expect(results[rank]).toMatchObject({ reason: { code: 'ERR_RANK_LOST', details: { rank: 1 } } });
  }
  expect(simulation.time).toBeLessThan(1000);
});
