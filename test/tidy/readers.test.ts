import { readFileSync } from 'node:fs';
import { builtinModules, createRequire } from 'node:module';
import path from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const { imports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  readonly imports: Readonly<Record<string, { readonly node: string; readonly default: string }>>;
};

/** Modules of Node that a built file reaches through static imports, as a browser resolves them, each by who imports it. */
function nodeImports(...entries: readonly string[]): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { fileName } of ts.preProcessFile(readFileSync(file, 'utf8'), true, true).importedFiles) {
      const name = imports[fileName]?.default ?? fileName;
      if (name.startsWith('node:') || builtinModules.includes(name))
        found.push(`${path.relative(root, file)}: ${name}`);
      else if (name.startsWith('./dist/')) visit(path.join(root, name));
      else if (name.startsWith('.')) visit(path.join(path.dirname(file), name));
      else
        visit(
          createRequire(file)
            .resolve(name)
            .replace('dist/cjs', 'dist/esm')
            .replace('yaml/dist', 'yaml/browser/dist')
            .replace(/\.cjs$/, '.js'),
        );
    }
  };
  for (const entry of entries) visit(path.join(root, 'dist', entry));
  expect(seen.size).toBeGreaterThan(10);
  return found;
}

const READERS = ['workload/index.js', 'engines/engine-log.js'];

test('readers of traces, costs and logs reach no module of Node where there is no Node', () => {
  expect(nodeImports(...READERS)).toEqual([]);
});

test('neither do the rooms that plan for a trace, a log or a launch line, and explain a batch', () => {
  expect(nodeImports('capture/index.js', 'explain/index.js', 'engines/index.js')).toEqual([]);
});

test('a module of Node would be found', () => {
  expect(nodeImports(...READERS, 'input/open-path.js')).toEqual([
    'dist/input/open-path.js: node:fs',
    'dist/input/open-path.js: node:net',
    'dist/input/open-path.js: node:stream',
    'dist/input/open-path.js: node:tty',
    'dist/input/open-path.js: node:util',
    'dist/input/open-path.js: node:zlib',
  ]);
});

test('each import by condition has a form for Node and one for all else', () => {
  for (const [name, forms] of Object.entries(imports)) expect(Object.keys(forms), name).toEqual(['node', 'default']);
});
