import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import { buildProgram, buildStandins } from './build.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-lookups-'));
const built = { program: '', libraries: '' };
beforeAll(() => {
  built.program = buildProgram('behaviours');
  built.libraries = buildStandins();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Symbols that a program looked up in a stand-in that does not have them. */
function missed(command: string, args: readonly string[], env: Readonly<Record<string, string>>): readonly string[] {
  const file = path.join(folder, 'lookups');
  rmSync(file, { force: true });
  const preload = { LD_PRELOAD: path.join(built.libraries, 'liblookups.so'), LOCKSTEP_STANDIN_LOOKUPS: file };
  spawnSync(command, args, { env: { ...process.env, ...env, ...preload } });
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

it('sees symbols that a library does not have', () => {
  // The names of one vendor, in the other's library.
  const args = [path.join(built.libraries, 'libamdhip64.so.6'), 'cuda', 'error_names'];
  expect(missed(built.program, args, {})).toEqual(
    expect.arrayContaining(['cuInit', 'cuMemAlloc_v2', 'cuGetErrorName']),
  );
});

it("finds none that the backend looks up outside the driver's table", () => {
  const env = { LOCKSTEP_CUDA_LIB: path.join(built.libraries, 'libcuda.so.1') };
  const job = [path.join(root, 'test/fixtures/device/twice.mjs'), 'cuda'];
  expect(missed(process.execPath, job, env)).toEqual([]);
});
