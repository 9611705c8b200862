import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { loadNative } from '../../../dist/native/index.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-mapped-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file of so many bytes, none of which is 0. */
function written(name: string, bytes: number): string {
  const file = path.join(folder, name);
  writeFileSync(file, Buffer.alloc(bytes, 'x'));
  return file;
}

it('a file that there is no room for keeps what it held, and its lock is gone', () => {
  const file = written('kept', 5000);
  expect(() => loadNative().mapFile(file, 2 ** 52)).toThrow(/cannot be given its room/);
  expect(readFileSync(file)).toEqual(Buffer.alloc(5000, 'x'));
  expect(loadNative().mapFile(file, 16).byteLength).toBe(16);
});

it.each([0, 100, 4096, 5000, 70_000])('a file of %i bytes is mapped as 5000, all 0', (before) => {
  const file = written(`of-${before}`, before);
  const memory = loadNative().mapFile(file, 5000);
  const zeros = Buffer.alloc(5000);
  expect(Buffer.from(memory)).toEqual(zeros);
  expect(readFileSync(file)).toEqual(zeros);
  new Uint8Array(memory)[4999] = 1;
  expect(readFileSync(file)[4999]).toBe(1);
});
