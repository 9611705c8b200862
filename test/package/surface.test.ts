import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { checker, exported } from '../support/public-surface.js';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const homes = new Map<string, string[]>();
for (const [entry, symbols] of exported) {
  for (const { name } of symbols) homes.set(name, [...(homes.get(name) ?? []), entry]);
}

/** Rows `| name | successor |` of the section of CHANGELOG.md about names that are gone. */
function goneNames(): Map<string, string> {
  const [, section = ''] = read('CHANGELOG.md').split('### Names that are gone');
  const rows = section.split(/^#/m)[0].matchAll(/^\| `(\w+)` \| (.+) \|$/gm);
  return new Map([...rows].map(([, name, successor]) => [name, successor]));
}

describe('the public surface', () => {
  test('has these entries, and about 60 names at the root', () => {
    const names = [
      '.',
      './planner',
      './decoder',
      './capture',
      './engines',
      './workload',
      './checkpoint',
      './check',
      './run',
      './service',
      './metrics',
      './native',
    ];
    expect([...exported.keys()]).toEqual(names);
    for (const [entry, symbols] of exported) expect(symbols.length, entry).toBeGreaterThan(5);
    expect(exported.get('.')?.length).toBeLessThanOrEqual(70);
    expect(exported.get('./check')?.map(({ name }) => name)).toContain('checkPolicy');
  });

  test('exports each name from one entry', () => {
    expect([...homes].filter(([, entriesOfIt]) => entriesOfIt.length > 1)).toEqual([]);
  });

  test('documents every symbol', () => {
    const bare = [...exported].flatMap(([entry, symbols]) =>
      symbols
        .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
        .filter((symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim() === '')
        .map(({ name }) => `${entry} ${name}`),
    );
    expect(bare).toEqual([]);
  });

  test('keeps each name of 0.1, or CHANGELOG.md names its successor', () => {
    const before = JSON.parse(read('test/fixtures/surface/names-0.1.json')) as Record<string, string[]>;
    const gone = goneNames();
    const names = new Set(Object.values(before).flat());
    expect(names.size).toBeGreaterThan(380);
    expect([...names].filter((name) => !homes.has(name) && !gone.has(name))).toEqual([]);
    expect([...gone.keys()].filter((name) => homes.has(name) || !names.has(name))).toEqual([]);
    const successors = [...gone].flatMap(([name, text]) =>
      [...text.matchAll(/`(\w+)`/g)].map(([, successor]) => [name, successor]),
    );
    expect(successors.filter(([, successor]) => !homes.has(successor))).toEqual([]);
  });
});
