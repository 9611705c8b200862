import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { FLOORS, versionsOf } from '../../scripts/check-abi.mjs';
import { root } from '../support/cli.js';

/** Lines as `readelf -W --dyn-syms` prints them. */
const symbols = (...names: string[]): string =>
  names.map((name) => `    13: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND ${name} (7)`).join('\n');

it('counts versions as numbers, and names every symbol above the floor', () => {
  const text = symbols(
    'a@GLIBC_2.4',
    'b@GLIBC_2.34',
    'c@GLIBC_2.9',
    'd@GLIBCXX_3.4.30',
    'e@GLIBCXX_3.4.9',
    'f@GLIBC_2.36',
  );
  expect(versionsOf(text)).toEqual({
    newest: { GLIBC: '2.36', GLIBCXX: '3.4.30' },
    above: ['d@GLIBCXX_3.4.30', 'f@GLIBC_2.36'],
  });
});

it('leaves out what the library defines itself', () => {
  const own = '    13: 0000000000001234     8 FUNC    GLOBAL DEFAULT   12 own@@GLIBC_2.99';
  expect(versionsOf(own)).toEqual({ newest: {}, above: [] });
});

const addon = path.join(root, `prebuilds/${process.platform}-${process.arch}/lockstep.node`);
it.skipIf(process.platform !== 'linux' || spawnSync('readelf', ['--version']).status !== 0)(
  'finds each library in the addon of this machine, and its waits bound to the floor',
  () => {
    expect(existsSync(addon)).toBe(true);
    const { stdout } = spawnSync('readelf', ['-W', '--dyn-syms', addon], { encoding: 'utf8' });
    const { newest, above } = versionsOf(stdout);
    expect(Object.keys(newest)).toEqual(expect.arrayContaining(Object.keys(FLOORS)));
    expect(above.filter((symbol) => symbol.includes('condition_variable'))).toEqual([]);
  },
);
