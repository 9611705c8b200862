import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import { HAS_MPI, type JobResult, runJob } from '../support/mpi-job.js';
import { SEED } from '../support/property-runs.js';
import { compile } from '../support/test-kernels.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-window-'));
afterAll(() => rmSync(folder, { recursive: true }));

const gather = (size: number, gathers: number, options: readonly string[] = []): Promise<JobResult> =>
  runJob(size, ['test/fixtures/mpi/window.mjs', 'FOLDER', String(gathers), String(SEED % 2 ** 20)], { options });

/** Compiles a fixture to a library. */
function libraryOf(fixture: string, defines: readonly string[], links: readonly string[]): string {
  const library = path.join(folder, `${fixture}${defines.join('')}.so`);
  const source = path.join(root, `test/fixtures/mpi/${fixture}.cc`);
  compile(['-shared', '-fPIC', ...defines, '-o', library, source, ...links]);
  return library;
}
/** mpirun's options for a library that is loaded before all others. */
const preloaded = (defines: readonly string[]): string[] => [
  '-x',
  `LD_PRELOAD=${libraryOf('no-memory', defines, ['-ldl'])}`,
];
/** mpirun's options for a library of MPI. */
const starting = (defines: readonly string[]): string[] => [
  '-x',
  `LOCKSTEP_MPI_LIB=${libraryOf('start-differs', defines, ['-Wl,--no-as-needed', '-l:libmpi.so.40'])}`,
];

/** What a rank saw that has such memory. Nobody may cut it short; who is not root cannot try. */
const SHARES = {
  ...{ wrong: null, sharesMemory: true, maps: ['/memfd:lockstep-mpi (deleted)'], descriptors: [] },
  cuts: [expect.toBeOneOf(['ftruncate EPERM', 'open EPERM', 'open EACCES'])],
};
const SENDS = { wrong: null, sharesMemory: false, maps: [], descriptors: [], cuts: [] };

describe.skipIf(!HAS_MPI)('ranks of one host', () => {
  it.each([2, 3, 4])(
    'gather the rows that %i gave through memory that has no name and no open descriptor',
    async (size) => {
      const { status, stderr, ranks } = await gather(size, 4000);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      // Without a name in a file system, nothing is left of it once its processes have ended, however they ended.
      expect(ranks).toEqual(Array.from({ length: size }, () => SHARES));
    },
  );

  it('gather them through it on a system that knows fewer flags', async () => {
    const { status, stderr, ranks } = await gather(2, 300, preloaded(['-DWHERE=0', '-DFLAGS']));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(ranks).toEqual([SHARES, SHARES]);
  });

  it.each([
    ['rank 0 can make no such memory', () => preloaded(['-DWHERE=0', '-DMAKES'])],
    ['rank 0 makes another', () => preloaded(['-DWHERE=0', '-DNAMES'])],
    ['a rank cannot open it', () => preloaded(['-DWHERE=1'])],
    ['a rank would lay it out otherwise', () => starting(['-DLAYOUT'])],
  ])('gather them by messages, all of them, where %s', async (_what, options) => {
    const { status, stderr, ranks } = await gather(3, 300, options());
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(ranks).toEqual([SENDS, SENDS, SENDS]);
  });

  it('gather what they gave where two threads of each are in groups of their own', async () => {
    const { status, stderr, ranks } = await runJob(3, ['test/fixtures/mpi/threads.mjs', 'FOLDER', '1000']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const right = { seen: [null, null] };
    expect(ranks).toEqual([right, right, right]);
  });

  it('keep nothing of it where MPI fails before all are known to have it', async () => {
    // Neither rank ends MPI, and the end of one must not end the other before it has written.
    const options = ['--enable-recovery', ...starting([])];
    const { ranks } = await runJob(2, ['test/fixtures/mpi/start.mjs', 'FOLDER'], { options });
    const refused = { code: 'ERR_RANK_LOST', maps: [] };
    expect(ranks).toEqual([refused, refused]);
  });
});
