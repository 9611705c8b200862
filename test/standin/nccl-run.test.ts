import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../dist/native/index.js';
import { cli } from '../support/cli.js';
import { HAS_MPI, type JobResult, runJob } from '../support/mpi-job.js';
import type { StandinReport } from '../support/standin-report.js';
import { buildStandins } from './build.mjs';

type Environment = Readonly<Record<string, string>>;
type Summary = Readonly<Record<string, unknown>>;

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-nccl-run-'));

/** Debian's runtime, which holds its compiler and knows gfx90a. */
const HIPRTC = 'libamdhip64.so.5';
const HAS_HIPRTC = loadNative().probeLibrary(HIPRTC) === null;

const CUDA = {
  device: 'cuda',
  driver: ['LOCKSTEP_CUDA_LIB', 'libcuda.so.1'],
  library: ['LOCKSTEP_NCCL_LIB', 'libnccl.so.2'],
  more: {},
} as const;
const HIP = {
  device: 'hip',
  driver: ['LOCKSTEP_HIP_LIB', 'libamdhip64.so.6'],
  library: ['LOCKSTEP_RCCL_LIB', 'librccl.so.1'],
  more: {
    LOCKSTEP_STANDIN_ARCH: 'gfx90a',
    LOCKSTEP_HIP_ARCH: 'gfx90a',
    LOCKSTEP_HIPRTC_LIB: HIPRTC,
    LOCKSTEP_CACHE: path.join(folder, 'cache'),
  },
} as const;
const built = { libraries: '' };
beforeAll(() => {
  built.libraries = buildStandins();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let reports = 0;

/** A job of `lockstep run` whose ranks are processes with GPUs of the stand-ins, and what the stand-ins saw of each. */
async function job(
  size: number,
  args: readonly string[],
  environment: Environment = {},
  options: readonly string[] = [],
  { device, driver, library, more }: typeof CUDA | typeof HIP = CUDA,
): Promise<JobResult & { readonly seen: readonly StandinReport[] }> {
  const report = path.join(folder, `${reports++}.json`);
  const set = {
    ...more,
    [driver[0]]: path.join(built.libraries, driver[1]),
    [library[0]]: path.join(built.libraries, library[1]),
    LOCKSTEP_STANDIN_DEVICES: String(size),
    LOCKSTEP_STANDIN_REPORT: report,
    LOCKSTEP_STANDIN_PAGEABLE: 'refuse',
    ...environment,
  };
  const exported = Object.entries(set).flatMap(([name, value]) => ['-x', `${name}=${value}`]);
  const command = [
    'dist/cli/main.js',
    'run',
    '--transport',
    'mpi',
    '--device',
    device,
    '--rank-out',
    'FOLDER',
    '--json',
    ...args,
  ];
  const result = await runJob(size, command, { options: [...options, ...exported], timed: true });
  const lines = existsSync(report) ? readFileSync(report, 'utf8').trim().split('\n') : [];
  return { ...result, seen: lines.map((line) => JSON.parse(line) as StandinReport) };
}

const WORKLOAD = ['--requests', '24', '--seed', '3', '--ladder', '1,2,4,8'];
const OVERLAP = ['--ubatches', '2', '--ubatch-threshold-decode', '4'];

/** What does not depend on where it ran. */
function decided({
  transport,
  seconds,
  device,
  deviceChoice,
  collectives,
  collectivesReason,
  collectivesInGraphs,
  collectivesEager,
  ...rest
}: Summary): Summary {
  return rest;
}

const CLEAN = { afterFault: 0, pending: 0, refused: [], faults: [] };

describe.skipIf(!HAS_MPI)('a run on processes with a GPU each', () => {
  it.for([
    { kind: CUDA, size: 2, given: [], name: 'NCCL' },
    { kind: CUDA, size: 2, given: OVERLAP, name: 'NCCL' },
    { kind: CUDA, size: 4, given: [], name: 'NCCL' },
    { kind: HIP, size: 2, given: OVERLAP, name: 'RCCL' },
  ])(
    'of $size ranks by $name decides and computes what threads on the host do, its collectives in graphs: $given',
    async ({ kind, size, given, name: library }, { skip }) => {
      skip(kind === HIP && !HAS_HIPRTC, `no ${HIPRTC}`);
      const log = (name: string): string => path.join(folder, `${name}-${kind.device}-${size}-${given.length}.jsonl`);
      const args = (name: string): string[] => [...WORKLOAD, ...given, '--step-log', log(name)];
      const host = cli([
        'run',
        '--device',
        'host',
        '--transport',
        'threads',
        '--ranks',
        String(size),
        '--json',
        ...args('host'),
      ]);
      expect(host.status).toBe(0);
      const { status, stdout, stderr, seen, ranks } = await job(size, args('gpu'), {}, [], kind);
      expect(`${status} ${status === 0 ? '' : stderr}`).toBe('0 ');
      const summary = JSON.parse(stdout) as Summary;
      const onHost = JSON.parse(host.stdout) as Summary;
      expect(decided(summary)).toEqual(decided(onHost));
      expect(summary).toMatchObject({ mismatches: 0, diverged: 0, finished: 24, collectives: library.toLowerCase() });
      expect(summary.collectivesReason).toBe(`${library} 2.26.2, a card for each of ${size} ranks`);
      expect(summary.compared).toBeGreaterThan(0);
      // Every graph step runs an all-gather and a reduce-scatter for each of its parts, and none is cut out of its graph.
      expect(summary.collectivesInGraphs).toBeGreaterThanOrEqual(2 * (summary.graphSteps as number));
      expect(summary.collectivesInGraphs).toBeGreaterThan(0);
      expect(readFileSync(log('gpu'), 'utf8')).toBe(readFileSync(log('host'), 'utf8'));
      const digests = ranks.map((rank) => (rank?.report as { digest: number } | undefined)?.digest);
      expect(new Set(digests).size).toBe(1);
      expect(seen.filter(({ library }) => library === 'nccl')).toHaveLength(size);
      for (const report of seen) {
        expect(report).toMatchObject(CLEAN);
        expect(Object.entries(report.held).filter(([, count]) => count > 0)).toEqual([]);
      }
    },
  );

  it.each([
    ['experts over two ranks', ['--model', 'random:moe'], 2],
    ['a replica of two ranks', ['--model', 'random:dense', '--tensor-parallel-size', '2'], 2],
  ])('says the tokens of one eager rank with %s, its collectives in graphs', async (_, model, size) => {
    const { status, stdout, stderr, seen } = await job(size, [
      ...model,
      ...['--requests', '4', '--prompt-scale', '0.02', '--ladder', '1,2,4'],
    ]);
    expect(`${status} ${status === 0 ? '' : stderr}`).toBe('0 ');
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({ mismatches: 0, diverged: 0, collectives: 'nccl' });
    expect(summary.compared).toBeGreaterThan(100);
    expect(summary.collectivesInGraphs).toBeGreaterThanOrEqual(4 * summary.graphSteps);
    for (const report of seen) expect(report).toMatchObject(CLEAN);
  });

  it('is told that two ranks on a card have no collectives, before any communicator is made', async () => {
    const { status, stdout, seen } = await job(2, WORKLOAD, { LOCKSTEP_STANDIN_DEVICES: '1' });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ collectives: 'none', collectivesInGraphs: 0, mismatches: 0 });
    expect(JSON.parse(stdout).collectivesReason).toMatch(/ranks 0 and 1 are both on the card .*Duplicate GPU detected/);
    for (const { calls } of seen) expect(calls.ncclCommInitRankConfig).toBeUndefined();
  });

  it('is told of a library that is too old', async () => {
    const { status, stdout } = await job(2, WORKLOAD, { LOCKSTEP_STANDIN_NCCL_VERSION: '21805' });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ collectives: 'none', mismatches: 0 });
    expect(JSON.parse(stdout).collectivesReason).toMatch(
      /rank 0 has no NCCL: .* is NCCL 2\.18\.5, and the oldest that serves is 2\.19\.0/,
    );
  });

  // The nth collective: warm-ups and captures are over by then, and graphs are replayed.
  const LATE = '1:150';

  it.for([
    { kind: CUDA, size: 2 },
    { kind: CUDA, size: 4 },
    { kind: HIP, size: 2 },
    { kind: HIP, size: 4 },
  ])(
    'of $size ranks on $kind.device, of which one is killed in a captured collective, ends on every other with an error, within the deadline',
    async ({ kind, size }, { skip }) => {
      skip(kind === HIP && !HAS_HIPRTC, `no ${HIPRTC}`);
      const timeout = 20_000;
      const args = [...WORKLOAD, '--timeout', String(timeout)];
      const kill = { LOCKSTEP_STANDIN_NCCL_KILL: LATE };
      // The launcher leaves it to the ranks to end, whatever the others' status.
      // A rank that finds another dead ends the job: each has time to write what it has to say, on a machine with other work too.
      const time = ['--mca', 'odls_base_sigkill_timeout', '10'];
      const options = ['--enable-recovery', '--mca', 'orte_abort_on_non_zero_status', '0', ...time];
      const { ranks, reportedAt, exits, stderr } = await job(size, args, kill, options, kind);
      expect({ exit: exits[1], out: ranks[1] }).toMatchObject({ exit: { status: 137 }, out: undefined });
      const killedAt = exits[1]?.at ?? 0;
      for (const rank of [0, 2, 3].slice(0, size - 1)) {
        const out = ranks[rank];
        expect({ rank, out, stderr: out === undefined ? stderr : '' }).toMatchObject({
          out: { error: { code: 'ERR_RANK_LOST' } },
        });
        const at = exits[rank]?.at ?? reportedAt[rank] ?? Number.POSITIVE_INFINITY;
        expect({ rank, late: at - killedAt > timeout }).toEqual({ rank, late: false });
        // A rank that ends the job while another does may be kept in that call until the launcher kills it, with the shell that would note its end.
        expect([1, undefined]).toContain(exits[rank]?.status);
      }
    },
  );

  it('ends on every rank at the deadline where one hangs in a captured collective', async () => {
    const { ranks, status, seconds } = await job(2, [...WORKLOAD, '--timeout', '4000'], {
      LOCKSTEP_STANDIN_NCCL_HANG: LATE,
    });
    expect(status).not.toBe(0);
    const codes = ranks.map((out) => (out?.error as { code: string } | undefined)?.code);
    expect(codes).toContain('ERR_COLLECTIVE_TIMEOUT');
    for (const code of codes) expect(['ERR_COLLECTIVE_TIMEOUT', 'ERR_RANK_LOST']).toContain(code);
    expect(seconds).toBeLessThan(60);
  });
});

it('doctor names the library, and what it would be used for', () => {
  const { driver, library } = CUDA;
  const { status, stdout } = spawnSync(process.execPath, ['dist/cli/main.js', 'doctor', '--json'], {
    encoding: 'utf8',
    env: {
      ...process.env,
      [driver[0]]: path.join(built.libraries, driver[1]),
      [library[0]]: path.join(built.libraries, library[1]),
      LOCKSTEP_STANDIN_DEVICES: '2',
      LOCKSTEP_STANDIN_NCCL_VERSION: '22100',
    },
  });
  expect(status).toBe(0);
  const found = JSON.parse(stdout);
  expect(found.libraries[0]).toMatchObject({ name: 'nccl', available: true, version: '2.21.0', safeAborts: false });
  expect(found.libraries[0].reason).toMatch(/2\.26 or newer/);
  expect(found.collectives).toContainEqual({
    name: 'nccl',
    available: true,
    reason: 'ranks in a process and with a card each, of 2; graphs hold them',
  });
});
