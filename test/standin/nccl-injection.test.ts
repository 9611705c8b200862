import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../dist/native/index.js';
import { root } from '../support/cli.js';
import { injectEverywhere } from '../support/injection.js';
import { type Environment, overStandin } from '../support/standin-process.js';
import { buildStandins } from './build.mjs';

const JOB = 'test/fixtures/device/twice-collective.mjs';
const HIPRTC = 'libamdhip64.so.5';
const HAS_HIPRTC = loadNative().probeLibrary(HIPRTC) === null;
const cache = mkdtempSync(path.join(tmpdir(), 'lockstep-nccl-injection-'));
afterAll(() => rmSync(cache, { recursive: true, force: true }));

let libraries: Environment = {};
beforeAll(() => {
  const folder = buildStandins();
  libraries = {
    LOCKSTEP_CUDA_LIB: path.join(folder, 'libcuda.so.1'),
    LOCKSTEP_NCCL_LIB: path.join(folder, 'libnccl.so.2'),
    LOCKSTEP_HIP_LIB: path.join(folder, 'libamdhip64.so.6'),
    LOCKSTEP_RCCL_LIB: path.join(folder, 'librccl.so.1'),
  };
});

const HIP = {
  LOCKSTEP_STANDIN_ARCH: 'gfx90a',
  LOCKSTEP_HIP_ARCH: 'gfx90a',
  LOCKSTEP_HIPRTC_LIB: HIPRTC,
  LOCKSTEP_CACHE: cache,
};

describe.each([
  { kind: 'cuda', serves: true, environment: {} },
  { kind: 'hip', serves: HAS_HIPRTC, environment: HIP },
])('the library of collectives of $kind', ({ kind, serves, environment }) => {
  it.skipIf(!serves)('may fail any call: the error is typed, nothing is held, and the next group works', async () => {
    const job = {
      command: process.execPath,
      args: [path.join(root, JOB), kind],
      env: { ...libraries, ...environment },
    };
    const { injections, findings } = await injectEverywhere(job, {
      code: 2,
      sticky: false,
      typed: /^ERR_/,
      library: 'nccl',
      dense: 3,
    });
    expect(findings).toEqual([]);
    expect(new Set(injections.map(({ symbol }) => symbol)).size).toBeGreaterThan(12);
  });
});

it('communicators whose abort does not end in time are given up, and the device with them, which is said', () => {
  const started = Date.now();
  const { status, stdout } = overStandin([JOB, 'cuda', 'hold'], {
    ...libraries,
    LOCKSTEP_STANDIN_NCCL_ABORT_MS: '120000',
  });
  expect(status).toBe(0);
  const { first, givenUp } = JSON.parse(stdout);
  expect(first).toBe('ERR_COLLECTIVE_TIMEOUT ERR_DEVICE_LOST');
  expect(givenUp).toMatchObject({ communicators: 1 });
  expect(Date.now() - started).toBeLessThan(60_000);
});
