import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import { HAS_MPI, runJob } from '../support/mpi-job.js';
import { compile } from '../support/test-kernels.js';

const RANK = 'test/fixtures/mpi/rank.mjs';

describe.skipIf(!HAS_MPI)('an MPI group', () => {
  it.each([
    ['is at an all-gather that it cannot be at', 'sequence', { sequence: expect.toBeOneOf([1, 2]), ranks: [1] }],
    ['sends what is no message', 'unknown', { ranks: [1] }],
    ['has rows of another size', 'rows', { ranks: [1], rowWords: 2 }],
  ])('refuses a rank that %s', async (_what, how, details) => {
    const { ranks, status } = await runJob(3, [RANK, 'FOLDER', how]);
    expect(ranks[0]).toMatchObject({ code: 'ERR_RANKS_DIVERGED', details });
    expect(ranks[2]?.code).toMatch(/^ERR_RANK/);
    expect(status).toBe(1);
  });

  it.each([
    ['the launcher ends the job', []],
    ['the launcher lets the others live', ['--enable-recovery']],
  ])('learns of a killed rank at once, and names it, where %s', async (_what, options) => {
    const { ranks, seconds } = await runJob(3, [RANK, 'FOLDER', 'kill'], { options });
    expect(ranks[1]).toBeUndefined();
    for (const rank of [0, 2]) {
      expect(ranks[rank]).toMatchObject({
        code: 'ERR_RANK_LOST',
        details: { rank: 1, reason: 'its process has ended.' },
      });
      expect(ranks[rank]?.ms).toBeLessThan(10_000);
    }
    expect(seconds).toBeLessThan(60);
  });

  it('ends where isInterrupted of a rank throws in an all-gather', async () => {
    const { ranks } = await runJob(3, [RANK, 'FOLDER', 'callback'], { options: ['--enable-recovery'] });
    const reason =
      'isInterrupted of rank 1 threw in an all-gather, which ends the group: TypeError: the callback broke';
    expect(ranks[1]).toMatchObject({
      code: 'ERR_RANK_LOST',
      message: reason,
      details: { rank: 1 },
      cause: 'TypeError: the callback broke',
    });
    for (const rank of [0, 2]) {
      expect(ranks[rank]).toMatchObject({ code: 'ERR_RANK_LOST', details: { rank: 1, reason } });
      expect(ranks[rank]?.ms).toBeLessThan(10_000);
    }
  });

  it.each([
    ['fails', 'exit', 7],
    ['ends well', 'quit', 1],
  ])('learns at once of a rank whose process %s without a word', async (_what, how, code) => {
    const { ranks, status } = await runJob(3, [RANK, 'FOLDER', how]);
    expect([1, code]).toContain(status);
    for (const rank of [0, 2]) {
      expect(ranks[rank]).toMatchObject({ code: 'ERR_RANK_LOST', details: { rank: 1 } });
      expect(ranks[rank]?.ms).toBeLessThan(10_000);
    }
  });

  it('ends a process whose MPI_Abort does not return, with the exit code that it has', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-abort-'));
    try {
      const library = path.join(folder, 'hangs.so');
      const source = path.join(root, 'test/fixtures/mpi/abort-hangs.cc');
      compile(['-shared', '-fPIC', '-o', library, source, '-Wl,--no-as-needed', '-l:libmpi.so.40']);
      const env = ['-x', `LOCKSTEP_MPI_LIB=${library}`];
      const { exits, stderr } = await runJob(2, [RANK, 'FOLDER', 'kill'], {
        options: ['--enable-recovery', ...env],
        timed: true,
      });
      expect(stderr).toContain('this MPI_Abort does not return');
      expect(exits.map((exit) => exit?.status)).toEqual([1, 137]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('names a rank that hangs, at the deadline', async () => {
    let hung = 0;
    const job = runJob(3, [RANK, 'FOLDER', 'stop'], {
      watch: ({ mpirun }) => {
        hung = mpirun;
      },
    });
    const { ranks } = await job;
    expect(hung).toBeGreaterThan(0);
    const codes = [0, 2].map((rank) => ranks[rank]?.code);
    expect(codes).toContain('ERR_COLLECTIVE_TIMEOUT');
    const [named] = [0, 2].map((rank) => ranks[rank]).filter((seen) => seen?.code === 'ERR_COLLECTIVE_TIMEOUT');
    expect(named).toMatchObject({ details: { missing: [{ rank: 1, joined: true }] } });
  });

  it.each(['abort', 'dispose'])('completes what a peer completed, where it ends by %s meanwhile', async (how) => {
    const { ranks } = await runJob(2, ['test/fixtures/mpi/late-end.mjs', 'FOLDER', how]);
    expect(ranks).toEqual([{ table: [7, 8] }, { table: [7, 8] }]);
  });

  it('throws, and nothing else, where the addon is called as no program of Lockstep does', async () => {
    const { status, ranks } = await runJob(2, ['test/fixtures/mpi/misuse.mjs', 'FOLDER']);
    // No board, a message that a row does not fit into, a board, a row and a place for messages of too few words; no such group.
    const refused = Array.from({ length: 5 + 4 * 4 }, () => 'ERR_INPUT_INVALID');
    expect(ranks).toEqual([{ seen: [...refused, 'came', -1] }, { seen: [...refused, 'came', -1] }]);
    expect(status).toBe(0);
  });

  it('is refused by name and size of its options, before it counts as a group', async () => {
    const { stdout, status } = await runJob(1, [RANK, 'FOLDER', 'options']);
    expect(stdout).toBe('ERR_CONFIG_INVALID '.repeat(3));
    expect(status).toBe(0);
  });
});

describe('a process that no launcher started', () => {
  const script = (options: string): string =>
    `import { joinMpi } from './dist/index.js';
     try {
       const { size, rank } = joinMpi(${options});
       console.log(JSON.stringify({ size, rank }));
     } catch ({ code, message, details }) {
       console.log(JSON.stringify({ code, message, details }));
     }`;
  const joined = (options: string, env: NodeJS.ProcessEnv = {}): Record<string, unknown> => {
    const args = ['--input-type=module', '-e', script(options)];
    const { stdout, status } = spawnSync(process.execPath, args, {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    expect(status).toBe(0);
    return JSON.parse(stdout);
  };

  it('is refused with the command to start it by', () => {
    const { code, message } = joined('{}');
    expect(code).toBe('ERR_TRANSPORT_UNAVAILABLE');
    expect(message).toContain('mpirun -n 2');
  });

  it.skipIf(!HAS_MPI)('is a group of one where it may be', () => {
    expect(joined('{ singleton: true }')).toEqual({ size: 1, rank: 0 });
  });

  it.each([
    ['that is not there', 'libnothing.so.7', /libnothing\.so\.7/],
    ['of something else', 'libdl.so.2', /is no Open MPI: it does not export ompi_mpi_comm_world/],
  ])('names a library %s', (_what, library, reason) => {
    const { code, message, details } = joined('{ singleton: true }', { LOCKSTEP_MPI_LIB: library });
    expect(code).toBe('ERR_TRANSPORT_UNAVAILABLE');
    expect(message).toMatch(reason);
    expect(details).toMatchObject({ attempts: [{ library, reason: expect.stringMatching(reason) }] });
  });
});
