import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  checkPolicy,
  HISTORICAL,
  PROPERTY_MEANINGS,
  playStory,
  type TraceLine,
  traceText,
} from '../../../dist/check/index.js';
import { cli, root } from '../../support/cli.js';
import { shownLines } from '../../support/doc-blocks.js';

/** Pages whose counterexample is the state that is played. */
const COUNTEREXAMPLE_PLAYED: readonly string[] = [
  'trtllm-before-14986',
  'megatron-before-3509',
  'megatron-before-3033',
  'vllm-before-25906',
  'vllm-before-28224',
  'vllm-before-43547',
];

/** The step that a page shows under one rule, without the verdict at its end. */
async function play(name: string, which: 'before' | 'fixed'): Promise<readonly TraceLine[]> {
  return (await playStory(name))[which].trace.filter(({ phase }) => phase !== 'end');
}

describe.each(HISTORICAL.map((policy) => [policy.name, policy] as const))('docs/history/%s.md', (name, historical) => {
  const page = `docs/history/${name}.md`;

  test('shows the counterexamples as they are printed', async () => {
    const { violations } = await checkPolicy({ pair: historical.pair('before') });
    const { stdout } = cli(['check', '--policy', name]);
    const expected = violations.filter(({ property }) => historical.expects.includes(property));
    const now = expected.flatMap(({ property, ranks, trace }, index) => [
      ...(index > 0 ? [''] : []),
      `${property}, ${ranks === 1 ? 'one rank' : `${ranks} ranks`}`,
      ...traceText(trace),
    ]);
    // What the page shows is what the command prints.
    const printed = stdout.split('\n');
    for (const line of now) expect(printed).toContain(line);
    expect(shownLines(page, 'counterexample', now)).toEqual(now);
  });

  const rules = COUNTEREXAMPLE_PLAYED.includes(name) ? (['fixed'] as const) : (['before', 'fixed'] as const);
  test.each(rules)('shows one state under the rule: %s', async (which) => {
    const now = traceText(await play(name, which));
    expect(shownLines(page, which, now)).toEqual(now);
  });
});

describe('docs/check.md', () => {
  const text = readFileSync(path.join(root, 'docs/check.md'), 'utf8');
  const cells = (pattern: RegExp): Set<string> => {
    const first = [...text.matchAll(/^\| (`.*?) \|/gm)].map((match) => match[1]);
    return new Set(first.flatMap((cell) => [...cell.matchAll(pattern)].map((match) => match[1])));
  };

  /** Options that docs/cli.md explains for all commands. */
  const EVERYWHERE: readonly (string | undefined)[] = ['--json', '--help', '--config', '--output', '--html', '--open'];

  test('explains every option, and no other', () => {
    const { stdout } = cli(['check', '--help']);
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1]);
    expect(cells(/`(--[a-z-]+)/g)).toEqual(new Set(options.filter((name) => !EVERYWHERE.includes(name))));
  });

  test('explains every key of the JSON document, and no other', () => {
    const { schemaVersion, ...keys } = JSON.parse(cli(['check', '--ranks', '1', '--json']).stdout);
    expect(schemaVersion).toBe(1);
    expect(cells(/`([a-z]\w*)(?:\{\}|\[\])?`/g)).toEqual(new Set(Object.keys(keys)));
  });

  test('says what each property is', () => {
    const table = [...text.matchAll(/^\| (P\d+) \| (.*?) \|/gm)].map(([, property, meaning]) => [property, meaning]);
    expect(Object.fromEntries(table)).toEqual(PROPERTY_MEANINGS);
  });

  test('shows a run with the figures of today, but for the time', () => {
    const shape = (line: string): string => line.replace(/in [\d.]+ s \([\d,]+ a second\)/, 'in # s (# a second)');
    const lines = cli(['check', '--ranks', '3']).stdout.trimEnd().split('\n');
    const shown = shownLines('docs/check.md', 'run', lines);
    expect(shown.map(shape)).toEqual(lines.map(shape));
  });

  test('leads to a page for each historical policy, and there are no others', () => {
    const pages = readdirSync(path.join(root, 'docs/history')).sort();
    expect(pages).toEqual(HISTORICAL.map(({ name }) => `${name}.md`).sort());
    for (const page of pages) {
      expect(text).toContain(`](history/${page})`);
      expect(existsSync(path.join(root, 'docs/history', page))).toBe(true);
    }
  });
});
