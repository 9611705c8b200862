import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../dist/native/index.js';
import { root } from '../support/cli.js';
import { FACTOR, SEED } from '../support/property-runs.js';
import { type Environment, overStandin } from '../support/standin-process.js';
import { buildStandins } from './build.mjs';
import { buildSanitizedAddon } from './sanitized-addon.mjs';

const HIPRTC = 'libamdhip64.so.5';
const HAS_HIPRTC = loadNative().probeLibrary(HIPRTC) === null;
const cache = mkdtempSync(path.join(tmpdir(), 'lockstep-sanitized-'));
afterAll(() => rmSync(cache, { recursive: true, force: true }));

function libraryPath(name: string): string {
  return execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
}

let environment: Environment = {};
beforeAll(async () => {
  const standins = buildStandins({ sanitize: true });
  environment = {
    LOCKSTEP_TEST_ADDON: await buildSanitizedAddon(),
    // What intercepts exceptions has to find the C++ library, which node brings inside itself.
    LD_PRELOAD: `${libraryPath('libasan.so')} ${libraryPath('libstdc++.so.6')}`,
    // V8 keeps much to the end.
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    LOCKSTEP_CUDA_LIB: path.join(standins, 'libcuda.so.1'),
    LOCKSTEP_HIP_LIB: path.join(standins, 'libamdhip64.so.6'),
    LOCKSTEP_STANDIN_QUIET: '1',
  };
}, 600_000);

const HIP = {
  LOCKSTEP_STANDIN_ARCH: 'gfx90a',
  LOCKSTEP_HIP_ARCH: 'gfx90a',
  LOCKSTEP_HIPRTC_LIB: HIPRTC,
  LOCKSTEP_CACHE: cache,
};

/** Node with the addon and the stand-ins under the sanitizers. A report ends it with another status, and is on its standard error. */
function sanitized(device: string, args: readonly string[], more: Environment = {}) {
  const set = { ...environment, ...(device === 'hip' ? HIP : {}), ...more };
  const { status, signal, stderr, ...rest } = overStandin(['--require', './test/support/sanitized.cjs', ...args], set);
  return { ended: { status, signal, stderr: status === 0 ? '' : stderr.slice(0, 6000) }, ...rest };
}

const WELL = { status: 0, signal: null, stderr: '' };

describe.each(['host', 'cuda', 'hip'])('the addon under sanitizers on %s', (device) => {
  const given = it.skipIf(device === 'hip' && !HAS_HIPRTC);

  given('does the main job of two ranks', () => {
    const { ended, stdout, seen } = sanitized(device, [
      ...['dist/cli/main.js', 'run', '--requests', '12', '--ubatches', '2', '--ubatch-threshold-decode', '4'],
      ...['--device', device, '--json'],
    ]);
    expect(ended).toEqual(WELL);
    expect(JSON.parse(stdout)).toMatchObject({ finished: 12, mismatches: 0 });
    expect(seen.length > 0).toBe(device !== 'host');
  });

  given.each(['dispose', 'exit', 'terminate'])('takes random calls, then %s', (ending) => {
    const calls = Math.max(300, Math.round(2000 * FACTOR));
    const job = { device, seed: SEED, calls, threads: ending === 'terminate' ? 2 : 0, ending };
    const { ended, stdout } = sanitized(device, ['test/fixtures/device/misuse.mjs', JSON.stringify(job)]);
    expect(ended).toEqual(WELL);
    expect(JSON.parse(stdout).valid).toBeGreaterThan(calls / 2);
  });
});

const NO_DRIVERS = { LOCKSTEP_CUDA_LIB: '/nowhere/libcuda.so.1', LOCKSTEP_HIP_LIB: '/nowhere/libamdhip64.so.6' };

it.each([
  { device: 'host', suites: ['test/unit/device', 'test/unit/execution'] },
  {
    device: 'cuda',
    suites: [
      ...['kernels', 'memory', 'misuse', 'pool', 'ranges'].map((name) => `test/unit/device/${name}.test.ts`),
      'test/unit/execution',
      'test/unit/runtime/rank.test.ts',
    ],
  },
])('the addon under sanitizers passes the suites on $device', ({ device, suites }) => {
  const { ended, stdout } = sanitized(
    device,
    ['node_modules/vitest/vitest.mjs', 'run', '--project', 'test', ...suites],
    {
      // The suites run in processes that vitest forks, which take it from here.
      NODE_OPTIONS: `--require ${path.join(root, 'test/support/sanitized.cjs')}`,
      LOCKSTEP_RUNS: String(0.1 * FACTOR),
      ...(device === 'host' ? NO_DRIVERS : { LOCKSTEP_TEST_DEVICE: device }),
    },
  );
  expect({ ...ended, stdout: ended.status === 0 ? '' : stdout.slice(-6000) }).toEqual({ ...WELL, stdout: '' });
  expect(stdout).toMatch(/Tests .* passed/);
});

it.each([
  'cuEventQuery:3:2',
  'cuStreamEndCapture:1:2',
  'cuEventRecord:4:2',
  'cuLaunchKernel:2:719',
  'cuMemFree_v2:3:719',
])('the addon under sanitizers ends well where %s fails', (failure) => {
  const job = ['test/fixtures/device/twice.mjs', 'cuda:0', 'cuda:1'];
  const { ended, stdout } = sanitized('cuda', job, { LOCKSTEP_STANDIN_FAIL: failure, LOCKSTEP_STANDIN_DEVICES: '2' });
  expect(ended).toEqual(WELL);
  expect(JSON.parse(stdout)).toMatchObject({ first: expect.stringMatching(/^ERR_/), second: 'ok' });
});
