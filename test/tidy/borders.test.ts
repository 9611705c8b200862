import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { brokenBorders, FOUNDATION, ROOMS, readSources, type Sources } from './borders.js';

const root = path.resolve(import.meta.dirname, '../..');
const sources = readSources(root);

/** The sources with more text at the end of one file. */
const withMore = (file: string, text: string): Sources => new Map(sources).set(file, `${sources.get(file)}\n${text}`);

test('files import other rooms through their index, from lower floors alone, and in no circle', () => {
  expect(sources.size).toBeGreaterThan(200);
  expect(brokenBorders(sources)).toEqual([]);
});

test.each([
  ['past an index', 'ranks/solo.ts', "import { word } from '../layout/layout.js';", 'past layout/index.ts'],
  ['upwards', 'layout/enums.ts', "import type { Policy } from '../policy/index.js';", 'which is above it'],
  ['upwards, when it runs', 'batch/requests.ts', "void import('../cli/index.js');", 'which is above it'],
  ['upwards into the root', 'cli/exit.ts', "export * from '../index.js';", 'which is above it'],
  ['in a circle of types', 'layout/enums.ts', "import type { VOTE_WORDS } from './layout.js';", 'a cycle of imports'],
  ['what does not exist', 'config.ts', "import './nowhere.js';", 'which is no file'],
])('an import %s is found', (_what, file, text, message) => {
  const found = brokenBorders(withMore(file, text));
  expect(found.join('\n')).toContain(message);
  expect(found.join('\n')).toContain(file);
});

test('a file in no room is found', () => {
  expect(brokenBorders(new Map(sources).set('attic/old.ts', ''))).toEqual([
    'attic/old.ts is in no room of docs/architecture.md',
  ]);
});

test('every room has a door, a line in docs/architecture.md, and tests in a folder of its name or none', () => {
  const testOf = (file: string): string => file.replace(/\.ts$/, '.test.ts');
  const page = readFileSync(path.join(root, 'docs/architecture.md'), 'utf8');
  for (const room of ROOMS) {
    if (room !== 'entry' && room !== 'cli') expect(sources.has(`${room}/index.ts`), room).toBe(true);
    expect(page, room).toContain(`| \`${room}/\` |`);
  }
  for (const file of FOUNDATION) expect(page, file).toContain(`\`${file}\``);
  const folders = readdirSync(path.join(root, 'test/unit'));
  expect(folders.filter((name) => !['docs', ...ROOMS, ...FOUNDATION.map(testOf)].includes(name))).toEqual([]);
  expect(existsSync(path.join(root, 'src/index.ts'))).toBe(true);
});
