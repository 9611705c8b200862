import { afterEach, describe, expect, it } from 'vitest';
import { createPlanner, decodeKey, type StepPlanner } from '../../../dist/entry/planner.js';
import {
  createRank,
  createSolo,
  createThreadsGroup,
  type Device,
  type Executor,
  type Forward,
  openDevice,
  type Rank,
  type RankOptions,
} from '../../../dist/index.js';
import { type Collective, joinThreads } from '../../../dist/ranks/index.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';

const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 64, blockSize: 4, numBlocks: 32, queryLen: 1 };
const KEYS = [decodeKey(1, 1, 1), decodeKey(2, 1, 1), decodeKey(4, 1, 1)];
const RANKS = 2;

interface Member {
  readonly rank: Rank;
  readonly planner: StepPlanner;
  readonly device: Device;
  readonly collective: Collective;
}

const made: Member[] = [];
afterEach(() => {
  for (const { rank, collective, device, planner } of made.splice(0)) {
    for (const part of [rank, collective, device, planner]) part.dispose();
  }
});

/** A model that writes one word. */
function fill(executor: Executor): Forward {
  const buffer = executor.device.allocate(4);
  return { part: (stream) => stream.launch(executor.kernels.kernel('fill'), [buffer, 1, 1]) };
}

/** Two ranks on this thread: only asynchronous forms let both go on. */
async function pair(options: Partial<RankOptions> = {}): Promise<[Member, Member]> {
  const group = createThreadsGroup(RANKS);
  const member = async (rank: number): Promise<Member> => {
    const planner = await createPlanner({ limits, plan: { keys: KEYS }, rank, ranks: RANKS });
    const device = openDevice({ device: TEST_DEVICE });
    const collective = joinThreads(group, rank);
    const member = {
      rank: createRank({ planner, device, collective, forward: fill, ...options }),
      planner,
      device,
      collective,
    };
    made.push(member);
    return member;
  };
  return [await member(0), await member(1)];
}

