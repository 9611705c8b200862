import path from 'node:path';
import { expect, it } from 'vitest';
import { type Environment, overStandin } from '../support/standin-process.js';
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

// The sixth collective of the fixture's rank is the one in its graph, after one of each kind and one eager.
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
