import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

function lockstep(root: string, args: string[], input = ''): { code: number | null; out: string; err: string } {
  const main = path.join(root, 'dist/cli/main.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { input, encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

describe('lockstep doctor', () => {
  test('tells every device, transport and the planner, with a reason each', () => {
    const { code, out } = lockstep(ROOT, ['doctor', '--json']);
    const report = JSON.parse(out);
    expect(report).toMatchObject({
      schemaVersion: 1,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    });
    expect(report.devices.map(({ kind }: { kind: string }) => kind)).toEqual(['host', 'cuda', 'hip']);
    expect(report.transports).toMatchObject([
      { name: 'solo', available: true },
      { name: 'threads', available: true },
      { name: 'mpi', available: expect.any(Boolean) },
    ]);
    expect(
      report.collectives.map(({ name, available }: { name: string; available: boolean }) => [name, available]),
    ).toEqual([
      ['solo', true],
      ['local', true],
      ['mpi', expect.any(Boolean)],
      ['nccl', false],
      ['rccl', false],
    ]);
    for (const { reason } of [...report.devices, ...report.transports, ...report.collectives])
      expect(reason).not.toBe('');
    for (const { kind, available, attempts } of report.devices) {
      if (kind !== 'host' && !available) expect(attempts.length).toBeGreaterThan(0);
    }
    expect(report.planner).toMatchObject({ simd: true });
    expect(report.planner.bytes).toBeGreaterThan(256 * 8192 * 4 * 2);
    expect(code).toBe(report.devices[0].available ? 0 : 3);
  });

  test('tells what the kernels of the host run with, and what names nothing here', () => {
    const run = (variables: NodeJS.ProcessEnv, ...flags: string[]) =>
      spawnSync(process.execPath, [path.join(ROOT, 'dist/cli/main.js'), 'doctor', ...flags], {
        encoding: 'utf8',
        env: { ...process.env, ...variables },
      });
    const least = process.arch === 'x64' ? 'v2' : 'base';
    const named = JSON.parse(run({ LOCKSTEP_CPU: least, LOCKSTEP_THREADS: '1' }, '--json').stdout).cpuKernels;
    expect(named).toEqual({ name: least, supported: expect.arrayContaining([least]), threads: 1, mistake: null });
    const best = JSON.parse(run({ LOCKSTEP_CPU: '', LOCKSTEP_THREADS: '' }, '--json').stdout).cpuKernels;
    expect(best.name).toBe(best.supported.at(-1));
    expect(best.threads).toBeGreaterThan(0);
    for (const [variable, value] of [
      ['LOCKSTEP_CPU', 'avx9'],
      ['LOCKSTEP_THREADS', '0'],
      ['LOCKSTEP_THREADS', '2x'],
    ] as const) {
      const { status, stdout } = run({ [variable]: value });
      expect(stdout).toContain(`no  ${variable} is "${value}": `);
      expect(status).toBe(3);
    }
  });

  test('a person reads the same', () => {
    const { out } = lockstep(ROOT, ['doctor']);
    for (const word of ['host', 'cuda', 'hip', 'solo', 'threads', 'mpi', 'simd']) expect(out).toContain(`  ${word}`);
  });
});

describe('a package without its addon', () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(path.join(tmpdir(), 'lockstep-no-addon-'));
    cpSync(path.join(ROOT, 'dist'), path.join(root, 'dist'), { recursive: true });
    cpSync(path.join(ROOT, 'package.json'), path.join(root, 'package.json'));
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  test('doctor says that not even the host device works, and exits 3', () => {
    const { code, out } = lockstep(root, ['doctor', '--json']);
    expect(code).toBe(3);
    const report = JSON.parse(out);
    for (const device of report.devices) {
      expect(device).toMatchObject({ available: false, attempts: [{ library: 'lockstep.node' }] });
    }
    expect(report.planner.simd).toBe(true);
  });

  test('explain and conformance work', () => {
    const batch = '{"ranks":[{"requests":[{"phase":"decode","queryLen":1,"numComputedTokens":3}]}]}';
    const explained = lockstep(root, ['explain', '--json'], batch);
    expect(explained.code).toBe(0);
    expect(JSON.parse(explained.out).decision.run).toBe('full');
    expect(JSON.parse(lockstep(root, ['conformance', '--json']).out).failed).toBe(0);
  });

  test('a module that does not load says nothing of SIMD', () => {
    const module = path.join(root, 'dist/memory/rules.wasm');
    const bytes = readFileSync(module);
    writeFileSync(module, bytes.subarray(0, 100));
    try {
      const { planner } = JSON.parse(lockstep(root, ['doctor', '--json']).out);
      expect(planner).toMatchObject({ simd: true, bytes: 0, reason: expect.stringContaining('does not load') });
      expect(lockstep(root, ['doctor']).out).not.toContain('does not validate');
    } finally {
      writeFileSync(module, bytes);
    }
  });
});
