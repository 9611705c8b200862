import { describe, expect, it } from 'vitest';
import {
  type CaptureKey,
  createPlanner,
  decodePlan,
  LOCKSTEP_POLICY,
  type LockstepError,
  type Row,
  type StepPlanner,
} from '../../../dist/entry/planner.js';
import {
  type ComparedRecordings,
  compareRecordings,
  decodeRecording,
  openRecorder,
  type Recording,
  type StepRecorder,
} from '../../../dist/entry/run.js';
import { VOTE_WORDS } from '../../../dist/layout/layout.js';
import { loadModules } from '../../../dist/memory/modules.js';
import { rederive } from '../../../dist/replay/index.js';
import { sealTable } from '../../oracles/seal-oracle.js';
import { policyWith } from '../../support/planner-setup.js';

const WIDTH = VOTE_WORDS.length;
const RANKS = 4;
const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 256, numBlocks: 128, queryLen: 1 };

/** Ranks that step together in this thread, each with a recorder; `sequences` are those of their next all-gathers. */
class RecordedRanks {
  readonly planners: readonly StepPlanner[];
  readonly recorders: readonly StepRecorder[];
  readonly sequences: number[] = Array.from({ length: RANKS }, () => 1);
  /** Decodes of each rank in a step, 1 to 8. */
  load = 1;
  readonly #rows: readonly (readonly Row[])[];

  static async make(policy = LOCKSTEP_POLICY, steps = 16): Promise<RecordedRanks> {
    const plan: { readonly keys: readonly CaptureKey[] } = decodePlan({ sizes: [1, 2, 4, 8], limits, policy });
    const planners = await Promise.all(
      Array.from({ length: RANKS }, (_, rank) => createPlanner({ limits, policy, plan, rank, ranks: RANKS })),
    );
    return new RecordedRanks(planners, steps);
  }

