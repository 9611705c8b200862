import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { piecewiseKey } from '../../dist/entry/planner.js';
import type { StepLogLine } from '../../dist/entry/run.js';
import { cli, cliAlone } from '../support/cli.js';
import { completeLog } from '../support/logs.js';
import { HAS_MPI, type JobInHand, type JobResult, runJob } from '../support/mpi-job.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-mpi-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

const WORKLOAD = ['--requests', '40', '--seed', '3', '--ladder', '1,2,4,8'];
const main = 'dist/cli/main.js';
const CUT = ['--ubatches', '2', '--ubatch-threshold-decode', '2', '--ladder', '1,2,4'];
/** Files of plans whose graphs leave attention, and here collectives, between them; the other cuts a step in two where half of its tokens ends. */
const [PIECES, CUT_PIECES] = [
  {},
  {
    ...{ ubatches: 2, ubatchThresholdDecode: 2, ubatchThresholdPrefill: 8 },
    ...{ graphAgreement: 'min-mode-padded', split: 'padded-share', sharedBlocks: 'veto' },
  },
].map((policy, at) => {
  const file = path.join(folder, `pieces-${at}.json`);
  const keys = [piecewiseKey(4), piecewiseKey(64)];
  writeFileSync(file, JSON.stringify({ schemaVersion: 1, policy, keys }));
  return file;
}) as [string, string];
/** What the report of a job on the host says of its collectives. */
const BY_MESSAGES = { collectives: 'mpi', collectivesReason: expect.stringContaining('processes of an MPI job') };

function job(size: number, args: readonly string[], options?: Parameters<typeof runJob>[2]): Promise<JobResult> {
  return runJob(size, [main, 'run', '--transport', 'mpi', '--rank-out', 'FOLDER', ...args], options);
}

