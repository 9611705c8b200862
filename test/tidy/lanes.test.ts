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
  readonly exclude: readonly string[];
}
const lanes = (config.test?.projects ?? []).map((project) => (project as { readonly test: Lane }).test);

/** The files of test/ that some of a lane's patterns take, each of which is a folder and `/**\/*.test.ts`. */
const within = (file: string, patterns: readonly string[]): boolean =>
  patterns.some((pattern) => `test/${file}`.startsWith(pattern.slice(0, pattern.indexOf('*'))));

test('every file of tests belongs to exactly one lane', () => {
  const files = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.test.ts'),
  );
  expect(files.length).toBeGreaterThan(200);
  for (const file of files) {
    const taking = lanes.filter(({ include, exclude }) => within(file, include) && !within(file, exclude));
    expect(taking, file).toHaveLength(1);
  }
});

test('every lane is a script, has its minutes in docs/build.md, and is run by CI', () => {
  expect(lanes.length).toBeGreaterThan(2);
  for (const { name } of lanes) {
    const script = ['test', 'pure'].includes(name) ? 'test' : `test:${name}`;
    expect(scripts[script]).toContain(`--project ${name}`);
    const command = script === 'test' ? 'npm test' : `npm run ${script}`;
    expect(read('docs/build.md')).toMatch(new RegExp(`^\\| \`${command}\` \\|.*\\| \\d+ \\|$`, 'm'));
    expect(read('.ci/run')).toMatch(new RegExp(`^lane '.*${command}'`, 'm'));
  }
});

/** Hooks of a file that is loaded once are those of the first file of tests that loads it alone. */
const HOOK = /^(?:after|before)(?:All|Each)\(/m;
const MOCK = /\bvi\.(?:mock|doMock|stubEnv|stubGlobal|useFakeTimers)\(|\bprocess\.env\.\w+ = |\bprocess\.chdir\(/;

/** What of a file of tests, or of a helper that it loads, reaches beyond it where files share a process. */
function shares(file: string, source = read(file), seen = new Set<string>()): string[] {
  const found = MOCK.test(source) ? [`${file} changes its whole process`] : [];
  for (const [, name = ''] of source.matchAll(/from '((?:\.\.?\/)+(?:support\/)?(?:[\w-]+\/)?[\w-]+)\.js'/g)) {
    const helper = path.join(path.dirname(file), `${name}.ts`);
    if (!helper.startsWith('test/support/') || seen.has(helper)) continue;
    seen.add(helper);
    if (HOOK.test(read(helper))) found.push(`${file} loads ${helper}, whose hooks are of one file`);
    found.push(...shares(helper, read(helper), seen));
  }
  return found;
}

test('files that share a process leave it as it was, and load no helper that hooks into one file', () => {
  const pure = lanes.find(({ name }) => name === 'pure');
  const files = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && within(name, pure?.include ?? []))
    .map((name) => `test/${name}`);
  expect(files.length).toBeGreaterThan(50);
  expect(files.flatMap((file) => shares(file))).toEqual([]);
});

test.each([
  ["import { limits } from '../../support/solo-rank.js';", 'solo-rank.ts, whose hooks'],
  ["vi.stubEnv('CI', '1');", 'changes its whole process'],
])('%s in one of them is found', (line, found) => {
  expect(shares('test/unit/batch/any.test.ts', line).join('\n')).toContain(found);
});
