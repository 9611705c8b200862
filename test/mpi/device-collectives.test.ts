import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { collectiveOracle } from '../oracles/collectives-oracle.js';
import { root } from '../support/cli.js';
import { type Call, callOf, drawnCall, KINDS } from '../support/collective-calls.js';
import { HAS_MPI, type JobResult, runJob } from '../support/mpi-job.js';
import { runs } from '../support/property-runs.js';
import { buildTestKernels, compile } from '../support/test-kernels.js';

/** More than there may be under way to a peer at once, in elements. */
const LONG = 50_000;

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-mpi-collectives-'));
const library = HAS_MPI ? buildTestKernels() : null;
afterAll(() => {
  library?.remove();
  rmSync(folder, { recursive: true });
});

/** A job whose ranks enter these calls; what goes wrong, and where, as the fixture says. */
function enter(
  size: number,
  calls: readonly Call[],
  { how = 'well', culprit = 1, timeoutMs = 60_000, options = [] as readonly string[] } = {},
): Promise<JobResult> {
  const file = path.join(folder, 'calls.json');
  const told = calls.map((call) => ({
    ...call,
    takes: collectiveOracle(call.kind, call.counts, call.sent).map(({ length }) => length),
  }));
  writeFileSync(file, JSON.stringify({ calls: told, culprit, timeoutMs }));
  return runJob(size, ['test/fixtures/mpi/collectives.mjs', 'FOLDER', file, how, library?.path ?? 'none was built'], {
    options: ['--enable-recovery', ...options],
  });
}

const few = (size: number): Call[] =>
  Array.from({ length: 6 }, (_, index) => callOf('all-gather', new Array(size).fill(5), size, index));

/** Ranks 0 and 2 send more than there may be under way at once. */
const long = (size: number): Call[] =>
  Array.from({ length: 4 }, (_, index) =>
    callOf(
      'all-gather',
      Array.from({ length: size }, (_, rank) => (rank === 1 ? 5 : LONG)),
      size,
      index,
    ),
  );