/** Process id of a job's rank. Ids begin anew at their end, so their order says nothing. */
function pidOf({ mpirun }: JobInHand, rank: number): number {
  const pids = execFileSync('ps', ['-o', 'pid=', '--ppid', String(mpirun)], { encoding: 'utf8' })
    .trim()
    .split(/\s+/);
  const own = `OMPI_COMM_WORLD_RANK=${rank}`;
  const found = pids.find((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(own));
  return Number(found);
}

/** Calls `act` once, when the job has taken steps. */
function whenItRuns(act: (job: JobInHand) => void): (job: JobInHand) => void {
  let done = false;
  return (given) => {
    if (done || !/[1-9]\d* steps\/s/.test(given.stderr())) return;
    done = true;
    act(given);
  };
}

describe.skipIf(!HAS_MPI)('lockstep run --transport mpi', () => {
  it.each([
    [1, []],
    [2, ['--ubatches', '2', '--ubatch-threshold-decode', '4']],
    [4, ['--check-shapes']],
    [4, ['--tensor-parallel-size', '2']],
  ])('does on %i processes what threads do: %j', async (size, given) => {
    const log = (name: string): string => path.join(folder, `${name}.jsonl`);
    const args = (name: string): string[] => [...WORKLOAD, ...given, '--json', '--step-log', log(name)];
    const ranks = given[0] === '--tensor-parallel-size' ? size / 2 : size;
    const threads = cli(['run', '--transport', 'threads', '--ranks', String(ranks), ...args('threads')]);
    expect(threads.status).toBe(0);
    const { status, stdout, ranks: outs } = await job(size, args('mpi'));
    expect(status).toBe(0);
    const [ours, theirs] = [stdout, threads.stdout].map((text) => JSON.parse(text));
    expect(Object.keys(ours)).toEqual(Object.keys(theirs));
    const exchanged = size > 1 ? BY_MESSAGES : {};
    expect(ours).toEqual({ ...theirs, ...exchanged, transport: 'mpi', seconds: ours.seconds });
    expect(ours).toMatchObject({ mismatches: 0, diverged: 0, finished: 40, processes: size });
    expect(ours.compared).toBeGreaterThan(0);
    // Every decision, word for word.
    expect(readFileSync(log('mpi'), 'utf8')).toBe(readFileSync(log('threads'), 'utf8'));
    const reports = outs.map((out) => out?.report as { digest: number; mismatches: number });
    expect(outs.map((out) => [out?.rank, out?.processes, out?.error])).toEqual(
      Array.from({ length: size }, (_, rank) => [rank, size, undefined]),
    );
    expect(new Set(reports.map(({ digest }) => digest)).size).toBe(1);
  });

  it.each([
    ['random:moe', 2, ['--query-len', '2', '--ladder', '2,4,8'], ['graphSteps']],
    ['random:dense', 2, ['--tensor-parallel-size', '2', '--ladder', '1,2,4'], ['graphSteps', 'eagerDecodeSteps']],
    ['random:dense', 4, ['--tensor-parallel-size', '2', '--async', ...CUT], ['graphSteps', 'ubatchedSteps']],
    ['random:moe', 4, ['--tensor-parallel-size', '2', ...CUT], ['graphSteps', 'ubatchedSteps']],
    ['random:moe', 2, ['--plan', PIECES], ['piecewiseSteps']],
    [
      'random:moe',
      4,
      ['--tensor-parallel-size', '2', '--plan', CUT_PIECES, '--async', '--query-len', '2', '--temperature', '0.9'],
      ['piecewiseSteps', 'ubatchedSteps'],
    ],
  ] as const)(
    'says the tokens of %s on %i processes that one eager rank says, as threads do: %j',
    async (model, size, given, modes) => {
      const log = (name: string): string => path.join(folder, `tokens-${name}.jsonl`);
      const args = ['--model', model, '--requests', '12', '--speed', '4', '--prompt-scale', '0.05', ...given, '--json'];
      const replica = given.includes('--tensor-parallel-size' as never) ? 2 : 1;
      const ranks = ['--transport', 'threads', '--ranks', String(size / replica)];
      const threads = cli(['run', ...ranks, ...args, '--step-log', log('threads')]);
      expect(threads.status).toBe(0);
      const { status, stdout, ranks: outs } = await job(size, [...args, '--step-log', log('mpi')]);
      expect(status).toBe(0);
      const [ours, theirs] = [stdout, threads.stdout].map((text) => JSON.parse(text));
      const { seconds, stepSeconds, tokensPerSecond } = ours;
      expect(ours).toEqual({ ...theirs, ...BY_MESSAGES, transport: 'mpi', seconds, stepSeconds, tokensPerSecond });
      expect(ours).toMatchObject({ mismatches: 0, diverged: 0, processes: size, model });
      expect(ours.finished + ours.rejected).toBe(12);
      expect(ours.compared).toBe(replica * ours.generatedTokens);
      for (const mode of modes) expect(ours[mode], mode).toBeGreaterThan(50);
      expect(ours.collectivesEager).toBeGreaterThan(ours.steps);
      expect(readFileSync(log('mpi'), 'utf8')).toBe(readFileSync(log('threads'), 'utf8'));
      expect(outs).toHaveLength(size);
    },
  );

  it('prints one report that people can read', async () => {
    const { stdout, stderr } = await job(2, WORKLOAD);
    expect(stdout).toMatch(/^Ran [\d,]+ steps on 2 ranks .* ranks +mpi, .* 0 mismatches\n/s);
    expect(stdout.match(/^Ran /gm)).toHaveLength(1);
    expect(stdout).not.toContain('--ranks 2');
    expect(stderr).not.toContain('lockstep (rank');
  });

  it.each([
    ['other ranks than there are processes', ['--ranks', '3'], /--ranks is 3 .* and this MPI job has 2/],
    ['replicas that the processes do not fill', ['--tensor-parallel-size', '4'], /--tensor-parallel-size is 4/],
    ['standard input', ['--trace', '-'], /--trace is -, and standard input reaches one process/],
  ])('refuses %s with exit 2, and each rank says so', async (_what, args, message) => {
    const { status, stdout, stderr, ranks } = await job(2, args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    for (const out of ranks) expect(out).toMatchObject({ error: { code: 'ERR_CONFIG_INVALID' } });
  });

  it('refuses processes that do not serve the same requests, and names them', async () => {
    const script = path.join(folder, 'other.mjs');
    writeFileSync(
      script,
      `const seed = process.env.OMPI_COMM_WORLD_RANK === '1' ? '9' : '8';
       process.argv.push('run', '--transport', 'mpi', '--rank-out', process.env.OUT, '--requests', '20', '--seed', seed);
       await import(${JSON.stringify(path.resolve(main))});`,
    );
    const out = path.join(folder, 'out');
    const { status } = await runJob(2, [script], { options: ['-x', `OUT=${out}`] });
    expect(status).toBe(1);
    for (const rank of [0, 1]) {
      const { error } = JSON.parse(readFileSync(path.join(out, `rank-${rank}.json`), 'utf8'));
      expect(error).toMatchObject({
        code: 'ERR_RANKS_DIVERGED',
        details: { ranks: [1], differences: [{ rank: 1, what: ['options', 'requests'] }] },
      });
    }
  });

  it.each([
    ['the launcher', 'SIGINT', 0],
    ['the launcher', 'SIGTERM', 0],
    ['one rank', 'SIGTERM', 1],
  ] as const)('stops all ranks at an agreed step when %s gets %s', async (_who, signal, at) => {
    const log = path.join(folder, `${signal}-${at}.jsonl`);
    const args = ['--requests', '20000', '--step-log', log, '--json'];
    const watch = whenItRuns((given) => process.kill(at === 0 ? given.mpirun : pidOf(given, 1), signal));
    // A launcher that is told to stop kills what has not ended a second later, and ranks of a busy machine take longer.
    const options = at === 0 ? ['--mca', 'odls_base_sigkill_timeout', '5'] : [];
    const { stdout, ranks } = await job(3, args, { watch, options });
    const run = JSON.parse(stdout);
    expect(run).toMatchObject({ interrupted: true, mismatches: 0, diverged: 0 });
    const steps = completeLog<StepLogLine>(log);
    expect(steps.filter(({ decision }) => decision.run !== 'park')).toHaveLength(run.steps);
    for (const out of ranks)
      expect(out).toMatchObject({ report: { decisions: { steps: run.steps }, interrupted: true } });
  });

  it.each([
    [3, ['--requests', '20000']],
    [
      2,
      [
        '--requests',
        '240',
        '--max-num-seqs',
        '1',
        '--model',
        'random:dense',
        '--prompt-scale',
        '0.05',
        '--tensor-parallel-size',
        '2',
      ],
    ],
  ])('ends at once when one of %i processes is killed, and the others leave the reason: %j', async (size, given) => {
    let killed = 0;
    const watch = whenItRuns((running) => {
      killed = performance.now();
      process.kill(pidOf(running, 1), 'SIGKILL');
    });
    const { status, stdout, ranks } = await job(size, [...given, '--timeout', '60000'], { watch });
    expect(performance.now() - killed).toBeLessThan(30_000);
    expect(status).not.toBe(0);
    expect(stdout).not.toContain('Ran ');
    expect(ranks[1]).toBeUndefined();
    for (const left of ranks.filter((_, rank) => rank !== 1))
      expect(left).toMatchObject({ error: { code: 'ERR_RANK_LOST', details: { rank: 1 } } });
  });
});

describe.skipIf(!HAS_MPI)('the folder of --rank-out', () => {
  const jobIn = (
    size: number,
    out: string,
    args: readonly string[],
    watch: (given: JobInHand) => void,
  ): Promise<JobResult> =>
    runJob(size, [main, 'run', '--transport', 'mpi', '--rank-out', out, '--timeout', '60000', ...args], { watch });
  const left = (out: string): unknown[] =>
    readdirSync(out)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => [name, JSON.parse(readFileSync(path.join(out, name), 'utf8')).processes]);

  it('is refused to a second job, and holds nothing of an earlier one of more processes', async () => {
    const out = path.join(folder, 'shared');
    const rank = (of: number, size: number): [string, number] => [`rank-${of}.json`, size];
    const short = ['--requests', '5'];
    const nothing = (): void => undefined;
    expect((await jobIn(3, out, short, nothing)).status).toBe(0);
    expect(left(out)).toEqual([rank(0, 3), rank(1, 3), rank(2, 3)]);
    let second: Promise<JobResult> | undefined;
    const watch = whenItRuns((given) => {
      second = jobIn(1, out, short, nothing);
      void second.then(() => process.kill(given.mpirun, 'SIGTERM'));
    });
    const ran = await jobIn(2, out, ['--requests', '20000'], watch);
    expect(await second).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/rank-0\.json is being written by process \d+; wait for its end/),
    });
    expect(ran.stdout).toContain('Interrupted after ');
    expect(left(out)).toEqual([rank(0, 2), rank(1, 2)]);
  });

  it('that cannot be written hides neither who was lost nor the summary', async () => {
    const out = path.join(folder, 'gone');
    const lost = await jobIn(
      3,
      out,
      ['--requests', '20000'],
      whenItRuns((given) => {
        rmSync(out, { recursive: true });
        process.kill(pidOf(given, 1), 'SIGKILL');
      }),
    );
    expect(lost.stderr).toMatch(/rank-0\.json cannot be written/);
    expect(lost.stderr).toMatch(/\(rank 0\): Rank 1 .*\[ERR_RANK_LOST\]/);
    const ended = await jobIn(
      2,
      out,
      ['--requests', '20000'],
      whenItRuns((given) => {
        rmSync(out, { recursive: true });
        process.kill(pidOf(given, 0), 'SIGTERM');
      }),
    );
    expect(ended.stdout).toContain('Interrupted after ');
    expect(ended.stderr).toMatch(/rank-0\.json cannot be written/);
  });
});

