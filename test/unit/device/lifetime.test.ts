import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildTestKernels } from '../../support/test-kernels.js';

const SCRIPT = fileURLToPath(new URL('../../fixtures/device/lifetime.mjs', import.meta.url));
let library: ReturnType<typeof buildTestKernels>;

beforeAll(() => {
  library = buildTestKernels();
});
afterAll(() => library.remove());

function end(how: string): { status: number | null; signal: NodeJS.Signals | null; stderr: string } {
  const { status, signal, stderr } = spawnSync(process.execPath, ['--expose-gc', SCRIPT, how, library.path], {
    encoding: 'utf8',
    timeout: 50_000,
  });
  return { status, signal, stderr };
}

it.each([
  ['process.exit with work queued', 0, /^$/],
  ['process.exit in a promise that waits', 0, /^$/],
  ['an exception nobody catches', 1, /Error: uncaught/],
  ['a rejection nobody catches', 1, /Error: unhandled/],
  ['the end of the script', 0, /^$/],
  ['use after shutdown', 0, /^$/],
  ['garbage collection in any order', 0, /^$/],
])('a process survives %s', (how, status, stderr) => {
  expect(end(how)).toEqual({ status, signal: null, stderr: expect.stringMatching(stderr) });
});

it.each(['wait', 'async', 'churn', 'nap', 'misuse', 'exit'])(
  'two workers are terminated in %s, beside a busy main thread',
  (how) => {
    for (let round = 0; round < 3; round++) expect(end(how)).toEqual({ status: 0, signal: null, stderr: '' });
  },
);