  private constructor(planners: readonly StepPlanner[], steps: number) {
    this.planners = planners;
    this.recorders = planners.map((planner) => openRecorder({ planner, path: null, steps }));
    this.#rows = planners.map(({ requests }) =>
      Array.from({ length: 8 }, (_, row) =>
        requests.add({ blockIds: Array.from({ length: 15 }, (_, block) => 15 * row + block + 1) }),
      ),
    );
  }

  /** A step in which each rank comes as far as `until` says; one may hold a table with a bit flipped, or vote a fault. */
  step(
    until: (rank: number) => string = () => 'launched',
    flip?: { holder: number; word: number },
    faulty?: number,
  ): void {
    const votes = this.planners.map((planner, rank) => {
      if (until(rank) === 'none') return new Int32Array(WIDTH);
      for (const row of this.#running(rank)) planner.requests.schedule(row, { phase: 'decode', queryLen: 1 });
      return planner.vote(rank === faulty ? { fault: 7 } : {}).slice();
    });
    const table = Int32Array.from(votes.flatMap((row) => [...row]));
    for (const [rank, planner] of this.planners.entries()) {
      const recorder = this.recorders[rank] as StepRecorder;
      const state = until(rank);
      if (state === 'none') continue;
      recorder.voted(this.sequences[rank]++);
      if (state === 'voted') continue;
      planner.table.set(table);
      if (flip?.holder === rank) planner.table[flip.word] ^= 1;
      recorder.gathered();
      if (state === 'gathered') continue;
      planner.build(planner.resolve(planner.table));
      recorder.built();
      for (const row of this.#running(rank)) planner.requests.advance(row, 1);
      if (state === 'built') continue;
      recorder.launched({ inGraphs: 2, eager: 0 });
    }
  }

  #running(rank: number): readonly Row[] {
    return (this.#rows[rank] as readonly Row[]).slice(0, this.load);
  }

  read(): Recording[] {
    return this.recorders.map((recorder, rank) => decodeRecording(recorder.bytes(), `rank ${rank}`));
  }

  compare(): ComparedRecordings {
    return compareRecordings(this.read());
  }

  lose(error = 'ERR_RANK_LOST', ranks: readonly number[] = [0, 1, 2, 3]): void {
    for (const rank of ranks)
      (this.recorders[rank] as StepRecorder).failed(error, (this.sequences[rank] as number) - 1);
  }
}

describe('recordings of one group', () => {
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

describe('decisions derived again', () => {
  it.each([
    ['of a policy', LOCKSTEP_POLICY],
    ['of one that remembers', policyWith({ ubatches: 2, ubatchThresholdDecode: 1, ubatchHysteresis: 8 })],
  ])('are those that were built, %s, though the first of a ring depends on one that is gone', async (_what, policy) => {
    const group = await RecordedRanks.make(policy);
    for (let step = 0; step < 12; step++) group.step();
    const modules = await loadModules();
    for (const recording of group.read()) {
      expect(rederive(recording, modules)).toEqual({ derived: 12, skipped: 0, differing: [] });
    }
    for (let step = 0; step < 9; step++) group.step();
    for (const recording of group.read()) {
      expect(rederive(recording, modules)).toEqual({ derived: 16, skipped: 0, differing: [] });
    }
  });

  it('of a policy that remembers follow from what a ring no longer holds: whether the step before had micro-batches', async () => {
    const policy = policyWith({ ubatches: 2, ubatchThresholdDecode: 6, ubatchHysteresis: 4 });
    const modules = await loadModules();
    const runs = [8, 1].map(async (before) => {
      const group = await RecordedRanks.make(policy, 4);
      group.load = before;
      group.step();
      group.load = 4;
      for (let step = 0; step < 4; step++) group.step();
      return group.read();
    });
    // Four decodes are split after a split step, and not after another.
    const [split, whole] = await Promise.all(runs);
    const hashes = [split, whole].map((recordings) => recordings?.[0]?.records[0]?.decisionHash);
    expect(hashes[0]).not.toBe(hashes[1]);
    for (const recording of [...(split as Recording[]), ...(whole as Recording[])]) {
      expect(recording.records.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
      expect(rederive(recording, modules)).toEqual({ derived: 4, skipped: 0, differing: [] });
      // The second step follows from the first, which the other past would not give.
      const other = (recording.rank === 0 && recording === split?.[0] ? whole : split) as Recording[];
      const records = recording.records.map((record, index) =>
        index === 1 ? { ...record, decisionHash: other[0]?.records[1]?.decisionHash ?? 0 } : record,
      );
      const same = other[0]?.records[1]?.decisionHash === recording.records[1]?.decisionHash;
      expect(rederive({ ...recording, records }, modules).differing.length).toBe(same ? 0 : 1);
    }
  });

  it('need a document that a rank can have written, and say whose is damaged', async () => {
    const group = await RecordedRanks.make();
    for (let step = 0; step < 3; step++) group.step();
    const [recording] = group.read() as [Recording];
    const modules = await loadModules();
    const { document } = recording;
    if (document === null) throw new Error('no document');
    const { limits, policy, keys } = document;
    const [key, ...others] = keys as [CaptureKey];
    for (const [wrong, message] of [
      [{ limits: { ...limits, maxModelLen: undefined, maxYodelLen: 256 } }, 'maxYodelLen'],
      [{ keys: [{ ...key, tokens: undefined }, ...others] }, 'tokens'],
      [{ keys: others }, 'its hash is another'],
      [{ policy: { ...policy, tokenAlignment: '1' } }, 'tokenAlignment'],
      [{ replicaSize: 0 }, 'its hash is another'],
    ] as const) {
      const damaged = { ...recording, document: { ...document, ...wrong } as typeof document };
      expect(() => rederive(damaged, modules)).toThrow(message);
      expect(() => rederive(damaged, modules)).toThrow(/^rank 0: .* is damaged/);
    }
  });

  it('tell a rank that built another one, and a table that the rules refuse', async () => {
    const group = await RecordedRanks.make();
    for (let step = 0; step < 3; step++) group.step();
    const [recording] = group.read() as [Recording];
    const modules = await loadModules();
    const wrong = recording.records.map((record, index) => {
      if (index === 1) return { ...record, decisionHash: 7 };
      if (index !== 2 || record.table === null) return record;
      const table = record.table.slice();
      table[WIDTH + VOTE_WORDS.indexOf('decodeRequests')] = 9;
      return { ...record, table: sealTable(table) };
    });
    const { derived, differing } = rederive({ ...recording, records: wrong }, modules);
    expect(derived).toBe(3);
    expect(differing).toEqual([
      { step: 1, refused: null },
      { step: 2, refused: expect.stringContaining('decodeRequests') },
    ]);
  });
});
