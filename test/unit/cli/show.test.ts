import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, describe, expect, it } from 'vitest';
import { tableText } from '../../../dist/cli/show.js';
import { meantWord, nearest } from '../../../dist/cli/suggest.js';
import type { PlanDocument } from '../../../dist/entry/capture.js';
import { cli } from '../../support/cli.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-show-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SIMULATE = ['simulate', '--requests', '20'];

interface Audited {
  readonly uncovered: readonly { readonly from: number; readonly to: number }[];
  readonly unreachable: readonly number[];
  readonly traffic: { readonly unused: readonly number[] } | null;
}

/** Standard output of a command that ended well. */
function printed(...args: string[]): string {
  const { status, stdout, stderr } = cli(args);
  expect(status, stderr).toBe(0);
  return stdout;
}

describe('--output', () => {
  it('prints the same rows as ndjson, csv and a table, and with json the document of --json', () => {
    const rows = printed(...SIMULATE, '--output', 'ndjson')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const { reasons } = JSON.parse(printed(...SIMULATE, '--output', 'json')) as { reasons: Record<string, number> };
    expect(Object.fromEntries(rows.map(({ reason, decisions }) => [reason, decisions]))).toEqual(reasons);
    expect(Object.keys(JSON.parse(printed(...SIMULATE, '--json')))).toContain('reasons');

    const csv = parse(printed(...SIMULATE, '--output', 'csv'), { columns: true }) as Record<string, string>[];
    expect(csv).toEqual(rows.map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, String(v)]))));
    const table = printed(...SIMULATE, '--output', 'table').split('\n');
    expect(table[0]?.split(/\s+/)).toEqual(Object.keys(rows[0] ?? {}));
    expect(table).toHaveLength(rows.length + 2);
  });

  it.each([
    [['plan', '--requests', '20'], 'engine', 'lockstep'],
    [['run', '--requests', '5', '--ranks', '1', '--device', 'host'], 'reason', 'graph'],
    [['conformance'], 'family', 'agree-atom'],
    [['check', '--list'], 'name', 'lockstep'],
    [['bench', '--rounds', '1', '--filter', 'decode-1'], 'name', 'decode-1'],
  ])('has rows in %j', (args, column, first) => {
    const [row] = parse(printed(...args, '--output', 'csv'), { columns: true }) as Record<string, string>[];
    expect(row?.[column]).toContain(first);
  });

  it('has what each engine captures in the rows of a plan, as its document has', () => {
    const args = ['plan', '--requests', '20', '--output'];
    const { ladders, engines } = JSON.parse(printed(...args, 'json')) as PlanDocument;
    const expected = [['lockstep', ladders.decode], ...engines.map(({ engine, sizes }) => [engine, sizes])];
    const rows = parse(printed(...args, 'csv'), { columns: true }) as Record<string, string>[];
    expect(rows.map(({ engine, sizes }) => [engine, sizes?.split(' ').map(Number)])).toEqual(expected);
    expect(engines.length).toBeGreaterThan(3);
  });

  it('has the ranges and sizes that audit finds fault with, and names columns where there is none', () => {
    const audited = (graphs: readonly string[], status: number, ...traffic: string[]): Record<string, string>[] => {
      const args = ['audit', ...graphs, '--max-num-seqs', '8', ...traffic];
      const { stdout, stderr, status: ended } = cli([...args, '--output', 'csv']);
      expect(ended, stderr).toBe(status);
      expect(stdout.split('\n')[0]).toBe('finding,from,to,unit,meaning');
      const rows = parse(stdout, { columns: true }) as Record<string, string>[];
      const found = JSON.parse(cli([...args, '--output', 'json']).stdout) as Audited;
      const of = (finding: string): number[][] =>
        rows.filter((row) => row.finding === finding).map(({ from, to }) => [Number(from), Number(to)]);
      expect(of('uncovered')).toEqual(found.uncovered.map(({ from, to }) => [from, to]));
      expect(of('unreachable')).toEqual(found.unreachable.map((size) => [size, size]));
      expect(of('unused')).toEqual((found.traffic?.unused ?? []).map((size) => [size, size]));
      return rows;
    };
    const ladder = (sizes: string): string[] => ['--ladder', sizes];
    const findings = (rows: Record<string, string>[]): string[] => rows.map(({ finding }) => finding);
    expect(findings(audited(ladder('1,2,4'), 1))).toEqual(['uncovered']);
    expect(findings(audited(ladder('1,2,3,4,8'), 0, '--requests', '1'))).toContain('unused');
    expect(audited(ladder('1,2,4,8'), 0)).toEqual([]);
    const plan = path.join(folder, 'plan.json');
    printed('plan', '--requests', '5', '--include', '100,200', '--out', plan);
    expect(findings(audited(['--plan', plan], 0))).toEqual(expect.arrayContaining(['unreachable', 'unreachable']));
  });

  it('has a row for each rank of each batch that is explained, as it is read', () => {
    const batches = [
      '{"ranks":[{"requests":[{"phase":"decode","queryLen":1,"numComputedTokens":31}]},{"requests":[]}]}',
      'no batch',
      '{"ranks":[{"requests":[{"phase":"prefill","queryLen":9,"numComputedTokens":0}]}]}',
    ].join('\n');
    const explained = (output: string): string => {
      const { status, stdout, stderr } = cli(['explain', '--output', output], batches);
      expect(stderr).toContain('line 2: this is not JSON');
      expect(status).toBe(2);
      return stdout;
    };
    const rows = parse(explained('csv'), { columns: true }) as Record<string, string>[];
    expect(rows.map(({ line, rank, tokens, run, reason }) => [line, rank, tokens, run, reason])).toEqual([
      ['1', '0', '1', 'full', 'graph'],
      ['1', '1', '0', 'full', 'graph'],
      ['3', '0', '9', 'eager', expect.stringMatching(/^[a-z-]+$/)],
    ]);
    const lines = (text: string): string[] => text.trimEnd().split('\n');
    const records = lines(explained('ndjson')).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.map((row) => Object.values(row).map(String))).toEqual(rows.map((row) => Object.values(row)));
    expect(lines(explained('table'))).toHaveLength(rows.length + 1);
    const documents = lines(explained('json')).map((line) => JSON.parse(line) as { line: number; local: unknown[] });
    expect(documents.map(({ line, local }) => [line, local.length])).toEqual([
      [1, 2],
      [3, 1],
    ]);
  });

  it('has what doctor found', () => {
    const rows = parse(printed('doctor', '--output', 'csv'), { columns: true }) as Record<string, string>[];
    const { devices, transports } = JSON.parse(printed('doctor', '--output', 'json')) as Record<string, unknown[]>;
    expect(rows.filter(({ part }) => part === 'device')).toHaveLength(devices.length);
    expect(rows.filter(({ part }) => part === 'transport')).toHaveLength(transports.length);
    expect(rows).toContainEqual(expect.objectContaining({ part: 'transport', name: 'solo', available: 'true' }));
  });

  it('is refused beside --json', () => {
    const { status, stderr } = cli([...SIMULATE, '--json', '--output', 'csv']);
    expect(status).toBe(2);
    expect(stderr).toContain("option '--output <format>' cannot be used with option '--json'");
  });

  it('puts numbers to the right, and nothing at the ends of lines', () => {
    expect(
      tableText([
        { a: 'x', n: 1, z: null },
        { a: 'long', n: 10.123456789, z: 'y' },
      ]),
    ).toBe('a           n  z\nx           1  -\nlong  10.1235  y\n');
    expect(tableText([])).toBe('');
  });
});

