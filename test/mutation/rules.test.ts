import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { standardDomain } from '../../dist/check/index.js';
import { loadModules } from '../../dist/memory/modules.js';
import { completePolicy } from '../../dist/policy/policy.js';
import { root } from '../support/cli.js';
import { shownLines } from '../support/doc-blocks.js';
import { compileMutant, occurrences, ruleSources } from './compile-rules.js';
import { LAWS } from './laws.js';
import { GUARD_MUTATIONS, RULE_MUTATIONS } from './mutations.js';

const sources = ruleSources();
const builtIn = await loadModules();
/** What each mistake was caught by, in order. */
const caught: [mutation: string, by: string][] = [];

describe('the rules as they are', () => {
  test.each(LAWS)('keep the law: $name', async (law) => {
    expect(await law.broken(builtIn)).toBeUndefined();
  });
});

describe('one mistake in the rules', () => {
  test.each(RULE_MUTATIONS)('$name', async (mutation) => {
    expect(occurrences(sources, mutation.find)).toHaveLength(1);
    const modules = await loadModules({ rules: await compileMutant(sources, mutation) });
    let by: string | undefined;
    for (const law of LAWS) {
      const broken = await law.broken(modules).catch((error: unknown) => String(error));
      if (broken === undefined) continue;
      by = `${law.name}: ${broken}`;
      break;
    }
    expect(by, 'this mistake is seen by no law').toBeDefined();
    caught.push([mutation.name, by ?? '']);
  });
});

describe('one mistake in the guard', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-guard-'));
  const guard = path.join(root, 'dist/ranks/guard/resolve-guard.js');
  const source = readFileSync(guard, 'utf8');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** What exploring all captures, or a table of rows that do not belong together, finds under this guard. */
  async function brokenBy(text: string, index: number): Promise<string | undefined> {
    const copy = path.join(folder, `dist-${index}`);
    cpSync(path.join(root, 'dist'), copy, { recursive: true });
    writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}');
    writeFileSync(path.join(copy, 'ranks/guard/resolve-guard.js'), text);
    const load = (file: string): Promise<unknown> =>
      import(/* @vite-ignore */ pathToFileURL(path.join(copy, file)).href);
    const { exploreCapture } = (await load(
      'check/capture-model.js',
    )) as typeof import('../../dist/check/capture-model.js');
    const { keys } = standardDomain({}).plan;
    const { violations } = exploreCapture(keys, completePolicy(), 3);
    if (violations.length > 0) return `check: ${violations.map(({ property }) => property).join(', ')} (capture)`;
    const { resolveGuard } = (await load(
      'ranks/guard/resolve-guard.js',
    )) as typeof import('../../dist/ranks/guard/resolve-guard.js');
    const { guardRow } = (await load(
      'ranks/guard/guard-row.js',
    )) as typeof import('../../dist/ranks/guard/guard-row.js');
    const rows = [0, 1].flatMap((key) => [...guardRow(32, { key, ready: true }, 'throw')]);
    return resolveGuard(Int32Array.from(rows), 32).kind === 'diverged' ? undefined : 'guard: rows of two keys';
  }

  test('as it is, the guard keeps both laws', async () => {
    expect(await brokenBy(source, 0)).toBeUndefined();
  });

  test.each(GUARD_MUTATIONS)('$name', async (mutation) => {
    expect(source.split(mutation.find)).toHaveLength(2);
    const by = await brokenBy(
      source.replace(mutation.find, () => mutation.replace),
      1 + GUARD_MUTATIONS.indexOf(mutation),
    );
    expect(by, 'this mistake is seen by no law').toBeDefined();
    caught.push([mutation.name, by ?? '']);
  });
});

test('docs/check.md has the table', (context) => {
  // Only where all of them were tried.
  if (caught.length < RULE_MUTATIONS.length + GUARD_MUTATIONS.length) context.skip();
  const table = ['| mistake | caught by |', '|---|---|', ...caught.map(([name, by]) => `| ${name} | ${by} |`)];
  expect(shownLines('docs/check.md', 'mutations', table)).toEqual(table);
});
