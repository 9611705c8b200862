import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import type { StandinReport } from '../support/standin-report.js';
import { buildProgram, buildStandins } from './build.mjs';

interface Rule {
  readonly name: string;
  readonly source: string;
  readonly code: string;
  readonly answer: string;
}

const LIBRARIES = [
  ['cuda', 'libcuda.so.1'],
  ['hip', 'libamdhip64.so.6'],
] as const;

const sanitize = true;
const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-standin-'));
const programs = { rules: '', behaviours: '', libraries: '' };

beforeAll(() => {
  programs.libraries = buildStandins({ sanitize });
  programs.rules = buildProgram('rules', { sanitize });
  programs.behaviours = buildProgram('behaviours', { sanitize });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  // Leaks are the stand-in's to count; the sanitizer knows nothing of handles.
  const ASAN_OPTIONS = 'detect_leaks=0';
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, ASAN_OPTIONS, ...env },
  });
  return { status, stdout: stdout.trim(), stderr };
}

describe.each(LIBRARIES)('%s', (api, file) => {
  const library = () => path.join(programs.libraries, file);
  const behave = (name: string, env: Readonly<Record<string, string>> = {}, more: readonly string[] = []) =>
    run(programs.behaviours, [library(), api, name, ...more], env);

  function reported(name: string): StandinReport {
    const place = path.join(folder, `${api}-${name}.json`);
    expect(behave(name, { LOCKSTEP_STANDIN_REPORT: place })).toMatchObject({ status: 0, stdout: '' });
    return JSON.parse(readFileSync(place, 'utf8')) as StandinReport;
  }

  it('refuses each breach of a rule with the code of the table', () => {
    const { stdout, stderr } = run(programs.rules, [library(), api]);
    const rules = stdout.split('\n').map((line) => JSON.parse(line) as Rule);
    expect(rules.length).toBeGreaterThan(60);
    expect(new Set(rules.map(({ name }) => name)).size).toBe(rules.length);
    expect(
      rules.filter(({ code, answer }) => code !== answer),
      stderr,
    ).toEqual([]);
  });

  it.each([
    'streams_in_order',
    'streams_without_order',
    'replays_in_order',
    'replays_without_order',
    'captured_copy_reads_again',
    'copies_read_late_or_early',
    'nothing_runs_unasked',
    'mapped_host_memory',
    'launches_do_not_overlap',
    'error_names',
    'relaxed_thread_may_allocate',
  ])('keeps %s, whatever the order of the work', (name) => {
    for (const seed of ['1', String(Date.now())]) {
      expect(behave(name, { LOCKSTEP_STANDIN_SEED: seed }), `seed ${seed}`).toMatchObject({ status: 0, stdout: '' });
    }
  });

  it('runs work by a thread of its own where that is asked for', () => {
    for (const name of ['runs_by_itself', 'streams_in_order', 'replays_in_order']) {
      expect(behave(name, { LOCKSTEP_STANDIN_PUMP: 'thread' })).toMatchObject({ status: 0, stdout: '' });
    }
    expect(behave('nothing_runs_unasked', { LOCKSTEP_STANDIN_PUMP: 'thread' }).stdout).toBe(
      'work ran before it was asked for',
    );
  });

  it('keeps the host out of device memory', () => {
    const { status, stderr } = behave('host_cannot_read_device_memory');
    expect(status).not.toBe(0);
    expect(stderr).toContain('SEGV');
  });

  it('reports what is held, and what was called', () => {
    const all = reported('leaves_things');
    expect(all.held).toEqual({
      allocations: 2,
      hostAllocations: 1,
      registrations: 0,
      streams: 2,
      events: 1,
      graphs: 0,
      executables: 0,
      modules: 1,
      changedCaptureModes: 0,
    });
    expect(all.calls[api === 'cuda' ? 'cuMemAlloc_v2' : 'hipMalloc']).toBe(2);
    expect(all).toMatchObject({ library: api, refused: [], faults: [], pending: 0, afterFault: 0 });
    expect(Object.values(reported('leaves_nothing').held)).toEqual(new Array(9).fill(0));
  });
});

it.each(['lockstep.fatbin', 'lockstep-old.ptx'])('loads the packed %s, and runs a kernel of it', (image) => {
  const file = path.join(root, 'native/kernels/built', image);
  const load = (env: Readonly<Record<string, string>>) =>
    run(programs.behaviours, [path.join(programs.libraries, 'libcuda.so.1'), 'cuda', 'packed_image', file], env).stdout;
  expect(load({})).toBe('');
  // A GPU before sm_80 has no code in it; a driver before CUDA 11 does not know the PTX.
  expect(load({ LOCKSTEP_STANDIN_ARCH: '75' })).toBe('module_load gave 209');
  expect(load({ LOCKSTEP_STANDIN_PTX: '69' })).toBe(image === 'lockstep.fatbin' ? '' : 'module_load gave 222');
});
