import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it, type TestContext } from 'vitest';
import { VOTE_WORDS } from '../../dist/layout/index.js';
import { cli, root } from '../support/cli.js';
import { traces, tracesAbsent } from '../support/traces.js';

const RANKS = 4;
/** A job over two hosts that takes so long hangs. The test's own time does not end it, for nothing else runs meanwhile. */
const HANG_MS = 270_000;
/** Exit status of the script where a machine lets no namespaces be made. */
const NOT_HERE = 77;
const AZURE = ['--trace', path.join(traces, 'azure-llm-2023-conv.csv'), '--requests', '12'];

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-two-hosts-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface TwoHosts {
  readonly stdout: string;
  /** What each host's interface sent during the job. Unit: bytes. */
  readonly sent: Readonly<Record<string, number>>;
}

/** Runs `node ARGS` as a job over two hosts; skips the test where they cannot be made. */
function onTwoHosts(context: TestContext, args: readonly string[]): TwoHosts {
  const counters = path.join(folder, 'counters');
  const script = path.join(root, 'test/mpi/two-hosts.sh');
  const command = [script, counters, String(RANKS), process.execPath, ...args];
  const { status, stdout, stderr } = spawnSync('bash', command, { cwd: root, encoding: 'utf8', timeout: HANG_MS });
  if (status === NOT_HERE) {
    console.log(`note: ${stderr.trim()}`);
    context.skip(stderr.trim());
  }
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  const lines = readFileSync(counters, 'utf8').trim().split('\n');
  const hosts = lines
    .map((line) => line.split(' '))
    .map(([host, before, after]) => [host, Number(after) - Number(before)]);
  return { stdout, sent: Object.fromEntries(hosts) };
}

describe('an MPI job over two hosts', () => {
  it('has ranks on both, which know them by different names', (context) => {
    const { stdout } = onTwoHosts(context, ['-e', 'console.log(os.hostname(), process.env.OMPI_COMM_WORLD_RANK)']);
    expect(stdout.trim().split('\n').sort()).toEqual(['host-a 0', 'host-a 1', 'host-b 2', 'host-b 3']);
  });

  it('shares no memory, though its processes could', (context) => {
    const script = `
      import { loadNative } from './dist/native/index.js';
      const { mpi } = loadNative();
      mpi.load('libmpi.so.40');
      console.log(String(mpi.start(0).sharesMemory));
      mpi.finalize();`;
    const { stdout } = onTwoHosts(context, ['--input-type=module', '-e', script]);
    expect(stdout.trim().split('\n')).toEqual(['false', 'false', 'false', 'false']);
  });

  it('says the tokens of a model whose heads and experts are on both', (context) => {
    const model = ['--model', 'random:moe', '--tensor-parallel-size', '2', '--prompt-scale', '0.05'];
    const run = ['run', '--transport', 'mpi', ...model, '--requests', '4', '--ladder', '1,2', '--json'];
    const { stdout, sent } = onTwoHosts(context, ['dist/cli/main.js', ...run]);
    const { collectives, mismatches, compared, generatedTokens, steps } = JSON.parse(stdout);
    expect({ collectives, mismatches, compared }).toEqual({
      collectives: 'mpi',
      mismatches: 0,
      compared: 2 * generatedTokens,
    });
    expect(Math.min(sent['host-a'], sent['host-b'])).toBeGreaterThan(1000 * steps);
  });

  it.for([
    { what: 'generated requests', workload: ['--requests', '30', '--seed', '5', '--ladder', '1,2,4,8'], absent: false },
    { what: 'the Azure trace', workload: AZURE, absent: tracesAbsent },
  ])('decides every step of $what as threads do, by rows that cross the wire', ({ workload, absent }, context) => {
    if (absent) context.skip('there are no traces');
    const log = (transport: string): string => path.join(folder, `${transport}.jsonl`);
    const run = (transport: string): string[] => [
      'run',
      '--transport',
      transport,
      ...workload,
      '--step-log',
      log(transport),
    ];
    const { sent } = onTwoHosts(context, ['dist/cli/main.js', ...run('mpi')]);
    expect(cli([...run('threads'), '--ranks', String(RANKS)]).status).toBe(0);
    const decided = readFileSync(log('mpi'), 'utf8');
    expect(decided).toBe(readFileSync(log('threads'), 'utf8'));
    // Each rank sends its row to the two of the other host in every step.
    const steps = decided.trim().split('\n').length;
    expect(steps).toBeGreaterThan(100);
    const rows = steps * (RANKS / 2) * (RANKS / 2) * VOTE_WORDS.length * 4;
    expect(Math.min(sent['host-a'], sent['host-b'])).toBeGreaterThan(rows);
  });
});
