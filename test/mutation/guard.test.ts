import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { standardDomain } from '../../dist/check/index.js';
import { completePolicy } from '../../dist/policy/policy.js';
import { root } from '../support/cli.js';
import { CaughtTable } from './caught-table.js';
import { GUARD_MUTATIONS } from './guard-mutations.js';

const caught = new CaughtTable('guard');

describe('one mistake in the guard', () => {
  let folder: string;
  const guard = path.join(root, 'dist/ranks/guard/resolve-guard.js');
  const source = readFileSync(guard, 'utf8');
  // In a hook, for what is made while tests are collected stays behind where none of them runs.
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lockstep-guard-'));
    writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** What the laws of the guard say of this text of it. */
  async function brokenBy(text: string, index: number): Promise<string | undefined> {
    const copy = path.join(folder, `dist-${index}`);
    try {
      cpSync(path.join(root, 'dist'), copy, { recursive: true });
      writeFileSync(path.join(copy, 'ranks/guard/resolve-guard.js'), text);
      return await brokenIn(copy);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }

  /** What exploring all captures, or a table of rows that do not belong together, finds under the guard of a copy of dist. */
  async function brokenIn(copy: string): Promise<string | undefined> {
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
    caught.add(mutation.name, by ?? '');
  });
});

test('docs/check.md has the table', (context) => {
  if (caught.size < GUARD_MUTATIONS.length) context.skip();
  caught.expectShown();
});
