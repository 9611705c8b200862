import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { tableText } from '../../../dist/cli/show.js';
import { meantWord, nearest } from '../../../dist/cli/suggest.js';
import { cli } from '../../support/cli.js';

const SIMULATE = ['simulate', '--requests', '20'];

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