describe('without a launcher', () => {
  it('exits 3 with the command to start it by', () => {
    const { status, stdout, stderr } = cliAlone(['run', '--transport', 'mpi', '--requests', '5']);
    expect([status, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(/mpirun -n 2 npx lockstep run --transport mpi.*\[ERR_TRANSPORT_UNAVAILABLE\]/);
  });

  it('refuses --rank-out with another transport', () => {
    const { status, stderr } = cliAlone(['run', '--rank-out', folder, '--requests', '5']);
    expect(status).toBe(2);
    expect(stderr).toContain('--rank-out is for processes of an MPI job; give --transport mpi');
  });

  it('the doctor tells the library, or what was tried', () => {
    const found = (env: NodeJS.ProcessEnv): unknown =>
      JSON.parse(cli(['doctor', '--json'], '', { ...process.env, ...env }).stdout).transports[2];
    if (HAS_MPI)
      expect(found({})).toMatchObject({
        name: 'mpi',
        available: true,
        reason: expect.stringMatching(/^Open MPI v[45]\./),
      });
    const attempts = [{ library: 'libnothing.so.7', reason: expect.stringContaining('libnothing.so.7') }];
    expect(found({ LOCKSTEP_MPI_LIB: 'libnothing.so.7' })).toMatchObject({ name: 'mpi', available: false, attempts });
  });
});
