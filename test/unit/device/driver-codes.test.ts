import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { buildNativeProgram } from '../../support/native-program.js';

interface Printed {
  readonly codes: readonly {
    readonly number: number;
    readonly code: string;
    readonly sticky: boolean;
    readonly message: string;
  }[];
  readonly targets: readonly string[];
  readonly choices: readonly (readonly [number | string, string])[];
}

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-nodes-'));
const program = buildNativeProgram('driver-codes.cc');
/** Compute nodes as Linux lists them: a CPU, an MI300X, an MI210 on another domain, and a node that lacks a line. */
const NODES = [
  'cpu_cores_count 96\nsimd_count 0\ngfx_target_version 0\nlocation_id 0\ndomain 0\n',
  'cpu_cores_count 0\nsimd_count 1216\ngfx_target_version 90402\nlocation_id 49408\ndomain 0\n',
  'cpu_cores_count 0\nsimd_count 416\ngfx_target_version 90010\nlocation_id 49408\ndomain 1\n',
  'simd_count 64\ngfx_target_version 110001\nlocation_id 17152\ndomain 0\n',
  'simd_count 64\ngfx_target_version 110001\ndomain 0\n',
];
for (const [node, properties] of NODES.entries()) {
  mkdirSync(path.join(folder, String(node)));
  writeFileSync(path.join(folder, String(node), 'properties'), properties);
}
const printed = JSON.parse(execFileSync(program.path, [folder], { encoding: 'utf8' })) as Printed;

afterAll(() => {
  program.remove();
  rmSync(folder, { recursive: true });
});

const withCode = (code: string): number[] =>
  printed.codes.filter((one) => one.code === code).map(({ number }) => number);

it('gives each code of a driver a code of ours', () => {
  expect(withCode('ERR_DEVICE_MEMORY')).toEqual([2]);
  expect(withCode('ERR_DISPOSED')).toEqual([4]);
  expect(withCode('ERR_DEVICE_UNAVAILABLE')).toEqual([34, 46, 100, 101, 802, 803, 804]);
  expect(withCode('ERR_LAUNCH_INVALID')).toEqual([200, 209, 218, 222, 500, 701]);
  expect(withCode('ERR_DEVICE_CAPTURE')).toEqual([900, 901, 902, 903, 904, 905, 906, 907, 908]);
  const lost = [214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911];
  expect(withCode('ERR_DEVICE_LOST')).toEqual(lost);
  expect(printed.codes.filter(({ sticky }) => sticky).map(({ number }) => number)).toEqual(lost);
  const named = 1 + 1 + 7 + 6 + 9 + lost.length;
  expect(withCode('ERR_DEVICE_DRIVER').length).toBe(printed.codes.length - named);
});

it('says who reported a code, and that a fault may be that of earlier work', () => {
  const message = (number: number): string => printed.codes.find((one) => one.number === number)?.message ?? '';
  expect(message(2)).toBe(
    'The CUDA driver failed to copy: cuMemcpyDtoHAsync_v2 reported an error without a name (2): dispose of what is not needed, or capture fewer graphs.',
  );
  expect(message(700)).toBe(
    'The CUDA driver failed to copy: cuMemcpyDtoHAsync_v2 reported an error without a name (700): a kernel or copy used memory that is not allocated. It may stem from earlier work on the device. The device is lost to this process; start it again.',
  );
  const asynchronous = printed.codes.filter((one) => one.message.includes('earlier work')).map(({ number }) => number);
  expect(asynchronous).toEqual([...withCode('ERR_DEVICE_LOST'), 999]);
});

const header = ['/usr/local/cuda/include/cuda.h', '/usr/local/cuda/targets/x86_64-linux/include/cuda.h'].find((file) =>
  existsSync(file),
);

it.runIf(header !== undefined)('holds a device lost after every code of which cuda.h says so', () => {
  const text = readFileSync(header as string, 'utf8');
  const documented = [...text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s+CUDA_ERROR_\w+\s*=\s*(\d+)/g)];
  expect(documented.length).toBeGreaterThan(80);
  const final = documented
    .filter(([, words]) =>
      /inconsistent\s+\*?\s*state|must be\s+(?:\*\s+)?terminated|cannot be used anymore/.test(words),
    )
    .map(([, , number]) => Number(number));
  expect(final.length).toBeGreaterThan(10);
  for (const number of final) expect(withCode('ERR_DEVICE_LOST')).toContain(number);
});

it('reads the gfx target of a card from the list of compute nodes', () => {
  expect(printed.targets).toEqual(['gfx942', 'gfx90a', 'gfx1101', '', '']);
});

it('gives a rank the card that was asked for, its own, or one that it shares', () => {
  expect(printed.choices).toEqual([
    [0, 'the only card'],
    [0, 'the first of 8 cards'],
    [7, 'as asked'],
    ['ERR_DEVICE_UNAVAILABLE', 'There is no cuda:8: the driver shows 8 cards, counted from 0.'],
    [3, 'local rank 3 (SLURM_LOCALID) of 8 cards'],
    [2, 'local rank 6 (SLURM_LOCALID) of 4 cards, which ranks share'],
  ]);
});
