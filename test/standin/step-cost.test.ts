import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import { overStandin } from '../support/standin-process.js';
import { buildStandins } from './build.mjs';

// Over a driver whose calls are counted and do nothing.
const environment = { LOCKSTEP_CUDA_LIB: '' };
beforeAll(() => {
  environment.LOCKSTEP_CUDA_LIB = path.join(buildStandins(), 'libcuda-null.so.1');
});

/** Calls of the driver in a run of so many steps, and what the last was. */
function run(steps: number) {
  const { status, stdout, seen } = overStandin(['test/fixtures/execution/gpu-steps.mjs', String(steps)], environment);
  expect(status).toBe(0);
  return { last: JSON.parse(stdout) as Record<string, unknown>, calls: seen[0].calls };
}

describe('a step of 256 decodes on a full graph, in 2 parts with 3 KV cache groups whose every row is edited', () => {
  it('calls the driver six times', () => {
    const [short, long] = [run(20), run(120)];
    expect(long.last).toMatchObject({ run: 'full', parts: 2, edits: [256, 256, 256] });
    const perStep = Object.entries(long.calls)
      // What grows now and then is no call a step.
      .map(([symbol, times]): [string, number] => [symbol, Math.floor((times - (short.calls[symbol] ?? 0)) / 100)])
      .filter(([, times]) => times > 0);
    expect(Object.fromEntries(perStep)).toEqual({
      cuCtxSetCurrent: 1,
      // Whether the step before has been uploaded: the next step may then write its staging set without asking.
      cuEventQuery: 1,
      // All tensors and the edits of all block tables.
      cuLaunchKernel: 1,
      // What kernels report.
      cuMemcpyDtoHAsync_v2: 1,
      cuEventRecord: 1,
      cuGraphLaunch: 1,
    });
    expect(perStep.reduce((sum, [, times]) => sum + times, 0)).toBeLessThanOrEqual(6);
  });
});

it('the bench of a device measures each of its rows, and says that the card is a stand-in', () => {
  const { status, stdout } = spawnSync(
    process.execPath,
    ['dist/cli/main.js', 'bench', '--device', 'cuda', '--rounds', '1', '--json'],
    { cwd: root, encoding: 'utf8', env: { ...process.env, ...environment } },
  );
  expect(status).toBe(0);
  const { cases, device } = JSON.parse(stdout) as {
    cases: { name: string; ns: number; limitNs: number }[];
    device: { choice: string; stepCpuNs: number };
  };
  expect(cases.map(({ name }) => name)).toEqual([
    'step-device-256',
    'step-sync-256',
    'step-async-256',
    'launch',
    'replay',
    'upload-pinned-64k',
    'capture-64',
    'matmul-1',
    'matmul-16',
    'decode-1',
    'decode-16',
    'decode-idle-16',
    'decode-idle-ahead-16',
  ]);
  for (const { ns, limitNs } of cases) expect(Math.min(ns, limitNs)).toBeGreaterThan(0);
  expect(device.choice).toContain('lockstep stand-in');
  expect(device.stepCpuNs).toBeGreaterThan(0);
});
