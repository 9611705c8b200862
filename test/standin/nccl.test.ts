import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, buildStandins } from './build.mjs';

const built = { program: '', libraries: '' };
beforeAll(() => {
  built.program = buildProgram('collectives', { sanitize: true });
  built.libraries = buildStandins({ sanitize: true });
});

describe.each([
  ['cuda', 'libcuda.so.1', 'libnccl.so.2'],
  ['hip', 'libamdhip64.so.6', 'librccl.so.1'],
])('%s', (api, driver, nccl) => {
  it.each([
    'threads',
    'processes',
    'variable_gather',
    'captured',
    'non_blocking',
    'differing',
    'hanging',
    'abort_waits_for_graphs',
    'one_device',
    'configurations',
    'arguments',
  ])('%s', (name) => {
    const libraries = [driver, nccl].map((file) => path.join(built.libraries, file));
    const { status, stdout, stderr } = spawnSync(built.program, [...libraries, api, name], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0', LOCKSTEP_STANDIN_QUIET: '1' },
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});
