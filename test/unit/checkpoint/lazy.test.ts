import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { root } from '../../support/cli.js';

/** The room and what lies below it, where no package can be found. */
const place = mkdtempSync(path.join(tmpdir(), 'lockstep-lazy-'));
afterAll(() => rmSync(place, { recursive: true }));

const dist = path.join(root, 'dist');
const foundation = readdirSync(dist).filter((name) => name.endsWith('.js') && name !== 'index.js');
for (const name of [...foundation, 'checkpoint']) {
  cpSync(path.join(dist, name), path.join(place, 'dist', name), { recursive: true });
}
writeFileSync(path.join(place, 'package.json'), '{"type":"module"}');
mkdirSync(path.join(place, 'model'));
writeFileSync(path.join(place, 'model/tokenizer.json'), '{}');

const run = (code: string): string =>
  execFileSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: place, encoding: 'utf8' });
const ROOM = "import { openModel, openTokenizer, writeCheckpoint } from './dist/checkpoint/index.js';";

test('models are made, written and read without the libraries of tokenizers and templates', () => {
  const printed = run(`${ROOM}
    writeCheckpoint('written', openModel('random:dense,layers=1'));
    console.log(openModel('written').config.layers, await openTokenizer('written'));`);
  expect(printed).toBe('1 null\n');
});

test('a tokenizer loads them', () => {
  const printed = run(`${ROOM}
    await openTokenizer('model').catch((error) => console.log(error.code, error.message));`);
  expect(printed).toMatch(/^ERR_MODULE_NOT_FOUND .*@huggingface\/tokenizers/);
});
