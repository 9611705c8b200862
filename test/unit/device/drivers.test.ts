import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { DeviceProbe } from '../../../dist/device/index.js';
import type { LockstepError } from '../../../dist/errors.js';
import { inDriverProcess, PRINT } from '../../support/driver-process.js';
import { compile } from '../../support/test-kernels.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-drivers-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A library with some of a driver's functions. */
function partialDriver(...defines: string[]): string {
  const library = path.join(folder, `${defines.join('-') || 'plain'}.so`);
  const source = fileURLToPath(new URL('../../fixtures/device/partial-driver.cc', import.meta.url));
  compile(['-std=c++17', '-shared', '-fPIC', ...defines.map((define) => `-D${define}`), source, '-o', library]);
  return library;
}

function probe(kind: 'cuda' | 'hip', environment: Readonly<Record<string, string>>): DeviceProbe {
  const code = `console.log(JSON.stringify(device.probeDevices().find(({ kind }) => kind === '${kind}')));`;
  return inDriverProcess(code, environment);
}

/** The failed steps of a library given by override, which is tried alone. */
function steps(library: string): (readonly [string | undefined, string])[] {
  const { attempts, available, driver, override } = probe('cuda', { LOCKSTEP_CUDA_LIB: library });
  expect([available, driver]).toEqual([false, null]);
  expect(override).toEqual({ variable: 'LOCKSTEP_CUDA_LIB', value: library });
  expect([...new Set(attempts.map((attempt) => attempt.library))]).toEqual([library]);
  return attempts.map(({ step, reason }) => [step, reason] as const);
}

describe('a library that does not serve', () => {
  it('is missing', () => {
    expect(steps('/nowhere/libcuda.so.1')).toEqual([
      ['dlopen', expect.stringMatching(/cannot open shared object file/)],
    ]);
  });

  it('is no library', () => {
    const file = fileURLToPath(import.meta.url);
    expect(steps(file)).toEqual([['dlopen', expect.stringMatching(/invalid ELF header|file too short/)]]);
  });

  it('is another library', () => {
    const reason = 'it exports no cuGetErrorName, so it is no CUDA driver';
    expect(steps('libc.so.6')).toEqual([['error names', reason]]);
    expect(steps(partialDriver('WITHOUT_NAMES'))).toEqual([['error names', reason]]);
  });

  it('lacks functions, and each is named', () => {
    const found = steps(partialDriver());
    expect(found.map(([step]) => step)).toEqual(['symbols', 'devices']);
    expect(found[0][1]).toMatch(/^it lacks cuDeviceGet, cuDeviceGetName, /);
    expect(found[0][1]).toContain('cuGraphInstantiateWithFlags');
    expect(found[0][1]).not.toMatch(/cuInit|cuFuncGetParamInfo|cuModuleLoadDataEx/);
    expect(found[1][1]).toBe('cuDeviceGetCount counted none');
  });

  it('is too old, and the floor has its reason', () => {
    const found = steps(partialDriver('VERSION=11030'));
    expect(found[0]).toEqual([
      'version',
      'it is of CUDA 11.3, and the oldest that serves is CUDA 11.4 (driver 470), which brought cuGraphInstantiateWithFlags',
    ]);
    expect(steps(partialDriver('VERSION=11040')).map(([step]) => step)).not.toContain('version');
  });

  it.each([
    [34, "this is the toolkit's stub to link with, and no driver"],
    [100, 'the driver sees no GPU'],
    [803, 'the library and the kernel module are of different versions'],
    [804, 'the compatibility library of a newer CUDA does not support this GPU'],
  ])('does not start: %i', (code, words) => {
    const found = steps(partialDriver(`INIT_CODE=${code}`));
    expect(found.at(-1)).toEqual([
      'init',
      expect.stringContaining(`cuInit reported CUDA_ERROR_OF_THE_TEST (${code}): ${words}`),
    ]);
  });

  it('may have its cards hidden, and the variable is named', () => {
    const library = partialDriver();
    const { attempts } = probe('cuda', { LOCKSTEP_CUDA_LIB: library, CUDA_VISIBLE_DEVICES: '-1' });
    expect(attempts.at(-1)?.reason).toBe('cuDeviceGetCount counted none; set is CUDA_VISIBLE_DEVICES=-1');
  });
});

describe('without an override', () => {
  it('tries libcuda.so.1 alone, and the names of HIP from the newest on', () => {
    const tried = (kind: 'cuda' | 'hip'): string[] => [
      ...new Set(probe(kind, { ROCM_PATH: '/nowhere/rocm' }).attempts.map(({ library }) => library)),
    ];
    const names = ['7', '6', '5'].map((version) => `libamdhip64.so.${version}`);
    const order = [...names, 'libamdhip64.so', '/nowhere/rocm/lib/libamdhip64.so'];
    const hip = tried('hip');
    expect(hip.length).toBeGreaterThan(0);
    expect(hip).toEqual(order.slice(0, hip.length));
    expect(['libcuda.so.1', undefined]).toContain(tried('cuda')[0]);
    expect(tried('cuda').length).toBeLessThan(2);
  });

  it("passes AMD's runtime of Debian over for its version, and repeats what it says of its devices", () => {
    const { attempts } = probe('hip', { LOCKSTEP_HIP_LIB: 'libamdhip64.so.5' });
    if (attempts[0]?.step === 'dlopen') return;
    expect(attempts[0]).toMatchObject({ step: 'version', reason: expect.stringMatching(/^it is of HIP 5\.\d/) });
    expect(attempts[1]).toMatchObject({
      step: 'init',
      reason: 'hipInit reported hipErrorInvalidDevice (101): the driver sees no GPU',
    });
  });
});

describe('openDevice', () => {
  const nowhere = { LOCKSTEP_CUDA_LIB: '/nowhere/cuda.so', LOCKSTEP_HIP_LIB: '/nowhere/hip.so' };

  it.each(['cuda', 'cuda:1', 'hip', 'hip:0'])('refuses %s with every library tried, never falling back', (name) => {
    const code = `${PRINT}; print(() => device.openDevice({ device: '${name}' }).choice);`;
    const error = inDriverProcess<LockstepError>(code, nowhere);
    const library = name.startsWith('cuda') ? '/nowhere/cuda.so' : '/nowhere/hip.so';
    expect(error.code).toBe('ERR_DEVICE_UNAVAILABLE');
    expect(error.details).toEqual({
      device: name,
      reason: expect.stringContaining('cannot open shared object file'),
      attempts: [{ library, step: 'dlopen', reason: expect.stringContaining('cannot open shared object file') }],
    });
    expect(error.message).toContain(`No ${name} device: ${library}: cannot open`);
  });

  it('says why auto took the host', () => {
    const code = `using opened = device.openDevice(); console.log(JSON.stringify([opened.kind, opened.choice]));`;
    const [kind, choice] = inDriverProcess<string[]>(code.replace('using', 'const'), nowhere);
    expect(kind).toBe('host');
    expect(choice).toMatch(/^host, since cuda: \/nowhere\/cuda\.so: cannot .*; hip: \/nowhere\/hip\.so: cannot /);
  });
});
