import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createRawRules } from '../../../dist/agreement/raw-rules.js';
import { type CaptureKey, decodeKey, mixedKey, piecewiseKey } from '../../../dist/entry/planner.js';
import type { StepLogLine } from '../../../dist/entry/run.js';
import { cli, interruptCli } from '../../support/cli.js';
import { completeLog } from '../../support/logs.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const at = path.join(folder, name);
  writeFileSync(at, text);
  return at;
}

const KEYS_OF_ALL_KINDS: readonly CaptureKey[] = [
  ...[1, 2, 4, 8].map((requests) => decodeKey(requests, 1, 1)),
  ...[512, 1024].map((tokens) => mixedKey(tokens, 2, 8, 1)),
  ...[16, 32, 64, 128, 256, 2048, 4096].map(piecewiseKey),
];

const KEYS =
  'steps graphSteps eagerSteps eagerDecodeSteps idleRankSteps twinSteps rejected preemptions reasons paddingRatio paddingRatioLargest paddingRatioAll mismatches diverged ranks device policy transport requests tokens interrupted'.split(
    ' ',
  );

describe('lockstep run', () => {
  it('cuts piecewise graphs at the tokens all agreed on and at the requests that a rank has there', () => {
    const keys = Array.from({ length: 14 }, (_, index) => piecewiseKey(2 ** index));
    const plan = file('pieces.json', JSON.stringify({ schemaVersion: 1, policy: {}, keys }));
    const cut = ['--ubatches', '2', '--ubatch-threshold-decode', '4', '--ubatch-threshold-prefill', '16'];
    const given = ['--requests', '20', '--policy', 'vllm-v1', ...cut, '--plan', plan, '--check-shapes', '--json'];
    const { status, stdout, stderr } = cli(['run', ...given]);
    expect(stderr).not.toContain('Shape contract');
    expect(status).toBe(0);
    const run = JSON.parse(stdout);
    expect(run).toMatchObject({ mismatches: 0, diverged: 0, eagerSteps: 0 });
    expect(run.ubatchedSteps).toBeGreaterThan(0);
    expect(run.reasons['graph-piecewise']).toBe(run.graphSteps);
  });

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
    const common = ['run', '--trace', trace, '--json'];
    const first = cli([
      ...common,
      '--query-len',
      '3',
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
    // The plan's graphs say how many tokens a decode has.
    const again = cli([...common, '--plan', plan]);
    expect(again.status).toBe(0);
    const contrary = cli([...common, '--plan', plan, '--query-len', '2']);
    expect(contrary.status).toBe(2);
    expect(contrary.stderr).toContain("the plan's graphs are for decodes of 3: give --query-len 3, or leave it out");
    const [a, b] = [first, again].map(({ stdout }) => JSON.parse(stdout));
    expect(a.ubatchedSteps).toBeGreaterThan(0);
    expect(b.reasons).toEqual(a.reasons);
    expect(JSON.parse(readFileSync(plan, 'utf8'))).toMatchObject({ schemaVersion: 1, policy: { ubatches: 2 } });
  });

  it('runs replicas: the ranks are those that schedule, the processes all of them', () => {
    const args = ['run', '--requests', '8', '--ranks', '2', '--tensor-parallel-size', '2', '--ladder', '1,2,4,8'];
    const run = JSON.parse(cli([...args, '--json']).stdout);
    expect(run).toMatchObject({ ranks: 2, processes: 4, mismatches: 0, diverged: 0, finished: 8 });
    expect(cli(args).stdout).toMatch(/^Ran [\d,]+ steps on 2 ranks of 2 processes /);
  });

  it('writes a log of steps, each decision of which follows from its votes', async () => {
    const log = path.join(folder, 'steps.jsonl');
    const plan = file(
      'kinds.json',
      JSON.stringify({ schemaVersion: 1, policy: { ubatches: 2 }, keys: KEYS_OF_ALL_KINDS }),
    );
    const args = ['run', '--requests', '12', '--ranks', '2', '--plan', plan, '--step-log', log, '--json'];
    const run = JSON.parse(cli(args).stdout);
    const records = completeLog<StepLogLine>(log);
    const counted = Object.values(run.reasons as Record<string, number>).reduce((sum, count) => sum + count, 0);
    expect(records.map(({ step }) => step)).toEqual(Array.from({ length: counted }, (_, step) => step));
    const rules = await createRawRules({ keys: KEYS_OF_ALL_KINDS, policy: { ubatches: 2 }, ranks: 2 });
    const reasons: Record<string, number> = {};
    for (const { rows, decision } of records) {
      for (const [rank, row] of rows.entries()) rules.writeRow(rank, row);
      expect(rules.resolve().snapshot()).toEqual(decision);
      reasons[decision.reason] = (reasons[decision.reason] ?? 0) + 1;
    }
    expect(reasons).toEqual(run.reasons);
    for (const kind of ['graph', 'graph-mixed', 'graph-piecewise']) expect(reasons[kind], kind).toBeGreaterThan(0);
  });

  it('writes a log of captures: every key, largest first, with the memory and the seconds it took', () => {
    const log = path.join(folder, 'captures.jsonl');
    const plan = file('captured.json', JSON.stringify({ schemaVersion: 1, policy: {}, keys: KEYS_OF_ALL_KINDS }));
    const { status } = cli(['run', '--requests', '2', '--plan', plan, '--capture-log', log]);
    expect(status).toBe(0);
    const records = completeLog<{ key: CaptureKey; reservedBytes: number; allocatedBytes: number; seconds: number }>(
      log,
    );
    const sizes = KEYS_OF_ALL_KINDS.map(({ tokens }) => tokens).sort((a, b) => b - a);
    expect(records.map(({ key }) => key.tokens)).toEqual(sizes);
    expect(records.map(({ key }) => key)).toEqual(expect.arrayContaining([...KEYS_OF_ALL_KINDS]));
    for (const record of records) {
      expect(Object.keys(record)).toEqual(['key', 'reservedBytes', 'allocatedBytes', 'seconds']);
      expect(record.allocatedBytes).toBeGreaterThan(0);
      expect(record.reservedBytes).toBeGreaterThanOrEqual(0);
      expect(record.seconds).toBeGreaterThan(0);
    }
  });

  it.each<[string, string[], RegExp]>([
    ['an unknown option', ['--frobnicate'], /unknown option[\s\S]*\(lockstep run --help lists its options\)/],
    ['a number that is none', ['--ranks', 'two'], /--ranks.*integer/s],
    ['a share in per cent', ['--accept-rate', '2.3%'], /It must be a number: 2\.3 % is 0\.023\./],
    [
      'several numbers that cannot work, all at once',
      ['--ranks', '0', '--block-size', '0', '--ubatches', '7'],
      /--block-size is 0[\s\S]*--ubatches is 7[\s\S]*--ranks is 0/,
    ],
    ['an unknown ladder', ['--ladder', 'none'], /not a ladder/],
    ['an unknown policy', ['--policy', 'vllm-v9'], /No policy is called vllm-v9/],
    ['a trace that is not there', ['--trace', '/nowhere/trace.csv'], /\/nowhere\/trace\.csv/],
    ['a step log that cannot be written', ['--step-log', '/nowhere/steps.jsonl'], /\/nowhere\/steps\.jsonl cannot be/],
    ['a capture log that cannot be written', ['--capture-log', '/nowhere/c'], /\/nowhere\/c cannot be written/],
    ['more processes than threads can be', ['--tensor-parallel-size', '33'], /--tensor-parallel-size is 33/],
    [
      'solo for a replica',
      ['--transport', 'solo', '--ranks', '1', '--tensor-parallel-size', '2'],
      /--transport is solo, which is for one/,
    ],
    ['no requests', ['--requests', '0'], /at least 1/],
    ['solo for two ranks', ['--transport', 'solo', '--ranks', '2'], /--transport is solo, which is for one rank/],
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
    const log = path.join(folder, `${signal}-${toGroup}.jsonl`);
    const { status, stdout, seconds } = await interruptCli(
      ['run', '--requests', '20000', '--ranks', '3', '--step-log', log, '--json'],
      signal,
      toGroup,
    );
    expect(status).toBe(code);
    const run = JSON.parse(stdout);
    expect(run).toMatchObject({ interrupted: true, mismatches: 0, diverged: 0 });
    expect(seconds).toBeLessThan(30);
    expect(completeLog<StepLogLine>(log).filter(({ decision }) => decision.run !== 'park')).toHaveLength(run.steps);
  });
});
