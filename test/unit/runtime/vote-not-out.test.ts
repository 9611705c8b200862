import { describe, expect, it } from 'vitest';
import { createPlanner, type Row } from '../../../dist/entry/planner.js';
import { decodeRecording, openRecorder } from '../../../dist/entry/run.js';
import { createRank, createThreadsGroup, joinThreads, openDevice, type Rank } from '../../../dist/index.js';
import { TEST_DEVICE } from '../../support/device-fixture.js';

describe('a step that ends before its vote is out', () => {
  const limits = { maxNumSeqs: 4, maxNumBatchedTokens: 16, maxModelLen: 64, blockSize: 4, numBlocks: 32, queryLen: 1 };
  const aborted = AbortSignal.abort('enough');

  /** Rank 0 of a group with three decodes scheduled, and what is beside it. */
  async function made(ranks: number) {
    const group = createThreadsGroup(ranks);
    const members = await Promise.all(
      Array.from({ length: ranks }, async (_, index) => {
        const planner = await createPlanner({ limits, rank: index, ranks });
        const collective = joinThreads(group, index);
        const recorder = openRecorder({ planner, path: null });
        const device = openDevice({ device: TEST_DEVICE });
        return { planner, collective, recorder, rank: createRank({ planner, collective, recorder, device }) };
      }),
    );
    const [first] = members;
    const rows = [1, 2, 3].map((block) => first.planner.requests.add({ blockIds: [block], numComputedTokens: 2 }));
    const schedule = (each: Row): void => first.planner.requests.schedule(each, { phase: 'decode', queryLen: 1 });
    return { ...first, rows, schedule, peers: members.slice(1).map(({ rank }) => rank) };
  }

  const stepped = async (rank: Rank, peers: readonly Rank[]) => {
    const steps = await Promise.all([rank, ...peers].map((each) => each.step()));
    return steps[0].decision.snapshot();
  };

  it.each([1, 2])('by its signal keeps its batch, of %i ranks, and the next step runs it', async (ranks) => {
    const { rank, planner, recorder, rows, schedule, peers } = await made(ranks);
    const like = await made(ranks);
    for (const step of [0, 1]) {
      for (const row of rows) schedule(row);
      for (const row of like.rows) like.schedule(row);
      await expect(rank.step({ signal: aborted })).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' });
      expect(() => rank.stepSync({ signal: aborted })).toThrow(expect.objectContaining({ code: 'ERR_ABORTED' }));
      expect([planner.frozen, planner.scheduledTokens, planner.step]).toEqual([false, 3, step]);
      expect(rank.stats().faults).toBe(0);
      const decision = await stepped(rank, peers);
      expect(decision).toEqual(await stepped(like.rank, like.peers));
      expect(decision).toMatchObject({ step, run: 'eager', paddedTokens: 3 });
      expect([...planner.row]).toEqual([...like.planner.row]);
      expect(planner.decisionHash).toBe(like.planner.decisionHash);
    }
    const { records } = decodeRecording(recorder.bytes(), 'a recording');
    expect(records.map(({ step, state, error }) => [step, state, error])).toEqual([
      [0, 'launched', null],
      [1, 'launched', null],
    ]);
  });

  it('as the collective refuses the vote keeps its batch, which may be edited', async () => {
    const { rank, planner, collective, rows, schedule, peers } = await made(2);
    schedule(rows[0]);
    const table = new Int32Array(2 * collective.rowWords);
    const own = collective.allGather(new Int32Array(collective.rowWords), table);
    expect(() => rank.stepSync()).toThrow(expect.objectContaining({ code: 'ERR_STEP_ORDER' }));
    expect([planner.frozen, planner.scheduledTokens, planner.step]).toEqual([false, 1, 0]);
    await Promise.all([own, peers[0].collective.allGather(new Int32Array(collective.rowWords), table)]);
    schedule(rows[1]);
    expect(await stepped(rank, peers)).toMatchObject({ step: 0, paddedTokens: 2 });
    expect(planner.scheduledTokens).toBe(0);
  });

  it('because of a vote that its caller cast ends that one, and the next step is taken', async () => {
    const { rank, planner, rows, schedule, peers } = await made(1);
    schedule(rows[0]);
    planner.table.set(planner.vote());
    planner.resolve(planner.table);
    expect(() => rank.stepSync()).toThrow(expect.objectContaining({ code: 'ERR_STATE_FROZEN' }));
    expect(planner.frozen).toBe(false);
    schedule(rows[1]);
    expect(await stepped(rank, peers)).toMatchObject({ step: 0, paddedTokens: 1 });
  });

  it('by its signal in a park wakes no other rank', async () => {
    const { rank, planner, rows, schedule, peers } = await made(2);
    expect(await stepped(rank, peers)).toMatchObject({ run: 'park' });
    const peer = peers[0].step();
    schedule(rows[0]);
    await expect(rank.step({ signal: aborted })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect([rank.stats().parked, planner.scheduledTokens]).toEqual([true, 1]);
    await new Promise((resolve) => setTimeout(resolve, 120));
    expect(peers[0].stats().parked).toBe(true);
    const { decision } = await rank.step();
    expect(decision).toMatchObject({ step: 1, run: 'eager', paddedTokens: 1 });
    expect((await peer).decision.step).toBe(1);
  });
});
