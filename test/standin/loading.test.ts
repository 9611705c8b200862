import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DeviceProbe, PinnedArena } from '../../dist/device/index.js';
import type { LockstepError } from '../../dist/errors.js';
import { inDriverProcess, PRINT } from '../support/driver-process.js';
import { buildStandins } from './build.mjs';

// Loading, cards and pinning over the stand-ins, by the way a user names a library.
let cuda: string;
let hip: string;
beforeAll(() => {
  const folder = buildStandins();
  cuda = path.join(folder, 'libcuda.so.1');
  hip = path.join(folder, 'libamdhip64.so.6');
});

const settings = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  LOCKSTEP_CUDA_LIB: cuda,
  LOCKSTEP_HIP_LIB: hip,
  ...more,
});

function probe(kind: 'cuda' | 'hip', more: Readonly<Record<string, string>> = {}): DeviceProbe {
  const code = `console.log(JSON.stringify(device.probeDevices().find(({ kind }) => kind === '${kind}')));`;
  return inDriverProcess(code, settings(more));
}

/** The stand-in's failures: the nth call of a function gives a code. */
const fail = (...plan: string[]): Record<string, string> => ({ LOCKSTEP_STANDIN_FAIL: plan.join(',') });

describe('probeDevices', () => {
  it('says which file answered, its version and its cards, and that they are none', () => {
    expect(probe('cuda', { LOCKSTEP_STANDIN_DEVICES: '2' })).toEqual({
      kind: 'cuda',
      available: true,
      reason: `2 cards, CUDA 12.8 (${cuda})`,
      attempts: [],
      driver: { library: cuda, version: '12.8', runtimeVersion: null },
      override: { variable: 'LOCKSTEP_CUDA_LIB', value: cuda },
      cards: [0, 1].map((ordinal) => ({
        ordinal,
        name: 'lockstep stand-in',
        bytes: 8 * 2 ** 30,
        arch: 'sm_90',
        warp: 32,
        processors: 4,
        pciBusId: `0000:1${ordinal}:00.0`,
        standIn: true,
      })),
    });
  });

  it('asks HIP the same in its own words', () => {
    const { driver, cards } = probe('hip');
    expect(driver).toEqual({ library: hip, version: '6.3.42131', runtimeVersion: '6.3.42131' });
    expect(cards).toMatchObject([{ warp: 64, standIn: true }]);
  });

  it.each([
    ['no card', { LOCKSTEP_STANDIN_DEVICES: '0' }, 'init', /^cuInit reported CUDA_ERROR_NO_DEVICE \(100\)/],
    ['a driver too old', { LOCKSTEP_STANDIN_VERSION: '11030' }, 'version', /^it is of CUDA 11\.3, and the oldest/],
    ['a failing start', fail('cuInit:1:802'), 'init', /SYSTEM_NOT_READY \(802\).*nvidia-fabricmanager/],
    ['a failing count', fail('cuDeviceGetCount:1:999'), 'devices', /^cuDeviceGetCount reported CUDA_ERROR_UNKNOWN/],
    ['a card without a name', fail('cuDeviceGetName:1:1'), 'cards', /describe a card: cuDeviceGetName reported/],
  ])('says of %s which step failed', (_what, more, step, reason) => {
    const found = probe('cuda', more);
    expect([found.available, found.cards]).toEqual([false, []]);
    expect(found.attempts).toEqual([{ library: cuda, step, reason: expect.stringMatching(reason) }]);
  });
});

describe('probePinnedArena', () => {
  /** Two tries with the same WebAssembly memory: the second finds out whether the first gave it back. */
  const twice = (kind: 'cuda' | 'hip', more: Readonly<Record<string, string>> = {}): PinnedArena[] =>
    inDriverProcess(
      `const memory = new WebAssembly.Memory({ initial: 4, maximum: 4 });
       const tries = [0, 1].map(() => device.probePinnedArena('${kind}', 0, new Uint8Array(memory.buffer)));
       console.log(JSON.stringify(tries));`,
      settings(more),
    );

  it.each(['cuda', 'hip'] as const)('pins WebAssembly memory and lets it go: %s', (kind) => {
    const pinned = { pinned: true, reason: 'the driver pins and maps it' };
    expect(twice(kind)).toEqual([pinned, pinned]);
  });

  it('says why a driver refuses', () => {
    const [refused] = twice('cuda', fail('cuMemHostRegister_v2:1:801'));
    expect(refused.pinned).toBe(false);
    expect(refused.reason).toMatch(
      /^The CUDA driver failed to pin host memory: cuMemHostRegister_v2 reported CUDA_ERROR_NOT_SUPPORTED \(801\)/,
    );
  });

  it('gives the memory back where only its mapping fails', () => {
    const tries = twice('cuda', fail('cuMemHostGetDevicePointer_v2:1:1'));
    expect(tries.map(({ pinned }) => pinned)).toEqual([false, true]);
  });
});

describe('openDevice', () => {
  const open = (name: string, more: Readonly<Record<string, string>>, rank = ''): LockstepError =>
    inDriverProcess(
      `${PRINT} print(() => { const opened = device.openDevice({ device: '${name}'${rank} }); return opened.choice; });`,
      settings(more),
    );

  it('refuses a card that the driver does not show, and names what hides some', () => {
    const error = open('cuda:2', { LOCKSTEP_STANDIN_DEVICES: '2', CUDA_VISIBLE_DEVICES: '4,5' });
    expect(error.code).toBe('ERR_DEVICE_UNAVAILABLE');
    expect(error.message).toContain(
      'There is no cuda:2: the driver shows 2 cards, counted from 0, of those that CUDA_VISIBLE_DEVICES=4,5 leaves',
    );
  });

  it.each([
    ['LOCKSTEP_LOCAL_RANK', 'one'],
    ['OMPI_COMM_WORLD_LOCAL_RANK', '-1'],
    ['SLURM_LOCALID', '1.5'],
  ])('refuses %s=%s', (name, value) => {
    const error = open('cuda', { [name]: value });
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID', details: { name, value } });
  });
});
