import { describe, expect, it } from 'vitest';
import { type CaptureKey, LOCKSTEP_POLICY } from '../../../dist/entry/planner.js';
import type { Recording } from '../../../dist/entry/run.js';
import { VOTE_WORDS } from '../../../dist/layout/layout.js';
import { loadModules } from '../../../dist/memory/modules.js';
import { rederive } from '../../../dist/replay/index.js';
import { sealTable } from '../../oracles/seal-oracle.js';
import { policyWith } from '../../support/planner-setup.js';
import { RecordedRanks, WIDTH } from '../../support/recorded-ranks.js';

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
