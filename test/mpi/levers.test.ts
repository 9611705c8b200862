import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MESSAGE } from '../../dist/ranks/mpi/messages.js';
import { root } from '../support/cli.js';
import { HAS_MPI, type JobResult, runJob } from '../support/mpi-job.js';
import { compile } from '../support/test-kernels.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-levers-'));
const library = path.join(folder, 'levers.so');
const levers = path.join(folder, 'levers');
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a job whose MPI does as the levers say, which all stand at 0. */
async function run(size: number, args: readonly string[], options: readonly string[] = []): Promise<JobResult> {
  writeFileSync(levers, new Uint8Array(4096));
  const env = ['-x', `LOCKSTEP_MPI_LIB=${library}`, '-x', `LEVERS=${levers}`];
  return await runJob(size, args, { options: [...env, ...options] });
}

describe.skipIf(!HAS_MPI)('ranks of one host whose MPI is slow', () => {
  beforeAll(() => {
    const source = path.join(root, 'test/fixtures/mpi/levers.cc');
    compile(['-shared', '-fPIC', '-o', library, source, '-Wl,--no-as-needed', '-l:libmpi.so.40']);
  });

  /** What the two ranks of a case of late.mjs saw. */
  const late = async (how: string): Promise<unknown[]> => {
    const { status, stderr, ranks } = await run(2, ['test/fixtures/mpi/late.mjs', 'FOLDER', how]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return ranks.map((rank) => rank?.seen);
  };

  // No time is given: 64 looks before the row is sent, 64 after, and 64 once that is noticed. The row behind the message waits for it.
  const after = [{ from: 1, message: [MESSAGE.waiting, 7] }, { from: -2 }];
  const inOrder = { found: -1, looks: 192, arrived: 0, after, arrivedThen: 1 };

  it('gather no longer than they are given where a message is known of that has not come', async () => {
    const [gathered, shown] = await late('a row behind a message');
    expect(shown).toBe(true);
    expect(gathered).toEqual(inOrder);
  });

  it('keep a row behind a message that MPI has, though it then says that it could not send it', async () => {
    const [gathered, sent] = await late('a row behind a message that failed once MPI had it');
    expect(sent).toEqual({ code: 'ERR_RANK_LOST', shown: true });
    expect(gathered).toEqual(inOrder);
  });

  it('take a message of a rank that stopped before it could say that it sent one, however they wait', async () => {
    const [taken] = await late('messages of a rank that stops as it sends');
    expect(taken).toEqual([1, 2, 3].map((value) => ({ from: 1, value })));
  });

  it.each(['in an all-gather', 'between two'])(
    'know the last word of a rank that was killed before it could say that it sent it, %s',
    async (how) => {
      const { ranks } = await run(2, ['test/fixtures/mpi/last-word.mjs', 'FOLDER', how], ['--enable-recovery']);
      expect(ranks).toEqual([
        expect.objectContaining({
          code: 'ERR_RANK_LOST',
          details: expect.objectContaining({ rank: 1, reason: expect.stringContaining('The script ended it.') }),
        }),
        undefined,
      ]);
    },
  );
});
