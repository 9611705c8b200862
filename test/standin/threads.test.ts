import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import { buildStandins } from './build.mjs';
import { buildThreadsProgram } from './threads-program.mjs';

const built = { program: '', standins: '' };
beforeAll(async () => {
  built.program = await buildThreadsProgram();
  built.standins = buildStandins();
}, 900_000);

/** How a case of programs/threads.cc ended: a report of ThreadSanitizer gives another status, and is on standard error. */
function run(device: string, name: string) {
  const { status, signal, stdout, stderr } = spawnSync(built.program, [device, name], {
    encoding: 'utf8',
    timeout: 240_000,
    env: {
      ...process.env,
      TSAN_OPTIONS: `suppressions=${path.join(root, 'test/standin/thread-sanitizer.supp')}`,
      LOCKSTEP_CUDA_LIB: path.join(built.standins, 'libcuda.so.1'),
      LOCKSTEP_NCCL_LIB: path.join(built.standins, 'libnccl.so.2'),
      LOCKSTEP_STANDIN_DEVICES: '2',
    },
  });
  return { status, signal, stdout, stderr: status === 0 ? '' : stderr.slice(0, 6000) };
}

const WELL = { status: 0, signal: null, stdout: '', stderr: '' };

const CASES = ['streams', 'waiters', 'disposal', 'local', 'local, lost'];

describe.each([
  ['host', [...CASES, 'shared launches']],
  // Its driver is the stand-in; HIP's is another table for the same code.
  ['cuda', [...CASES, 'nccl', 'nccl, late']],
])('ThreadSanitizer reports nothing on %s', (device, names) => {
  it.each(names)('of %s', (name) => {
    expect(run(device, name)).toEqual(WELL);
  });
});
