import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { DeviceKind } from '../../../dist/device/index.js';
import { openDevice, probeDevices } from '../../../dist/device/open-device.js';
import { errorOf } from '../../support/device-fixture.js';
import { buildTestKernels } from '../../support/test-kernels.js';

const VARIABLES = ['LOCKSTEP_CUDA_LIB', 'LOCKSTEP_HIP_LIB'] as const;
const saved = VARIABLES.map((name) => process.env[name]);
const library = buildTestKernels();

afterEach(() => {
  for (const [i, name] of VARIABLES.entries()) {
    if (saved[i] === undefined) delete process.env[name];
    else process.env[name] = saved[i];
  }
});
afterAll(() => library.remove());

describe('openDevice', () => {
  it('takes the host when asked', () => {
    const device = openDevice({ device: 'host' });
    expect([device.kind, device.choice]).toEqual(['host', 'host, as asked']);
    device.dispose();
  });

  it('says why auto took the host', () => {
    process.env.LOCKSTEP_CUDA_LIB = '/nowhere/libcuda.so';
    process.env.LOCKSTEP_HIP_LIB = '/nowhere/libamdhip64.so';
    const device = openDevice();
    expect(device.kind).toBe('host');
    expect(device.choice).toMatch(/^host, since cuda: \/nowhere\/libcuda\.so: .*; hip: \/nowhere\/libamdhip64\.so: /);
    device.dispose();
  });

  it.each(['cuda', 'hip'] as const)('refuses %s with every library tried, never falling back', (kind) => {
    process.env[kind === 'cuda' ? VARIABLES[0] : VARIABLES[1]] = '/nowhere/driver.so';
    const error = errorOf('ERR_DEVICE_UNAVAILABLE', () => openDevice({ device: kind }));
    expect(error.details).toEqual({
      device: kind,
      attempts: [{ library: '/nowhere/driver.so', reason: expect.stringContaining('cannot open shared object file') }],
    });
  });

  it('tries the versioned names of HIP first', () => {
    delete process.env.LOCKSTEP_HIP_LIB;
    const probe = probeDevices().find(({ kind }) => kind === 'hip');
    const tried = probe?.attempts.map(({ library }) => library) ?? [];
    const order = ['libamdhip64.so.7', 'libamdhip64.so.6', 'libamdhip64.so.5', 'libamdhip64.so'];
    expect(tried).toEqual(order.slice(0, tried.length));
    expect(tried.length).toBeGreaterThan(0);
  });

  it('says of a driver that does load what is missing', () => {
    process.env.LOCKSTEP_CUDA_LIB = library.path;
    const error = errorOf('ERR_DEVICE_UNAVAILABLE', () => openDevice({ device: 'cuda' }));
    expect(error.details.attempts).toEqual([
      { library: library.path, reason: 'loads, but this build holds no CUDA backend yet' },
    ]);
  });

  it.each([
    [{ device: 'gpu' as DeviceKind }],
    [{ device: null as unknown as DeviceKind }],
    [{ memoryLimit: -1 }],
    [{ memoryLimit: Number.NaN }],
    [{ memoryLimit: '5' as unknown as number }],
  ])('refuses %o', (options) => {
    errorOf('ERR_CONFIG_INVALID', () => openDevice(options));
  });
});

describe('probeDevices', () => {
  it('lists each backend once with a reason', () => {
    const probes = probeDevices();
    expect(probes.map(({ kind, available }) => [kind, available])).toEqual([
      ['host', true],
      ['cuda', false],
      ['hip', false],
    ]);
    for (const probe of probes) expect(probe.reason).not.toBe('');
  });
});

describe('loadModule', () => {
  it.each([
    ['a file that is not there', '/nowhere/kernels.so', /cannot open shared object file/],
    ['a library without kernels', 'libc.so.6', /exports no function lockstep_kernels/],
  ])('refuses %s', (_, path, reason) => {
    const device = openDevice({ device: 'host' });
    const error = errorOf('ERR_LAUNCH_INVALID', () => device.loadModule({ path }));
    expect(error.details.reason).toMatch(reason);
    device.dispose();
  });

  it('refuses another ABI', () => {
    const other = buildTestKernels(['TABLE_ABI=99']);
    const device = openDevice({ device: 'host' });
    const error = errorOf('ERR_LAUNCH_INVALID', () => device.loadModule({ path: other.path }));
    expect(error.details.reason).toBe("its ABI is 99, this build's is 2; compile it again with this build's header");
    device.dispose();
    other.remove();
  });

  it('refuses a library that throws instead of giving its table', () => {
    const other = buildTestKernels(['THROW_INSTEAD']);
    const device = openDevice({ device: 'host' });
    const error = errorOf('ERR_LAUNCH_INVALID', () => device.loadModule({ path: other.path }));
    expect(error.details.reason).toBe('lockstep_kernels() threw a C++ exception');
    device.dispose();
    other.remove();
  });

  it.each([[''], [undefined], [5], [null]])('refuses the path %o', (path) => {
    const device = openDevice({ device: 'host' });
    errorOf('ERR_INPUT_INVALID', () => device.loadModule({ path: path as string }));
    device.dispose();
  });

  it('lists kernels with their arguments', () => {
    const device = openDevice({ device: 'host' });
    const kernels = device.loadModule({ path: library.path }).kernels;
    expect(kernels.map(({ name }) => name)).toEqual(['await_flag', 'nap', 'fail', 'throw', 'throw_in_check', 'refuse']);
    expect(kernels[0]?.arguments).toEqual([{ name: 'flag', kind: 'in' }]);
    device.dispose();
  });
});
