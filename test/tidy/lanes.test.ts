import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import config from '../../vitest.config.js';

const root = path.resolve(import.meta.dirname, '../..');
const read = (name: string): string => readFileSync(path.join(root, name), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> };

interface Lane {
  readonly name: string;
  readonly include: readonly string[];
}
const lanes = (config.test?.projects ?? []).map((project) => (project as { readonly test: Lane }).test);

test('every folder of tests belongs to exactly one lane', () => {
  const files = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' });
  const folders = new Set(files.filter((name) => name.endsWith('.test.ts')).map((name) => name.split('/')[0]));
  const taken = lanes.flatMap(({ include }) => include.map((pattern) => pattern.split('/')[1]));
  expect(taken.sort()).toEqual([...folders].sort());
});

test('every lane is a script, has its minutes in docs/build.md, and is run by CI', () => {
  expect(lanes.length).toBeGreaterThan(2);
  for (const { name } of lanes) {
    const script = name === 'test' ? 'test' : `test:${name}`;
    expect(scripts[script]).toContain(`--project ${name}`);
    const command = name === 'test' ? 'npm test' : `npm run ${script}`;
    expect(read('docs/build.md')).toMatch(new RegExp(`^\\| \`${command}\` \\|.*\\| \\d+ \\|$`, 'm'));
    expect(read('.ci/run')).toMatch(new RegExp(`^lane '.*${command}'`, 'm'));
  }
});
