import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const manifest = JSON.parse(read('package.json')) as { exports: Record<string, string | { types: string }> };

/** Type declarations of every entry point, by its name in package.json. */
const entries = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === 'string' ? [] : [[name, path.join(root, target.types)] as const],
);

const program = ts.createProgram(
  entries.map(([, file]) => file),
  {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
  },
);
const checker = program.getTypeChecker();

/** What an entry exports. */
function symbolsOf(file: string): ts.Symbol[] {
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  return module ? checker.getExportsOfModule(module) : [];
}

const exported = new Map(entries.map(([name, file]) => [name, symbolsOf(file)]));
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