describe.skipIf(!HAS_MPI)('collectives between the devices of processes', () => {
  it.each([2, 3, 4])(
    'of %i give what their definitions say, in any order of kinds and counts, and rows go beside them',
    async (size) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(drawnCall(size), { minLength: 1, maxLength: 30 }),
          fc.constantFrom(...KINDS),
          async (drawn, long) => {
            const lengths = Array.from({ length: size }, (_, rank) => (rank === 1 ? LONG : 7 * rank));
            const longest = callOf(long, long === 'all-to-all' || long === 'all-reduce' ? [LONG] : lengths, size, 99);
            const calls = [...drawn.map(([kind, counts], index) => callOf(kind, counts, size, index)), longest];
            const { status, stderr, ranks } = await enter(size, calls);
            expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
            const rows = Array.from({ length: 4 * size }, (_, word) => Math.floor(word / 4));
            const tables = Array.from({ length: Math.ceil(calls.length / 3) + 1 }, () => rows);
            for (const [rank, seen] of ranks.entries()) {
              const results = calls.map(({ kind, counts, sent }) => collectiveOracle(kind, counts, sent)[rank]);
              expect(seen).toEqual({ results, tables, implementation: 'mpi', buffers: 0 });
            }
          },
        ),
        { ...runs(1), endOnFailure: true },
      );
    },
  );

  it('refuse, on every rank, a call that is another one on some rank, and name it', async () => {
    const calls = [0, 1, 2].map((index) => callOf('all-reduce', [4], 3, index));
    const { ranks } = await enter(3, calls, { how: 'differ', culprit: 2 });
    const found = ranks.filter((seen) => seen?.code === 'ERR_RANKS_DIVERGED');
    expect(found.length).toBeGreaterThan(0);
    for (const seen of found) expect(seen).toMatchObject({ details: { rank: 2, sequence: 3, culprits: [2] } });
    // One that has not heard from all may hear of the end first.
    for (const seen of ranks) {
      if (!found.includes(seen)) expect(seen).toMatchObject({ code: 'ERR_RANK_LOST', details: { culprits: [2] } });
    }
  });

  it.each(['garbage', 'endless'])('refuse what no rank sends, %s, and name who sent it', async (how) => {
    const { ranks } = await enter(2, few(2), { how });
    expect(ranks[0]).toMatchObject({ code: 'ERR_RANKS_DIVERGED', details: { rank: 1, sequence: 3, culprits: [1] } });
    expect(ranks[1]?.code).toMatch(/^ERR_RANK/);
  });

  it('throw, and do nothing else, where they are called as no program of Lockstep does', async () => {
    const { ranks, status } = await runJob(1, ['test/fixtures/mpi/collectives-misuse.mjs', 'FOLDER']);
    expect(status).toBe(0);
    expect(ranks[0]).toEqual({
      unstarted: 'ERR_DISPOSED',
      well: 'none',
      noShares: 'ERR_INPUT_INVALID',
      longShare: 'ERR_LAUNCH_BOUNDS',
      longSend: 'ERR_LAUNCH_BOUNDS',
      longSignature: 'ERR_INPUT_INVALID',
      longCopy: 'ERR_LAUNCH_BOUNDS',
      noRank: 'ERR_INPUT_INVALID',
      left: 'ERR_RANK_LOST',
      captured: 'ERR_DEVICE_CAPTURE',
      buffers: 1,
    });
  });

  it.each(['kill', 'leave', 'abort'])('end at once where a rank ends by %s, and name it', async (how) => {
    const { ranks } = await enter(3, few(3), { how });
    for (const rank of [0, 2]) {
      expect(ranks[rank]).toMatchObject({ code: 'ERR_RANK_LOST', details: { rank: 1, culprits: [1] } });
      expect(ranks[rank]?.message).toMatch(/^Rank 1 is lost: (?!Rank)/);
      expect(ranks[rank]?.ms).toBeLessThan(20_000);
    }
  });

  it('give every byte where shares end beside the end of a message', async () => {
    // Elements of a first message, whose head and signature of two counts take 9 words, and of each that follows.
    const [first, more] = [4087, 4094];
    const ends = [0, 1, 2, 7, 8, 9].flatMap((messages) => [-1, 0, 1].map((past) => first + more * messages + past));
    const calls = ends.map((count, index) => callOf('all-gather', [count, ends.at(-1 - index) as number], 2, index));
    const { status, ranks } = await enter(2, calls);
    expect(status).toBe(0);
    for (const [rank, seen] of ranks.entries()) {
      const results = calls.map(({ kind, counts, sent }) => collectiveOracle(kind, counts, sent)[rank]);
      expect(seen?.results).toEqual(results);
    }
  });

  it('name the rank to which MPI can send nothing, and not the one that finds it', async () => {
    const failing = path.join(folder, 'send-fails.so');
    const source = path.join(root, 'test/fixtures/mpi/send-fails.cc');
    compile(['-shared', '-fPIC', '-o', failing, source, '-Wl,--no-as-needed', '-l:libmpi.so.40']);
    const { ranks } = await enter(3, few(3), { options: ['-x', `LOCKSTEP_MPI_LIB=${failing}`] });
    expect(ranks[0]).toMatchObject({ code: 'ERR_RANK_LOST', details: { rank: 1, call: 'MPI_Isend' } });
    for (const rank of [1, 2]) {
      expect(ranks[rank]).toMatchObject({ code: 'ERR_RANK_LOST', details: { rank: 0, culprits: [1] } });
    }
  });

  it('end at their deadline where the device of a rank has not computed its share, and name that rank', async () => {
    const { ranks } = await enter(3, few(3), { how: 'slow', timeoutMs: 3000 });
    for (const seen of ranks) {
      if (seen?.code === 'ERR_COLLECTIVE_TIMEOUT') expect(seen).toMatchObject({ details: { missing: [{ rank: 1 }] } });
      else expect(seen).toMatchObject({ code: 'ERR_RANK_LOST', details: { culprits: [1] } });
    }
    expect(ranks.some((seen) => seen?.code === 'ERR_COLLECTIVE_TIMEOUT')).toBe(true);
  });

  it.each([
    ['before it enters', 'stop', few(3)],
    ['and takes no more, once it has sent its share', 'stays', long(3)],
  ])('end at their deadline where a rank is stopped %s, and name it', async (_when, how, calls) => {
    const { ranks } = await enter(3, calls, { how, timeoutMs: 4000 });
    const [first, second] = [ranks[0], ranks[2]];
    const timeout = [first, second].find((seen) => seen?.code === 'ERR_COLLECTIVE_TIMEOUT');
    expect(timeout).toMatchObject({ details: { missing: [{ rank: 1 }] } });
    for (const seen of [first, second]) {
      if (seen?.code !== 'ERR_COLLECTIVE_TIMEOUT') {
        expect(seen).toMatchObject({ code: 'ERR_RANK_LOST', details: { culprits: [1] } });
      }
      expect(seen?.ms).toBeLessThan(30_000);
    }
  });
});
