import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cli, interruptCli } from '../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const at = path.join(folder, name);
  writeFileSync(at, text);
  return at;
}

const KEYS =
  'steps graphSteps eagerSteps eagerDecodeSteps idleRankSteps twinSteps rejected preemptions reasons paddingRatio mismatches diverged ranks device policy transport requests tokens interrupted'.split(
    ' ',
  );

describe('lockstep run', () => {
  it('prints one JSON document with the keys scripts rely on, and nothing else on stdout', () => {
    const { status, stdout } = cli(['run', '--requests', '10', '--ranks', '2', '--ladder', '1,2,4,8', '--json']);
    expect(status).toBe(0);
    const run = JSON.parse(stdout);
    expect(Object.keys(run)).toEqual(expect.arrayContaining(['schemaVersion', ...KEYS]));
    expect(run).toMatchObject({
      schemaVersion: 1,
      ranks: 2,
      requests: 10,
      mismatches: 0,
      diverged: 0,
      interrupted: false,
    });
  });

  it('prints a summary people can read', () => {
    const { status, stdout } = cli(['run', '--requests', '5', '--ranks', '1', '--ladder', '1,2,4,8']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Ran [\d,]+ steps on 1 rank /);
    expect(stdout).toMatch(/every scheduled request after every step: 0 mismatches/);
  });

  it('prints the rate at which drafts are accepted, where there are any', () => {
    const args = ['run', '--requests', '5', '--ranks', '1', '--query-len', '3', '--accept-rate', '0.4', '--seed', '9'];
    expect(cli(args).stdout).toMatch(/drafts +up to 2 a decode, each accepted with chance 0\.4 .*seed 9/);
    expect(cli(['run', '--requests', '5', '--ranks', '1']).stdout).not.toMatch(/drafts/);
  });

  it('says which share it verified when it samples', () => {
    expect(cli(['run', '--requests', '5', '--verify', 'sampled']).stdout).toMatch(/seeded share \(1 in 8\)/);
  });

  it('reads a trace, runs with drafts and micro-batches, writes the plan and runs that plan again', () => {
    const lines = Array.from({ length: 30 }, (_, i) =>
      JSON.stringify({ timestamp: i * 3, input_length: 20 + i, output_length: 30 }),
    );
    const trace = file('trace.jsonl', `${lines.join('\n')}\n`);
    const plan = path.join(folder, 'plan.json');
    const common = ['run', '--trace', trace, '--query-len', '3', '--json'];
    const first = cli([
      ...common,
      '--ubatches',
      '2',
      '--ubatch-threshold-decode',
      '6',
      '--ladder',
      '1,2,4,8,16',
      '--plan-out',
      plan,
    ]);
    expect(first.status).toBe(0);
    const again = cli([...common, '--plan', plan]);
    expect(again.status).toBe(0);
    const [a, b] = [first, again].map(({ stdout }) => JSON.parse(stdout));
    expect(a.ubatchedSteps).toBeGreaterThan(0);
    expect(b.reasons).toEqual(a.reasons);
    expect(JSON.parse(readFileSync(plan, 'utf8'))).toMatchObject({ schemaVersion: 1, policy: { ubatches: 2 } });
  });

  it.each<[string, string[], RegExp]>([
    ['an unknown option', ['--frobnicate'], /unknown option/],
    ['a number that is none', ['--ranks', 'two'], /--ranks.*integer/s],
    [
      'several numbers that cannot work, all at once',
      ['--ranks', '0', '--block-size', '0', '--ubatches', '7'],
      /blockSize[\s\S]*ubatches[\s\S]*ranks/,
    ],
    ['an unknown ladder', ['--ladder', 'none'], /no ladder/],
    ['an unknown policy', ['--policy', 'vllm-v9'], /No policy is called vllm-v9/],
    ['a trace that is not there', ['--trace', '/nowhere/trace.csv'], /\/nowhere\/trace\.csv/],
    ['no requests', ['--requests', '0'], /at least 1/],
    ['solo for two ranks', ['--transport', 'solo', '--ranks', '2'], /solo is for one rank/],
  ])('refuses %s with exit 2', (_what, args, message) => {
    const { status, stdout, stderr } = cli(['run', ...args]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
    expect(stdout).toBe('');
  });

  it('names file, line and what was expected of a malformed trace line, and writes no plan', () => {
    const trace = file(
      'bad.jsonl',
      '{"timestamp":0,"input_length":5,"output_length":2}\n{"timestamp":1,"input_length":-5,"output_length":2}\n',
    );
    const plan = path.join(folder, 'never.json');
    const { status, stderr } = cli(['run', '--trace', trace, '--plan-out', plan]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/bad\.jsonl.*2.*input_length.*\[ERR_TRACE_INVALID\]/s);
    expect(() => readFileSync(plan)).toThrow(/ENOENT/);
  });

  it.skipIf(process.env.REQUIRE_GPU === '1')(
    'exits 3 when the device asked for cannot be had, and says what was tried',
    () => {
      const { status, stderr } = cli(['run', '--requests', '1', '--device', 'hip']);
      expect(status).toBe(3);
      expect(stderr).toMatch(/libamdhip64/);
    },
  );

  it.each<[NodeJS.Signals, number, boolean]>([
    ['SIGINT', 130, false],
    ['SIGTERM', 143, false],
    ['SIGINT', 130, true],
    ['SIGTERM', 143, true],
  ])('on %s stops all ranks, prints the summary so far and exits %i (group: %s)', async (signal, code, toGroup) => {
    const { status, stdout, seconds } = await interruptCli(
      ['run', '--requests', '20000', '--ranks', '3', '--json'],
      signal,
      toGroup,
    );
    expect(status).toBe(code);
    expect(JSON.parse(stdout)).toMatchObject({ interrupted: true, mismatches: 0, diverged: 0 });
    expect(seconds).toBeLessThan(10);
  });
});
