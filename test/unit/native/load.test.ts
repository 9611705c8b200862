import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../../dist/native/index.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TARGET = `${process.platform}-${process.arch}`;
let copy: string;

/** Runs a module body in a copy of the package whose addon may be missing or wrong; what it prints as JSON. */
function inCopy(body: string): unknown {
  const script = join(copy, 'script.mjs');
  writeFileSync(script, body);
  const { stdout, stderr, signal } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect([signal, stderr]).toEqual([null, '']);
  return JSON.parse(stdout);
}

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'lockstep-copy-'));
  for (const part of [
    'dist/native',
    'dist/device',
    'dist/errors.js',
    'dist/names.js',
    'dist/wait.js',
    'package.json',
  ]) {
    cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  }
  mkdirSync(join(copy, 'prebuilds', TARGET), { recursive: true });
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

const FAIL = `
  import { loadNative } from './dist/native/index.js';
  try { loadNative(); } catch (error) {
    console.log(JSON.stringify({ name: error.name, code: error.code, attempts: error.details.attempts }));
  }`;

describe('loadNative', () => {
  it('gives one addon a thread', () => {
    expect(loadNative()).toBe(loadNative());
    expect(loadNative().probeLibrary('libc.so.6')).toBeNull();
    expect(loadNative().probeLibrary('libnowhere.so.1')).toContain('cannot open shared object file');
    expect(loadNative().probeLibrary('')).toBe('the name is empty');
  });

  it('says which file is missing', () => {
    const file = join(copy, 'prebuilds', TARGET, 'lockstep.node');
    expect(inCopy(FAIL)).toEqual({
      name: 'LockstepError',
      code: 'ERR_NATIVE_UNAVAILABLE',
      attempts: [{ file, reason: 'there is no such file' }],
    });
  });

  it('refuses a file that is no addon, an older Node and another platform', () => {
    const file = join(copy, 'prebuilds', TARGET, 'lockstep.node');
    writeFileSync(file, 'not an addon');
    const reasonOf = (setup: string) =>
      (inCopy(setup + FAIL) as { attempts: { reason: string }[] }).attempts[0]?.reason;
    expect(reasonOf('')).toContain('lockstep.node');
    expect(reasonOf("Object.defineProperty(process.versions, 'napi', { value: '7' });")).toBe(
      'it needs Node-API 8, this Node has 7',
    );
    expect(reasonOf("Object.defineProperty(process, 'platform', { value: 'darwin' });")).toBe(
      'the addon is built for Linux, this is darwin',
    );
    expect(reasonOf('process.report.getReport = () => ({ header: {} });')).toContain(
      "it is built for glibc, and this Node runs on another C library, such as Alpine's musl (",
    );
    rmSync(file);
  });

  it('leaves probeDevices with no device and the reason', () => {
    const probes = inCopy(`
      import { probeDevices } from './dist/device/probe-devices.js';
      console.log(JSON.stringify(probeDevices()));`) as { kind: string; available: boolean; reason: string }[];
    expect(probes.map(({ kind, available }) => [kind, available])).toEqual([
      ['host', false],
      ['cuda', false],
      ['hip', false],
    ]);
    for (const { reason } of probes) expect(reason).toContain('there is no such file');
  });
});
