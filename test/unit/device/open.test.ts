import { afterAll, describe, expect, it } from 'vitest';
import type { DeviceName } from '../../../dist/device/index.js';
import { openDevice } from '../../../dist/device/open-device.js';
import { probeDevices } from '../../../dist/device/probe-devices.js';
import { errorOf } from '../../support/device-fixture.js';
import { buildTestKernels } from '../../support/test-kernels.js';

const library = buildTestKernels();
afterAll(() => library.remove());

describe('openDevice', () => {
  it('takes the host when asked', () => {
    const device = openDevice({ device: 'host' });
    expect([device.kind, device.choice]).toEqual(['host', 'host, as asked']);
    device.dispose();
  });

  it.each([
    [{ device: 'gpu' as DeviceName }],
    [{ device: 'host:0' as DeviceName }],
    [{ device: 'cuda:' as DeviceName }],
    [{ device: 'cuda:-1' as DeviceName }],
    [{ device: 'hip:x' as DeviceName }],
    [{ device: null as unknown as DeviceName }],
    [{ localRank: -1 }],
    [{ localRank: 0.5 }],
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
    for (const probe of probes) {
      expect(probe.reason).not.toBe('');
      expect([probe.driver, probe.cards]).toEqual([null, []]);
    }
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
