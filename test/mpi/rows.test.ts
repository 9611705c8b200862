import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import { SEED } from '../support/property-runs.js';
import { compile } from '../support/test-kernels.js';

const FILES = ['mpi-rows', 'mpi-window', 'mpi-world'];
const NATIVE = path.join(root, 'native');
const ROWS = path.join(root, 'test/fixtures/mpi/rows.cc');
const STANDARD = ['-std=c++17', '-O1'];
const WRAP = 2 ** 32;

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-rows-'));
const objectOf = (file: string): string => path.join(folder, `${file}.o`);
afterAll(() => rmSync(folder, { recursive: true }));

/** What the ranks of rows.cc say: how it ended, and the first that was wrong. */
function run(program: string, start: number, rounds: number): { status: number | null; stdout: string } {
  const { status, stdout } = spawnSync(program, [String(start), String(rounds)], { encoding: 'utf8' });
  return { status, stdout };
}

function link(program: string, objects: readonly string[]): string {
  compile([...objects, '-lpthread', '-o', program]);
  return program;
}

/** The program with one file of native/mpi edited: what `from` says is replaced, once. A header's edit is in all that include it. */
function edited(name: string, file: string, from: string, to: string): string {
  const own = path.join(folder, name.replaceAll(' ', '-'));
  cpSync(path.join(root, 'native/mpi'), path.join(own, 'mpi'), { recursive: true });
  const copy = (changed: string): string => path.join(own, 'mpi', changed);
  const text = readFileSync(copy(file), 'utf8');
  expect(text.split(from)).toHaveLength(2);
  writeFileSync(
    copy(file),
    text.replace(from, () => to),
  );
  const compiled = (source: string): string => {
    const object = path.join(own, `${path.basename(source)}.o`);
    compile([...STANDARD, `-I${own}`, `-I${NATIVE}`, '-include', 'sched.h', '-c', source, '-o', object]);
    return object;
  };
  const isHeader = file.endsWith('.h');
  const ofFile = (one: string): string =>
    isHeader || file === `${one}.cc` ? compiled(copy(`${one}.cc`)) : objectOf(one);
  return link(path.join(own, 'program'), [isHeader ? compiled(ROWS) : objectOf('rows'), ...FILES.map(ofFile)]);
}

describe('rows of a window and messages beside them', () => {
  beforeAll(() => {
    const compiled = (name: string, source: string): void =>
      compile([...STANDARD, `-I${NATIVE}`, '-c', source, '-o', objectOf(name)]);
    compiled('rows', ROWS);
    for (const file of FILES) compiled(file, path.join(NATIVE, `mpi/${file}.cc`));
  });

  it.each([
    ['from 0', 0],
    ['over the end of int32', 2 ** 31 - 1 - (SEED % 500)],
    ['over the end of uint32', WRAP - 1 - (SEED % 500)],
  ])('are taken whole and in their order, by counts that go %s', (_where, start) => {
    const program = link(path.join(folder, 'program'), ['rows', ...FILES].map(objectOf));
    expect(run(program, start, 2000)).toEqual({ status: 0, stdout: '' });
  });

  const shown = '__atomic_store_n(slot, static_cast<int32_t>(published_), __ATOMIC_RELEASE);';
  const counted = '__atomic_store_n(count, static_cast<int32_t>(static_cast<uint32_t>(*count) + 1), __ATOMIC_RELEASE);';
  it.each([
    [
      'is shown before it is written',
      'mpi-rows.cc',
      '  slot[1] = count;',
      `  ${shown} sched_yield(); slot[1] = count;`,
      0,
      '',
    ],
    ['goes over the one that peers still read', 'mpi-window.h', '(index & 1)', '(index & 0)', 0, 'a row'],
    [
      'does not say what was sent before it',
      'mpi-rows.cc',
      '  std::copy_n(window_.sent(',
      '  if (false) std::copy_n(window_.sent(',
      0,
      '',
    ],
    [
      'does not wait for what was sent before it',
      'mpi-rows.cc',
      'received_[at]) > 0) return nullptr',
      'received_[at]) > 1) return nullptr',
      0,
      '',
    ],
    ['lies behind a message that was not counted', 'mpi-window.cc', counted, '(void)count;', 0, ''],
    [
      'is in its place by counts that do not wrap',
      'mpi-rows.cc',
      'static_cast<int32_t>(static_cast<uint32_t>(before[world_.rank]) - received_[at]) > 0',
      'static_cast<uint32_t>(before[world_.rank]) > received_[at]',
      WRAP - 20,
      '',
    ],
  ])('are not, where a row %s', (name, file, from, to, start, found) => {
    const { status, stdout } = run(edited(name, file, from, to), start, 2000);
    expect(stdout).toMatch(new RegExp(`^rank \\d, of -?\\d: ${found}`));
    expect(status).toBe(1);
  });
});