describe('a capture that leaves the event loop free', () => {
  it('makes what one that blocks makes, and the ranks step on its graphs', async () => {
    const [a, b] = await pair();
    const stages: string[] = [];
    const onProgress = ({ stage, key }: { stage: string; key: { tokens: number } }): void =>
      void stages.push(`${stage} ${key.tokens}`);
    const [report, other] = await Promise.all([a.rank.capture({ onProgress }), b.rank.capture()]);
    const largestFirst = [4, 2, 1];
    expect(stages).toEqual(['warm-up', 'capture'].flatMap((stage) => largestFirst.map((size) => `${stage} ${size}`)));
    for (const { captured } of [report, other]) expect(captured.map(({ key }) => key.tokens)).toEqual(largestFirst);
    expect(b.planner.planHash).toBe(a.planner.planHash);
    for (const [index, { planner }] of [a, b].entries()) {
      const row = planner.requests.add({ blockIds: [1 + index] });
      planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
    }
    const steps = await Promise.all([a.rank.step(), b.rank.step()]);
    for (const { decision } of steps) expect(decision.run).toBe('full');
  });

  it('lets timers run while a peer has not come, and takes no step meanwhile', async () => {
    const [a, b] = await pair();
    const capture = a.rank.capture();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    while (ticks < 5) await new Promise((resolve) => setTimeout(resolve, 1));
    clearInterval(timer);
    const busy = { code: 'ERR_STEP_ORDER' };
    await expect(a.rank.step()).rejects.toMatchObject(busy);
    await expect(a.rank.capture()).rejects.toMatchObject(busy);
    expect(() => a.rank.captureSync()).toThrow(expect.objectContaining(busy));
    await b.rank.capture();
    expect((await capture).captured).toHaveLength(KEYS.length);
  });

  it('does not begin while a step is under way', async () => {
    const [a, b] = await pair();
    await Promise.all([a.rank.capture(), b.rank.capture()]);
    const step = a.rank.step();
    await expect(a.rank.capture()).rejects.toMatchObject({ code: 'ERR_STEP_ORDER' });
    const [parked] = await Promise.all([step, b.rank.step()]);
    expect(parked.decision.run).toBe('park');
  });

  it.each([
    ['while it waits for a peer', 0],
    ['when all are warm', KEYS.length],
    ['when one is captured', KEYS.length + 1],
  ])('ends on all ranks where one is aborted between two keys, %s, and all can capture again', async (_when, at) => {
    const [a, b] = await pair();
    const before = [a, b].map(({ device }) => device.memory());
    const controller = new AbortController();
    let seen = 0;
    const onProgress = (): void => {
      seen++;
      if (seen === at) controller.abort();
    };
    const first = a.rank.capture({ onProgress, signal: controller.signal });
    if (at === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    if (at === 0) controller.abort();
    const ends = await Promise.allSettled([first, b.rank.capture()]);
    for (const end of ends) expect(end).toMatchObject({ reason: { code: 'ERR_ABORTED', details: { ranks: [0] } } });
    expect(seen).toBe(at);
    for (const [index, { device }] of [a, b].entries()) {
      expect(device.memory()).toMatchObject({ allocatedBytes: before[index]?.allocatedBytes, graphs: 0 });
    }
    const again = await Promise.all([a.rank.capture(), b.rank.capture()]);
    for (const { captured } of again) expect(captured).toHaveLength(KEYS.length);
  });

  it('names the peer that does not come by the deadline of this capture', async () => {
    const [a, b] = await pair();
    await expect(a.rank.capture({ timeoutMs: 20 })).rejects.toMatchObject({
      code: 'ERR_COLLECTIVE_TIMEOUT',
      details: { timeoutMs: 20, missing: [{ rank: 1 }] },
    });
    await expect(b.rank.capture()).rejects.toMatchObject({ code: 'ERR_RANK_LOST', details: { rank: 0 } });
  });

  it('ends at once with its rank, which leaves nothing on the device, and tells the others', async () => {
    const [a, b] = await pair({ timeoutMs: 3_600_000 });
    let captures = 0;
    const onProgress = ({ stage }: { stage: string }): void => {
      if (stage === 'capture' && ++captures === 2) queueMicrotask(() => a.rank.dispose());
    };
    const ends = await Promise.allSettled([a.rank.capture({ onProgress }), b.rank.capture()]);
    expect(ends).toMatchObject([
      { reason: { code: 'ERR_DISPOSED' } },
      { reason: { code: 'ERR_RANK_LOST', details: { rank: 0, causeCode: 'ERR_DISPOSED' } } },
    ]);
    // The forward's own buffer alone is left.
    expect(a.device.memory()).toMatchObject({ graphs: 0, buffers: 1 });
  });

  it.each([1, 2, 3, 4, 5, 6])('ends with its rank in the callback %i of 6, in either form', async (at) => {
    for (const how of ['capture', 'captureSync'] as const) {
      using planner = await createPlanner({ limits, plan: { keys: KEYS } });
      using device = openDevice({ device: TEST_DEVICE });
      const rank = createRank({ planner, device, collective: createSolo(), forward: fill });
      let seen = 0;
      const onProgress = (): void => {
        if (++seen === at) rank.dispose();
      };
      const disposed = { code: 'ERR_DISPOSED', message: expect.stringContaining('make a new one on a new device') };
      await expect((async () => rank[how]({ onProgress }))()).rejects.toMatchObject(disposed);
      expect(seen).toBe(at);
      expect(planner.plan.keys).toHaveLength(KEYS.length);
      expect(device.memory()).toMatchObject({ graphs: 0, graphBytes: 0, buffers: 1 });
    }
  });

  it('ends with its rank and its device, whichever wait it is in', async () => {
    for (const turns of [0, 1, 2, 5, 10, 20, 40]) {
      const [a, b] = await pair({ timeoutMs: 3_600_000 });
      const ends = Promise.allSettled([a.rank.capture(), b.rank.capture()]);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      a.rank.dispose();
      a.device.dispose();
      expect(await ends).toMatchObject([
        { reason: { code: 'ERR_DISPOSED', details: { rank: 0 } } },
        { reason: { code: 'ERR_RANK_LOST', details: { rank: 0 } } },
      ]);
    }
  });

  it.each([
    ['at once', 0],
    ['at the last key', 2 * KEYS.length],
  ])('refuses keys that its caller changed meanwhile, %s, and keeps no graph of them', async (_when, at) => {
    const [a, b] = await pair();
    let seen = 0;
    const onProgress = (): void => {
      if (++seen === at) a.planner.keepKeys([0, 1]);
    };
    const captures = [a.rank.capture({ onProgress }), b.rank.capture()];
    if (at === 0) a.planner.keepKeys([0, 1]);
    const [own, peer] = await Promise.allSettled(captures);
    expect(own).toMatchObject({ reason: { code: 'ERR_STEP_ORDER', message: expect.stringMatching(/keepKeys/) } });
    if (at === 0) expect(peer).toMatchObject({ reason: { code: 'ERR_RANK_LOST', details: { rank: 0 } } });
    else await expect(b.rank.step()).rejects.toMatchObject({ code: 'ERR_RANK_LOST', details: { rank: 0 } });
    expect(a.device.memory().graphs).toBe(0);
  });
});
