import { spawn } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { BENCH_ROWS } from '../../../dist/bench/run-bench.js';
import { cli, root } from '../../support/cli.js';

interface Case {
  readonly name: string;
  readonly ns: number;
  readonly limitNs: number;
  readonly ratio: number;
  readonly peerNs: number | null;
  readonly peerRatio: number | null;
}

const range = (from: number, to: number): number[] => (from > to ? [] : [from, ...range(from * 2, to)]);

test('the rows are those that scripts compare from version to version', () => {
  const tables = ['512x2048', '256x512'];
  expect(BENCH_ROWS).toEqual([
    ...[1, 8, 64, 256, 512, 1024].map((count) => `decode-${count}`),
    ...['spec-256x4', 'prefill-1x8192', 'prefill-4x2048', 'mixed-255+7937', 'short-1024x16', 'parts-2-256', 'csr-256'],
    ...tables.flatMap((size) => [`block-table-append-${size}`, `block-table-rebuild-${size}`]),
    ...[16, 32].map((count) => `append-each-${count}`),
    ...[64, 256, 1024].map((count) => `step-${count}`),
    'step-checked-256',
    ...['step-append-256', 'churn-256', 'churn-4096', 'churn-prefill-256', 'spec-256'],
    ...[256, 65536].map((count) => `replace-one-${count}`),
    'admission-256',
    ...[8, 64, 1024].map((ranks) => `resolve-${ranks}`),
    'recorder-8',
    'agreement-2',
    ...[2, 8, 16, 32].map((ranks) => `gather-${ranks}`),
    'vote-piecewise-4096',
    ...range(256, 16384).map((count) => `growth-${count}`),
    'simulate-256',
    'simulate-prefill-256',
    'read-csv',
  ]);
});

describe('lockstep bench', () => {
  test('--json has a case of every row, each beside its limit, and null where there is no peer', () => {
    const { status, stdout, stderr } = cli(['bench', '--rounds', '1', '--filter', '-2', '--json']);
    expect(status).toBe(0);
    const names = BENCH_ROWS.filter((name) => name.includes('-2'));
    expect(names.length).toBeGreaterThan(5);
    const document = JSON.parse(stdout) as { cases: Case[]; peer: string | null };
    expect(document).toMatchObject({ schemaVersion: 1, rounds: 1, interrupted: false });
    expect(document.cases.map(({ name }) => name)).toEqual(names);
    for (const { name, ns, limitNs, ratio, peerNs, peerRatio } of document.cases) {
      expect(ns, name).toBeGreaterThan(0);
      expect(limitNs, name).toBeGreaterThan(0);
      // Of one round the median of the ratios is the ratio of the medians.
      expect(ratio, name).toBeCloseTo(ns / limitNs);
      if (peerNs === null || /^(parts|csr|simulate|append-each|read|agreement|gather)/.test(name))
        expect({ peerNs, peerRatio }).toEqual({ peerNs: null, peerRatio: null });
      else expect(peerRatio, name).toBeCloseTo(peerNs / ns);
      expect(stderr, name).toContain(name);
    }
  });

  test('without --json it is a table of the rows', () => {
    const { status, stdout } = cli(['bench', '--rounds', '1', '--filter', 'step-64']);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^row +ns +limit ns +ratio +numpy ns +numpy \/ ours\nstep-64 +[\d.,]+ +[\d.,]+ +[\d.]+ +\S+ +\S+\n\nmedians of 1 rounds; numpy /,
    );
  });

  test('a filter that names no row exits 2 and lists the rows, and so do rounds that are no count', () => {
    const unknown = cli(['bench', '--filter', 'decode-3']);
    expect(unknown).toMatchObject({ status: 2, stdout: '' });
    expect(unknown.stderr).toMatch(/No row has "decode-3".*decode-256, .*growth-16384, .*\[ERR_INPUT_INVALID\]/);
    expect(cli(['bench', '--rounds', '0'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('rounds is 0'),
    });
  });

  test('SIGINT prints what was measured and exits 130', async () => {
    const child = spawn(process.execPath, [path.join(root, 'dist/cli/main.js'), 'bench', '--rounds', '40', '--json']);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      stderr += text;
      // The second row begins where the first is done.
      if (!child.killed && stderr.includes('decode-8\n')) child.kill('SIGINT');
    });
    const status = await new Promise((resolve) => child.on('close', resolve));
    expect(status).toBe(130);
    const { cases, interrupted } = JSON.parse(stdout) as { cases: Case[]; interrupted: boolean };
    expect(interrupted).toBe(true);
    expect(cases.map(({ name }) => name)).toEqual(BENCH_ROWS.slice(0, cases.length));
    expect(cases.length).toBeGreaterThan(0);
    expect(cases.length).toBeLessThan(BENCH_ROWS.length);
  });
});
