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

describe.skipIf(!HAS_MPI)('ranks of one host', () => {
  it.each([2, 3, 4])(
    'gather the rows that %i gave through memory that has no name and no open descriptor',
    async (size) => {
      const { status, stderr, ranks } = await gather(size, 4000);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      // Without a name in a file system, nothing is left of it once its processes have ended, however they ended.
      const seen = { wrong: null, sharesMemory: true, maps: ['/memfd:lockstep-mpi (deleted)'], descriptors: [] };
      expect(ranks).toEqual(Array.from({ length: size }, () => seen));
    },
  );

  it.each([
    ['rank 0 can make no such memory', ['-DWHERE=0', '-DMAKES']],
    ['a rank cannot open it', ['-DWHERE=1']],
  ])('gather them by messages, all of them, where %s', async (what, defines) => {
    const library = path.join(folder, `${what}.so`.replaceAll(' ', '-'));
    const source = path.join(root, 'test/fixtures/mpi/no-memory.cc');
    compile(['-shared', '-fPIC', ...defines, '-o', library, source, '-ldl']);
    const { status, stderr, ranks } = await gather(3, 300, ['-x', `LD_PRELOAD=${library}`]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const seen = { wrong: null, sharesMemory: false, maps: [], descriptors: [] };
    expect(ranks).toEqual([seen, seen, seen]);
  });
});