describe('colours', () => {
  const coloured = (env: NodeJS.ProcessEnv): boolean => {
    const { NO_COLOR: _, FORCE_COLOR: __, ...others } = process.env;
    return cli(['conformance'], '', { ...others, ...env }).stdout.includes('\u001b[');
  };
  it('are printed to a pipe only if FORCE_COLOR asks, and never with NO_COLOR', () => {
    expect(coloured({})).toBe(false);
    expect(coloured({ FORCE_COLOR: '1' })).toBe(true);
    expect(coloured({ FORCE_COLOR: '0' })).toBe(false);
    expect(coloured({ FORCE_COLOR: '1', NO_COLOR: '1' })).toBe(false);
    expect(coloured({ FORCE_COLOR: '1', NO_COLOR: '' })).toBe(true);
  });
});

describe('suggestions', () => {
  it('are words with at most a third of other letters', () => {
    expect(nearest('vlm', ['sglang', 'vllm'])).toBe('vllm');
    expect(nearest('Ranks', ['ranks'])).toBe('ranks');
    expect(nearest('abc', ['xyz', 'plan'])).toBeUndefined();
    for (const files of [
      ['c.json', 'j.jsonl'],
      ['j.jsonl', 'c.json'],
    ]) {
      expect(nearest('j.jsn', files)).toBe('j.jsonl');
    }
  });

  it.each([
    ['No policy is called vlm-v1: there are lockstep, vllm-v1, or give the path of a JSON file with one', 'vllm-v1'],
    ['x:\n  - "vlm" is not a ladder: give sizes in tokens, like 1,2, or a name (vllm, sglang)', 'vllm'],
  ])('follow a message that lists what there is: %s', (message, word) => {
    expect(meantWord(message)).toBe(` Did you mean "${word}"?`);
  });

  it.each([
    [['plan', 'READNE.md'], 'Did you mean "README.md"?'],
    [['simulate', '--plan', 'packge.json'], 'Did you mean "package.json"?'],
    [['replay', 'READNE.md'], 'Did you mean "README.md"?'],
    [['generate', 'example', 'hi'], 'Did you mean "examples"?'],
    [['conformance', 'example'], 'Did you mean "examples"?'],
    [['simulate', '--policy', 'sglan'], 'Did you mean "sglang"?'],
    [['simulate', '--ladder', 'vlm'], 'Did you mean "vllm"?'],
    [['simulate', '--rank', '2'], 'Did you mean --ranks?'],
    [['simualte'], 'Did you mean simulate?'],
  ])('%j', (args, hint) => {
    const { status, stderr } = cli(args);
    expect(status).toBe(2);
    expect(stderr).toContain(hint);
  });

  it('are left out where nothing is near', () => {
    expect(cli(['plan', '/nowhere/at/all.csv']).stderr).not.toContain('Did you mean');
  });
});
