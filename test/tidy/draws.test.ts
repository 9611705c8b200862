import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('tidy/'))
  .map((name) => ({ name, text: readFileSync(path.join(folder, name), 'utf8') }));

const count = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length;

test('every property takes its seed and its number of cases from runs(), so that the seed at the head repeats it', () => {
  const asserting = sources.filter(({ text }) => text.includes('fc.assert('));
  expect(asserting.length).toBeGreaterThan(30);
  const own = asserting.filter(({ text }) => count(text, /\bfc\.assert\(/g) > count(text, /\bruns\(/g));
  expect(own.map(({ name }) => name)).toEqual([]);
});

test('nothing draws from a source without a seed', () => {
  const drawing = sources.filter(({ text }) => /Math\.random\(|randomBytes\(|randomInt\(|getRandomValues\(/.test(text));
  expect(drawing.map(({ name }) => name)).toEqual([]);
});
