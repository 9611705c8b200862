import path from 'node:path';
import { expect, it } from 'vitest';
import { CLEAN, type Environment, expectNothingHeld, overStandin } from '../support/standin-process.js';
import { buildStandins } from './build.mjs';

/** What test/fixtures/device/group-of-gpus.mjs prints, and what the stand-ins saw of it. */
function group(args: readonly string[], environment: Environment = {}) {
  const { status, signal, stdout, stderr, seen } = overStandin(['test/fixtures/device/group-of-gpus.mjs', ...args], {
    LOCKSTEP_NCCL_LIB: path.join(buildStandins(), 'libnccl.so.2'),
    ...environment,
  });
  expect({ status, signal }, stderr).toEqual({ status: 0, signal: null });
  return { outcome: JSON.parse(stdout) as unknown, seen };
}

// The fifth collective of the fixture's rank is the one in its graph: after three that warm up, whose all-to-all is messages, and one.
it.each([
  ['call', ''],
  ['call', 'pool'],
  ['block', ''],
  ['block', 'pool'],
])(
  'a collective of a graph has the deadline of its group, launched by a %s, with scratch memory or without: %s',
  (how, pool) => {
    const { outcome } = group(['watched', how, pool], { LOCKSTEP_STANDIN_NCCL_HANG: '0:5' });
    expect(outcome).toBe('ERR_COLLECTIVE_TIMEOUT');
  },
);

it('counts that are none, or do not fit what they are of, are refused, and the group goes on', () => {
  const { outcome, seen } = group(['counts']);
  const wrong = [...Array(6).fill('ERR_INPUT_INVALID'), 'ERR_LAUNCH_BOUNDS'];
  expect(outcome).toEqual({ codes: Array(4).fill(wrong), short: Array(2).fill('ERR_LAUNCH_BOUNDS'), right: 'ok' });
  for (const report of seen) expect(report).toMatchObject(CLEAN);
});

it.each([
  ['still in progress', 7, null],
  ['in error', 6, 'ERR_RANK_LOST'],
])('a communicator that is %s once it was told to finalize is aborted, not destroyed', (_, code, failure) => {
  const { outcome, seen } = group(['finalize'], { LOCKSTEP_STANDIN_NCCL_FINALIZE: String(code) });
  expect(outcome).toEqual({ failure, givenUp: {} });
  for (const report of seen) {
    expect(report).toMatchObject(CLEAN);
    expectNothingHeld(report);
  }
});

it('a process that can have no more threads makes no group, and ends the one it has once it can', () => {
  const { outcome } = group(['threads']);
  expect(outcome).toEqual({ joined: 'ERR_DEVICE_MEMORY', filled: 1000, failure: 'ERR_RANK_LOST', givenUp: {} });
});

it('ranks of one process on devices of two kinds are no group of threads', () => {
  const script = [
    "import { openDevice } from './dist/index.js';",
    "const [host, gpu] = ['host', 'cuda'].map((device) => openDevice({ device }));",
    "const group = host.joinLocal('mixed', 0, 2);",
    "try { gpu.joinLocal('mixed', 1, 2); } catch (error) { console.log(error.code); }",
    'group.dispose();',
  ];
  const { stdout } = overStandin(['--input-type=module', '--eval', script.join('\n')]);
  expect(stdout).toBe('ERR_DEVICE_MISMATCH\n');
});
