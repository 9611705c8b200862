import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compile } from '../../support/test-kernels.js';

const native = fileURLToPath(new URL('../../../native', import.meta.url));
const source = fileURLToPath(new URL('../../fixtures/device/machine-memory.cc', import.meta.url));

let folder: string;
let program: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-memory-'));
  program = path.join(folder, 'program');
  const parts = ['host-captures.cc', 'host-memory.cc', 'machine-memory.cc'].map((name) =>
    path.join(native, 'host', name),
  );
  compile(['-std=c++17', '-O1', `-I${native}`, source, ...parts, '-o', program]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let machines = 0;

/** What the addon takes for available on a machine with these files. */
function available(files: Record<string, string>): bigint {
  const root = path.join(folder, `machine-${machines++}`);
  mkdirSync(root);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
  return BigInt(execFileSync(program, ['available', root], { encoding: 'utf8' }));
}

const meminfo = {
  'proc/meminfo': 'MemTotal:       9000 kB\nMemFree:  1 kB\nMemAvailable:   1000 kB\nBuffers:  5 kB\n',
};
const group = (max: string, current: string, stat: string): Record<string, string> => ({
  'sys/fs/cgroup/memory.max': max,
  'sys/fs/cgroup/memory.current': current,
  'sys/fs/cgroup/memory.stat': stat,
});

it.each<[string, Record<string, string>, bigint]>([
  ['nothing is said', {}, 2n ** 64n - 1n],
  ['there is no group', meminfo, 1_024_000n],
  ['the group has no limit', { ...meminfo, ...group('max\n', '900', 'inactive_file 5\n') }, 1_024_000n],
  ['the group has less', { ...meminfo, ...group('5000\n', '2000\n', '') }, 3000n],
  ['the group has more', { ...meminfo, ...group('50000000\n', '2000\n', '') }, 1_024_000n],
  ['files fill the group', group('5000', '5000', 'anon 900\nfile 4100\ninactive_file 4000\nactive_file 100\n'), 4000n],
  ['more was dropped than is in use', group('5000', '100', 'inactive_file 4000\n'), 5000n],
  ['the group is full', group('5000', '6000', 'inactive_file 500\n'), 0n],
  [
    'the group is of version 1',
    {
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '5000',
      'sys/fs/cgroup/memory/memory.usage_in_bytes': '4500',
      'sys/fs/cgroup/memory/memory.stat': 'cache 4000\ninactive_file 10\ntotal_inactive_file 3000\n',
    },
    3500n,
  ],
])('counts what can be written to where %s', (_, files, bytes) => {
  expect(available(files)).toBe(bytes);
});

it('tells a limit on address space from a lack of memory', () => {
  const allocate = (bytes: number) =>
    execFileSync(program, ['allocate', `${bytes}`, `${256 << 20}`], { encoding: 'utf8' });
  expect(allocate(1 << 20)).toBe('1048576 bytes\n');
  expect(allocate(512 << 20)).toMatch(/^ERR_DEVICE_MEMORY: .* 536870912 bytes.*[1-9][0-9]* available.*ulimit -v/);
});
