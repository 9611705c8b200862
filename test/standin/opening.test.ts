import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LockstepError } from '../../dist/errors.js';
import { root } from '../support/cli.js';
import { inDriverProcess, PRINT } from '../support/driver-process.js';
import { buildStandins } from './build.mjs';

// What a user sees of a device whose driver is the stand-in: the choice of a card, the main job, and failures.
let library: string;
beforeAll(() => {
  library = path.join(buildStandins(), 'libcuda.so.1');
});

type Environment = Readonly<Record<string, string>>;
const settings = (more: Environment): Record<string, string> => ({
  LOCKSTEP_CUDA_LIB: library,
  LOCKSTEP_HIP_LIB: '/nowhere/hip.so',
  ...more,
});

function lockstep(args: readonly string[], more: Environment = {}): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/cli/main.js', ...args], {
    cwd: root,
    env: { PATH: process.env.PATH, ...settings(more) },
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

const JOB = ['run', '--requests', '2', '--num-blocks', '4096', '--json'];

describe('openDevice', () => {
  const open = (options: string, more: Environment): string | LockstepError =>
    inDriverProcess(
      `${PRINT} print(() => { const opened = device.openDevice(${options}); opened.dispose(); return opened.kind + ' as ' + opened.choice; });`,
      settings(more),
    );

  it.each<[string, string, Environment, string]>([
    ['the only card', '{}', {}, 'cuda:0 lockstep stand-in, the only card'],
    ['the first', "{ device: 'cuda' }", { CARDS: '2' }, 'cuda:0 lockstep stand-in, the first of 2 cards'],
    ['a named one', "{ device: 'cuda:1' }", { CARDS: '2', SLURM_LOCALID: '0' }, 'cuda:1 lockstep stand-in, as asked'],
    [
      'that of the local rank',
      "{ device: 'cuda' }",
      { CARDS: '4', SLURM_LOCALID: '0', OMPI_COMM_WORLD_LOCAL_RANK: '3' },
      'cuda:3 lockstep stand-in, local rank 3 (OMPI_COMM_WORLD_LOCAL_RANK) of 4 cards',
    ],
    [
      'one that ranks share',
      '{}',
      { CARDS: '2', SLURM_LOCALID: '5' },
      'cuda:1 lockstep stand-in, local rank 5 (SLURM_LOCALID) of 2 cards, which ranks share',
    ],
    [
      'that of a given rank',
      '{ localRank: 1 }',
      { CARDS: '2', SLURM_LOCALID: '0' },
      'cuda:1 lockstep stand-in, local rank 1 (given) of 2 cards',
    ],
  ])('takes %s', (_what, options, { CARDS = '1', ...more }, choice) => {
    expect(open(options, { LOCKSTEP_STANDIN_DEVICES: CARDS, ...more })).toBe(`cuda as ${choice}`);
  });

  it('takes the host where a card does not start, and says why; a named card is an error', () => {
    const broken = { LOCKSTEP_STANDIN_FAIL: 'cuDevicePrimaryCtxRetain:0:46' };
    const why = /cuDevicePrimaryCtxRetain reported CUDA_ERROR_DEVICE_UNAVAILABLE \(46\).*another process has the GPU/;
    const choice = open('{}', broken);
    expect(choice).toMatch(/^host as host, since cuda: The CUDA driver failed to make a context/);
    expect(choice).toMatch(why);
    const error = open("{ device: 'cuda:0' }", broken) as LockstepError;
    expect([error.code, error.details.device]).toEqual(['ERR_DEVICE_UNAVAILABLE', 'cuda:0']);
    expect(error.message).toMatch(why);
  });

  it('does not take the host where a card has no memory left', () => {
    const error = open('{}', { LOCKSTEP_STANDIN_FAIL: 'cuMemAlloc_v2:1:2' }) as LockstepError;
    expect(error).toMatchObject({
      code: 'ERR_DEVICE_MEMORY',
      details: {
        driver: 'cuda',
        function: 'cuMemAlloc_v2',
        driverCode: 2,
        driverName: 'CUDA_ERROR_OUT_OF_MEMORY',
      },
    });
  });
});

describe('lockstep run', () => {
  it('runs the main job without a mismatch, and thread ranks on one card', () => {
    const { code, out, err } = lockstep([...JOB, '--ranks', '2', '--device', 'cuda'], {
      LOCKSTEP_STANDIN_DEVICES: '2',
    });
    expect([code, err.match(/lockstep: .*/)?.[0]]).toEqual([0, undefined]);
    const summary = JSON.parse(out);
    expect(summary).toMatchObject({ device: 'cuda', mismatches: 0, diverged: 0 });
    expect(summary.deviceChoice).toBe('cuda:0 lockstep stand-in, the first of 2 cards');
    expect(summary.compared).toBeGreaterThan(1000);
    expect(summary.graphSteps).toBeGreaterThan(100);
  });

  it('takes one card by its name, and refuses one that is not there with exit 3', () => {
    const { out } = lockstep([...JOB, '--ranks', '1', '--device', 'cuda:1'], { LOCKSTEP_STANDIN_DEVICES: '2' });
    expect(JSON.parse(out).deviceChoice).toBe('cuda:1 lockstep stand-in, as asked');
    const absent = lockstep([...JOB, '--ranks', '1', '--device', 'cuda:1']);
    expect(absent.code).toBe(3);
    expect(absent.err).toContain('There is no cuda:1: the driver shows 1 card, counted from 0');
  });

  it('ends with the fault of a card, in the words of its driver', () => {
    const { code, err } = lockstep([...JOB, '--ranks', '1', '--device', 'cuda'], {
      LOCKSTEP_STANDIN_FAIL: 'work:2000:700',
    });
    expect(code).toBe(1);
    expect(err).toMatch(/CUDA_ERROR_ILLEGAL_ADDRESS \(700\).*It may stem from earlier work on the device/);
    expect(err).toContain('The device is lost to this process; start it again.');
  });
});

describe('lockstep doctor', () => {
  it('opens each card, and calls the stand-in no GPU', () => {
    const { code, out } = lockstep(['doctor'], { LOCKSTEP_STANDIN_DEVICES: '2' });
    expect(code).toBe(0);
    for (const card of ['cuda:0', 'cuda:1']) {
      expect(out).toContain(`${card} is no GPU: a library of Lockstep's tests answers as its driver`);
      expect(out).toContain(`${card} opens: its kernels load`);
      expect(out).toContain(`${card} pins the planner's memory`);
    }
    expect(out).toContain(`LOCKSTEP_CUDA_LIB=${library} names the library`);
  });

  it('says why a card does not open', () => {
    const { out } = lockstep(['doctor', '--json'], { LOCKSTEP_STANDIN_FAIL: 'cuModuleLoadData:0:209' });
    const card = JSON.parse(out).cards['cuda:0'];
    expect(card).toMatchObject({ opens: false, pinnedArena: { pinned: true } });
    expect(card.reason).toMatch(/CUDA_ERROR_NO_BINARY_FOR_GPU|no code for this GPU|takes none/);
  });
});
