import { describe, expect, it } from 'vitest';
import { compareRecordings, type Recording } from '../../../dist/entry/run.js';
import { RANKS, RecordedRanks } from '../../support/recorded-ranks.js';

describe('recordings of one group, compared for who left first,', () => {
  it('that ended together name nobody', async () => {
    const group = await RecordedRanks.make();
    for (let step = 0; step < 20; step++) group.step();
    expect(group.compare()).toMatchObject({ ranks: RANKS, missing: [], difference: null, first: null, culprits: [] });
  });

  it.each(['voted', 'gathered', 'built'])('name the rank that stopped once it had %s', async (state) => {
    const group = await RecordedRanks.make();
    for (let step = 0; step < 5; step++) group.step();
    group.step((rank) => (rank === 2 ? state : 'launched'));
    group.step((rank) => (rank === 2 ? 'none' : 'voted'));
    group.lose('ERR_RANK_LOST', [0, 1, 3]);
    const { first, culprits, difference, last } = group.compare();
    expect(difference).toBeNull();
    expect(first).toMatchObject({
      rank: 2,
      step: 5,
      sequence: 6,
      state,
      vote: { control: 'run', tokens: 1, decodes: 1 },
    });
    expect(culprits).toEqual([2]);
    expect(last).toHaveLength(RANKS);
  });

  it('name nobody while no rank has an error: those behind may be about to go on, or all were killed at once', async () => {
    for (const [states, behind] of [
      [['voted', 'gathered', 'built', 'launched'], [0]],
      [
        ['none', 'none', 'voted', 'voted'],
        [0, 1],
      ],
      [['voted', 'none', 'voted', 'voted'], [1]],
      [['built', 'built', 'built', 'built'], []],
    ] as const) {
      const group = await RecordedRanks.make();
      group.step();
      group.step((rank) => states[rank] as string);
      expect(group.compare()).toMatchObject({ first: null, behind, apart: false, culprits: [] });
    }
  });

  it('name the rank whose recorder was disposed of before its peers voted on', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.step((rank) => (rank === 2 ? 'none' : 'voted'));
    group.recorders[2]?.[Symbol.dispose]();
    expect(group.compare()).toMatchObject({ first: { rank: 2, sequence: 1 }, culprits: [2] });
  });

  it('name nobody where they are of different moments, but one that failed by itself', async () => {
    const group = await RecordedRanks.make();
    group.step();
    const [early] = group.read() as [Recording];
    for (let step = 0; step < 3; step++) group.step();
    const later = (): Recording[] => [early, ...group.read().slice(1)];
    expect(compareRecordings(later())).toMatchObject({ first: null, behind: [], apart: true, culprits: [] });
    group.step(() => 'built');
    group.lose('ERR_RANK_LOST', [1, 2]);
    expect(compareRecordings(later())).toMatchObject({ first: null, behind: [], apart: true, culprits: [] });
    group.lose('ERR_DEVICE_LOST', [3]);
    expect(compareRecordings(later())).toMatchObject({ first: { rank: 3 }, apart: true, culprits: [3] });
  });

  it('name the rank that was killed between steps: its peers voted, and lost it', async () => {
    const group = await RecordedRanks.make();
    for (let step = 0; step < 5; step++) group.step();
    group.step((rank) => (rank === 1 ? 'none' : 'voted'));
    group.lose('ERR_RANK_LOST', [0, 2]);
    group.lose('ERR_COLLECTIVE_TIMEOUT', [3]);
    expect(group.compare()).toMatchObject({ first: { rank: 1, step: 4, state: 'launched' }, culprits: [1] });
  });

  it('name the rank that stopped within a step without a word: its peers came as far, and lost it', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.step(() => 'voted');
    group.lose('ERR_COLLECTIVE_TIMEOUT', [0]);
    group.lose('ERR_RANK_LOST', [1, 3]);
    expect(group.compare()).toMatchObject({ first: { rank: 2, step: 1, state: 'voted', error: null }, culprits: [2] });
  });

  it('name the rank that failed by itself, not those that heard of it, wherever they were', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.step((rank) => (rank === 3 ? 'built' : 'gathered'));
    group.lose('ERR_DEVICE_KERNEL', [3]);
    group.lose('ERR_RANK_LOST', [0, 1, 2]);
    expect(group.compare()).toMatchObject({ first: { rank: 3, error: 'ERR_DEVICE_KERNEL' }, culprits: [3] });
  });

  it('name no rank that heard of an end, or gave up a wait that goes on, beside one that stopped', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.step((rank) => (rank === 2 ? 'none' : 'voted'));
    // Rank 0 gave up before it entered the all-gather, and was not taken up again before its process ended.
    group.recorders[0]?.failed('ERR_ABORTED', 1);
    group.lose('ERR_RANK_LOST', [1, 3]);
    expect(group.compare()).toMatchObject({ first: { rank: 2 }, culprits: [2] });
    // A rank that entered no more, because the group had ended, is no further behind than the silent ones.
    const other = await RecordedRanks.make();
    other.step();
    other.step(() => 'voted');
    other.recorders[0]?.failed('ERR_RANK_LOST', 1);
    other.lose('ERR_RANK_LOST', [1]);
    expect(other.compare()).toMatchObject({ first: null, behind: [2, 3], culprits: [] });
  });

  it('name the rank whose caller gave a step up and did not come back', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.step(() => 'voted');
    group.recorders[1]?.failed('ERR_ABORTED', 1);
    group.lose('ERR_COLLECTIVE_TIMEOUT', [0, 2, 3]);
    expect(group.compare()).toMatchObject({ first: { rank: 1, refused: true }, culprits: [1] });
  });

  it('name the rank that stalled and came back; where another has no recording, it can have been that one', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.step(() => 'voted');
    group.recorders[3]?.failed('ERR_RANK_LOST', 1);
    group.lose('ERR_COLLECTIVE_TIMEOUT', [0, 1, 2]);
    expect(group.compare()).toMatchObject({ first: { rank: 3 }, behind: [], culprits: [3] });
    expect(compareRecordings(group.read().slice(1))).toMatchObject({ first: null, behind: [3], culprits: [] });
    expect(compareRecordings(group.read().slice(2, 3))).toMatchObject({ first: null, behind: [], culprits: [] });
  });

  it('name the rank that stayed behind those that found alike that it did something else', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.step((rank) => (rank === 0 ? 'none' : 'gathered'));
    group.lose('ERR_RANKS_DIVERGED', [1, 2, 3]);
    expect(group.compare()).toMatchObject({ first: { rank: 0 }, culprits: [0] });
    // It gathered once more than its park, in which it heard of the end.
    const heard = group
      .read()
      .map((each) =>
        each.rank > 0 ? each : { ...each, records: each.records.map((one) => ({ ...one, error: 'ERR_RANK_LOST' })) },
      );
    expect(compareRecordings(heard)).toMatchObject({ first: { rank: 0, refused: false }, culprits: [0] });
  });

  it('name those of several that failed which came less far', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.step((rank) => (rank < 2 ? 'gathered' : 'voted'));
    group.lose('ERR_RANK_LOST', [2]);
    group.lose('ERR_DEVICE_LOST', [0, 1]);
    expect(group.compare()).toMatchObject({ first: null, behind: [0, 1], culprits: [] });
    group.lose('ERR_DEVICE_LOST', [3]);
    expect(group.compare()).toMatchObject({ first: { rank: 3 }, culprits: [3] });
  });

  it('name those that voted a fault, unless the others have gone on', async () => {
    const faulty = async (then: (rank: number) => string): Promise<RecordedRanks> => {
      const group = await RecordedRanks.make();
      group.step();
      group.step(() => 'gathered', undefined, 2);
      group.lose('ERR_RANK_FAULT', [0, 1, 2]);
      for (const planner of group.planners) planner.abandon();
      group.step(then);
      return group;
    };
    // Rank 3 had no time to say that the step ended.
    expect((await faulty(() => 'none')).compare()).toMatchObject({ first: null, behind: [], culprits: [2] });
    const gone = await faulty((rank) => (rank === 3 ? 'none' : 'voted'));
    gone.lose('ERR_RANK_LOST', [0, 1, 2]);
    expect(gone.compare()).toMatchObject({ difference: null, first: { rank: 3 }, culprits: [3] });
  });

  it('name the rank that failed in a capture, at which agreement, before any step or after some', async () => {
    for (const steps of [0, 2]) {
      const group = await RecordedRanks.make();
      for (let step = 0; step < steps; step++) group.step();
      const agree = (stage: 'warm-up' | 'capture', ranks: readonly number[]): void => {
        for (const rank of ranks) group.recorders[rank]?.agrees(stage, 3, group.sequences[rank]++);
      };
      agree('warm-up', [0, 1, 2, 3]);
      for (const recorder of group.recorders) recorder.agreed();
      group.recorders[1]?.captureFailed('ERR_RANK_FAULT', steps + 1);
      agree('capture', [0, 2, 3]);
      for (const rank of [0, 2]) group.recorders[rank]?.captureFailed('ERR_RANK_LOST', steps + 2);
      const { missing, first, culprits, last, apart } = group.compare();
      expect([missing, culprits, apart]).toEqual([[], [1], false]);
      expect(first).toEqual({
        ...{ rank: 1, step: steps, sequence: steps + 1, state: 'gathered', refused: false },
        ...{ error: 'ERR_RANK_FAULT', capture: { stage: 'warm-up', key: 3 }, vote: null },
      });
      expect(last[3]).toMatchObject({ state: 'voted', error: null, capture: { stage: 'capture', key: 3 } });
      // It died there in place of failing: it has no error, and is behind.
      const silent = group.read().map((each) => {
        const { capture } = each;
        return each.rank !== 1 || capture === null ? each : { ...each, capture: { ...capture, error: null } };
      });
      expect(compareRecordings(silent)).toMatchObject({ first: { rank: 1 }, culprits: [1] });
    }
  });

  it('name nobody for a capture that is done, or that all ended alike', async () => {
    for (const error of [null, 'ERR_CAPTURE_ASYMMETRIC', 'ERR_ABORTED']) {
      const group = await RecordedRanks.make();
      group.step();
      for (const [rank, recorder] of group.recorders.entries()) {
        recorder.agrees('held', 0, group.sequences[rank]++);
        if (error !== null) recorder.captureFailed(error, 2);
        if (error === null) recorder.agreed();
        if (error === null) recorder.captured();
      }
      expect(group.compare()).toMatchObject({ first: null, behind: [], culprits: [] });
      // Rank 2 does not come to the next step.
      group.step((rank) => (rank === 2 ? 'none' : 'voted'));
      group.lose('ERR_RANK_LOST', [0, 1, 3]);
      expect(group.compare()).toMatchObject({ first: { rank: 2, capture: { stage: 'held', key: 0 } }, culprits: [2] });
    }
  });
});
