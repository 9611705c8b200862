import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPage } from '../support/browser.js';

let folder = '';
/** Every file of the built page, by its path. */
let files = new Map<string, Buffer>();

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-page-'));
  await buildPage(folder);
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  files = new Map(
    names.map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      return [path.relative(folder, file), readFileSync(file)];
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the whole page is below 300 KB, compressed', () => {
  const sizes = [...files].map(([name, bytes]) => [name, gzipSync(bytes, { level: 9 }).length] as const);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  expect(total, JSON.stringify(sizes)).toBeLessThan(300_000);
  expect(total).toBeGreaterThan(100_000);
});

test('it holds the planner, and nothing of Node or of the addon', () => {
  const names = [...files.keys()].map((name) => name.replace(/^assets\/|-[\w-]{8}(?=\.)/g, '')).sort();
  expect(names).toEqual([
    'index.css',
    'index.html',
    'index.js',
    'metadata.wasm',
    'plan-plots.js',
    'planner.js',
    'rules.wasm',
  ]);
  for (const [name, bytes] of files) {
    if (name.endsWith('.js')) expect(bytes.toString('utf8'), name).not.toMatch(/__vite-browser-external|from ?"node:/);
  }
});

test('it is served from any folder, and asks no other host for anything', () => {
  const html = files.get('index.html')?.toString('utf8') ?? '';
  const named = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address ?? '');
  expect(named.length).toBeGreaterThan(1);
  for (const address of named) expect(address).toMatch(/^(?:\.\/|data:)/);
  expect(html).toMatch(/Content-Security-Policy[\s\S]*default-src 'none'[\s\S]*connect-src 'self'/);
});
