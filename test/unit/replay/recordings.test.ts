import { describe, expect, it } from 'vitest';
import type { LockstepError } from '../../../dist/entry/planner.js';
import { compareRecordings, type Recording } from '../../../dist/entry/run.js';
import { RANKS, RecordedRanks, WIDTH } from '../../support/recorded-ranks.js';

describe('recordings of one group', () => {
  it('name the rank that held another table than was voted, and at which step', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.step((rank) => (rank === 1 ? 'gathered' : 'launched'), { holder: 1, word: 2 * WIDTH + 6 });
    const { difference, culprits } = group.compare();
    expect(difference).toEqual({
      step: 1,
      what: 'table',
      ranks: [1],
      detail: 'rank 1 holds another row of rank 2 than it voted',
    });
    expect(culprits).toEqual([1]);
  });

  it('say where they differ though one of them holds nothing, or fewer steps', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.step();
    group.step();
    const wrong = group.read().map((each) => ({
      ...each,
      records: each.records.map((record) =>
        each.rank === 1 && record.step === 1 ? { ...record, decisionHash: 7 } : record,
      ),
    }));
    const expected = { difference: { step: 1, what: 'decision', ranks: [1] }, culprits: [1] };
    for (const kept of [0, 1, 3]) {
      const recordings = wrong.map((each) =>
        each.rank > 0 ? each : { ...each, records: each.records.slice(3 - kept) },
      );
      expect(compareRecordings(recordings), `${kept} steps kept`).toMatchObject(expected);
    }
  });

  it('name the rank whose row reached nobody as it was voted', async () => {
    const group = await RecordedRanks.make();
    group.step();
    const recordings = group.read().map((each) => ({
      ...each,
      records: each.records.map((record) => {
        const table = record.table?.slice() ?? null;
        if (table !== null) table[3 * WIDTH + 6] ^= 4;
        return { ...record, table };
      }),
    }));
    expect(compareRecordings(recordings)).toMatchObject({ difference: { what: 'table', ranks: [3] }, culprits: [3] });
  });

  it('name the rank that gathered once too often', async () => {
    const group = await RecordedRanks.make();
    group.step();
    group.sequences[2]++;
    group.step(() => 'voted');
    expect(group.compare()).toMatchObject({ difference: { step: 1, what: 'sequence', ranks: [2] }, culprits: [2] });
  });

  it('say which are missing, and refuse those that are not of one group', async () => {
    const group = await RecordedRanks.make();
    group.step();
    const [zero, one, , three] = group.read() as [Recording, Recording, Recording, Recording];
    expect(compareRecordings([three, zero])).toMatchObject({ missing: [1, 2] });
    const refused = (recordings: readonly Recording[]): string => {
      try {
        compareRecordings(recordings);
      } catch (error) {
        return (error as LockstepError).message;
      }
      return '';
    };
    expect(refused([zero, one, zero])).toContain('both of rank 0');
    expect(refused([zero, { ...one, ranks: 5 }])).toContain('group of 5 ranks');
    expect(
      refused([
        { ...zero, run: 4 },
        { ...one, run: 5 },
      ]),
    ).toContain('of two runs');
    expect(refused([{ ...zero, run: 4 }, one])).toBe('');
  });

  it('wrap with the number of a step: the ranks that are one step on are ahead', async () => {
    const group = await RecordedRanks.make();
    for (let rank = 0; rank < RANKS; rank++) group.sequences[rank] = 2 ** 32 - 1;
    group.step();
    group.step((rank) => (rank === 0 ? 'none' : 'voted'));
    expect(group.compare()).toMatchObject({ first: null, behind: [0] });
    group.lose('ERR_RANK_LOST', [1, 2, 3]);
    expect(group.compare()).toMatchObject({ first: { rank: 0, sequence: 2 ** 32 - 1 } });
  });
});
