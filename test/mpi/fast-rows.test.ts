import { describe, expect, it } from 'vitest';
import { HAS_MPI, runJob } from '../support/mpi-job.js';
import { SEED } from '../support/property-runs.js';

const SCRIPTS = 600;

describe.skipIf(!HAS_MPI)('rows that the addon takes itself come to what an Exchange makes of every message', () => {
  it.each([2, 3])('in drawn scripts of rows in and out of turn, questions and ends, of %i ranks', async (size) => {
    const { status, ranks } = await runJob(size, [
      'test/fixtures/mpi/fast-rows.mjs',
      'FOLDER',
      String(SEED % 2 ** 20),
      String(SCRIPTS),
    ]);
    const { met, differences } = ranks[0] as { met: Record<string, number>; differences: string[] };
    expect(differences).toEqual([]);
    expect(status).toBe(0);
    // Rows come through shared memory and, beyond the groups that it holds, as messages.
    for (const { met: sent } of ranks.slice(1) as { met: Record<string, number> }[]) {
      expect(Object.keys(sent).sort()).toEqual(['row not shown', 'row shown']);
    }
    // What rank 0 comes to: with messages that wait as it enters (early), and without.
    expect(Object.keys(met)).toEqual(
      expect.arrayContaining([
        ...['enter: rows', 'enter: sent', 'enter early: rows', 'enter early: sent', 'enter early: unsent'],
        ...['completed', 'pending', 'closing', 'ended', 'ERR_RANKS_DIVERGED'],
      ]),
    );
  });
});
