import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { cli, root } from '../support/cli.js';
import { TEST_DEVICE } from '../support/device-fixture.js';

const folder = path.join(root, 'examples');
const compiler = process.env.CC ?? 'cc';
const hasCompiler = spawnSync(compiler, ['--version']).status === 0;

/** Runs a program as the README of the examples says, in the root of the checkout. */
function example(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): { status: number | null; stdout: string; stderr: string } {
  // Node's test runner would take this process for its parent.
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  return spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env: { ...inherited, ...env } });
}

it('plans from a log: fewer graphs than the default, and less padding', () => {
  const { status, stdout, stderr } = example(['examples/plan-from-log/plan.mjs']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const [first = '', vllm = ''] = stdout.split('\n');
  const [, steps, graphs, padding] = /^(\d+) steps; (\d+) graphs pad ([\d.]+) %$/.exec(first) ?? [];
  const [, theirGraphs, theirPadding] = /vllm's default: (\d+) graphs pad ([\d.]+) %/.exec(vllm) ?? [];
  expect(Number(steps)).toBe(510);
  expect(Number(graphs)).toBeLessThan(Number(theirGraphs));
  expect(Number(padding)).toBeLessThanOrEqual(5);
  expect(Number(theirPadding)).toBeGreaterThan(Number(padding));
  expect(stdout).toMatch(/^--cudagraph-capture-sizes [\d ]+$/m);
});

it('gives the same sizes as the command line', () => {
  const [sizes = ''] =
    /(?<=--cudagraph-capture-sizes ).*/.exec(example(['examples/plan-from-log/plan.mjs']).stdout) ?? [];
  const args = [
    'plan',
    'examples/plan-from-log/vllm.log',
    '--ranks',
    '1',
    '--max-num-seqs',
    '64',
    '--max-padding',
    '0.05',
  ];
  const { ladders } = JSON.parse(cli([...args, '--json']).stdout) as { ladders: { decode: number[] } };
  expect(sizes).toBe(ladders.decode.join(' '));
});

describe('shadow', () => {
  const shadow = (...engine: string[]): ReturnType<typeof example> =>
    example(['examples/shadow/shadow.mjs', process.execPath, 'examples/shadow/engine.mjs', ...engine]);

  it('finds nothing in an engine that keeps to its rules', () => {
    const { status, stdout, stderr } = shadow('300');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('0 of 300 decisions are not what its rules say');
  });

  it('names the step in which it did something else', () => {
    const { status, stdout } = shadow('300', '100');
    expect(status).toBe(1);
    expect(stdout).toContain('1 of 300 decisions are not what its rules say');
    expect(stdout).toMatch(/the first: .*"step":100.*"paddedTokens"/);
  });

  it('says when the engine itself fails', () => {
    const { status, stderr } = example(['examples/shadow/shadow.mjs', process.execPath, '-e', 'process.exit(3)']);
    expect(status).toBe(1);
    expect(stderr).toContain('the engine ended with 3');
  });
});

it('tests a scheduler with the planner alone, and loads no addon', () => {
  // An addon that is opened would be an error.
  const env = { NODE_OPTIONS: '--no-addons' };
  const { status, stdout } = example(
    ['--test', '--test-reporter=tap', 'examples/planner-tests/scheduler.test.mjs'],
    env,
  );
  expect(status, stdout).toBe(0);
  expect(stdout).toContain('# pass 2');
});

it.skipIf(!hasCompiler || TEST_DEVICE !== 'host')('captures kernels of its own', () => {
  const { status, stdout, stderr } = example(['examples/custom-kernels/kernels.mjs'], { CC: compiler });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout.trim().split('\n')).toEqual([
    '1 2 3 4 -> 3 6 9 12',
    '10 20 30 40 -> 30 60 90 120',
    'ERR_LAUNCH_INVALID scale: n is -1; it must not be negative',
  ]);
});

describe('gpu-ci', () => {
  interface Workflow {
    readonly jobs: Readonly<
      Record<string, { readonly steps: readonly { readonly uses?: string; readonly run?: string }[] }>
    >;
  }
  const workflow = parse(readFileSync(path.join(folder, 'gpu-ci/gpu.yml'), 'utf8')) as Workflow;
  const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);

  it('runs a step on the device that is named, and falls back to no other', () => {
    const { status, stdout } = example(['examples/gpu-ci/smoke.mjs'], { LOCKSTEP_DEVICE: TEST_DEVICE });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ok on /);
    expect(example(['examples/gpu-ci/smoke.mjs'], { LOCKSTEP_DEVICE: 'cuda:99' }).status).toBe(1);
  });

  it('has commands of the command line that do what they should, here on the host', () => {
    const commands = steps.flatMap(({ run = '' }) => (run.startsWith('npx lockstep ') ? [run] : []));
    expect(commands).toHaveLength(3);
    const run = commands.find((command) => command.includes(' run ')) ?? '';
    const words = run
      .replace('"$LOCKSTEP_DEVICE"', 'host')
      .replace(/--record \S+/, '')
      .split(/\s+/)
      .slice(2);
    const { status, stdout } = cli(words.filter((word) => word !== ''));
    expect(status).toBe(0);
    expect(stdout).toContain('0 mismatches');
  });

  it('pins the actions that it uses by commit', () => {
    for (const { uses } of steps) expect(uses ?? 'none').toMatch(/^none$|@[0-9a-f]{40}$/);
  });
});

it('lists every example', () => {
  const names = readdirSync(folder, { withFileTypes: true }).flatMap((each) => (each.isDirectory() ? [each.name] : []));
  const text = readFileSync(path.join(folder, 'README.md'), 'utf8');
  expect([...text.matchAll(/^\| \[([\w-]+)\]/gm)].map(([, name]) => name).sort()).toEqual(names.sort());
});
