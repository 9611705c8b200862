import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../dist/native/index.js';
import { root } from '../support/cli.js';
import { CLEAN, type Environment, expectNothingHeld, overStandin } from '../support/standin-process.js';

const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-gpu-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Debian's runtime, which holds its compiler and knows gfx90a. */
const HIPRTC = 'libamdhip64.so.5';
const GFX90A = { LOCKSTEP_HIPRTC_LIB: HIPRTC, LOCKSTEP_HIP_ARCH: 'gfx90a', LOCKSTEP_STANDIN_ARCH: 'gfx90a' };

const RUN = ['dist/cli/main.js', 'run', '--requests', '40', '--json'];

function decided(stdout: string): Record<string, unknown> {
  const { device, deviceChoice, seconds, ...rest } = JSON.parse(stdout) as Record<string, unknown>;
  expect([typeof device, typeof deviceChoice, typeof seconds]).toEqual(['string', 'string', 'number']);
  return rest;
}

describe('a run on a GPU', () => {
  let onHost: Record<string, unknown>;
  beforeAll(() => {
    const { stdout } = spawnSync(process.execPath, [...RUN, '--device', 'host'], { cwd: root, encoding: 'utf8' });
    onHost = decided(stdout);
    expect(onHost).toMatchObject({ finished: 40, mismatches: 0, diverged: 0 });
  });

  it.each([
    ['whose driver pins the arena', {}, (calls: number) => calls > 0],
    ['whose driver does not', { LOCKSTEP_STANDIN_FAIL: 'cuMemHostRegister_v2:0:801' }, (calls: number) => calls === 0],
    ['whose work goes on by itself', { LOCKSTEP_STANDIN_PUMP: 'thread' }, (calls: number) => calls > 0],
    ['whose streams run in another order', { LOCKSTEP_STANDIN_SEED: '1' }, (calls: number) => calls > 0],
    ['whose streams run in a third order', { LOCKSTEP_STANDIN_SEED: '2' }, (calls: number) => calls > 0],
  ])('%s decides and computes what one on the host does', (_, environment: Environment, unregistered) => {
    const { status, stdout, seen } = overStandin([...RUN, '--device', 'cuda'], environment);
    expect(status).toBe(0);
    expect(decided(stdout)).toEqual(onHost);
    expect(seen.length).toBeGreaterThan(0);
    for (const report of seen) {
      expect(report).toMatchObject(CLEAN);
      expectNothingHeld(report);
      expect(report.calls.cuGraphLaunch).toBeGreaterThan(100);
      expect(report.calls.cuLaunchKernel).toBeGreaterThan(100);
      expect(unregistered(report.calls.cuMemHostUnregister ?? 0)).toBe(true);
      // What is pinned and what is waited for is used again.
      expect(report.calls.cuMemHostAlloc).toBeLessThan(40);
      expect(report.calls.cuEventCreate).toBeLessThan(200);
    }
  });

  it.each(['random:moe', 'random:dense'])('says the tokens of %s that one eager rank says', (model) => {
    const run = ['dist/cli/main.js', 'run', '--model', model, '--requests', '5', '--prompt-scale', '0.02', '--json'];
    const modes = ['--ladder', '1,2,4', '--ubatches', '2', '--ubatch-threshold-decode', '2', '--query-len', '2'];
    const { status, stdout, seen } = overStandin([...run, ...modes, '--device', 'cuda'], {
      LOCKSTEP_STANDIN_SEED: '5',
    });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ device: 'cuda', mismatches: 0, finished: 5 });
    expect(JSON.parse(stdout).graphSteps).toBeGreaterThan(50);
    for (const report of seen) expect(report).toMatchObject(CLEAN);
  });

  it('says the tokens of one eager rank with drafts of drawn and greedy requests, planned ahead', () => {
    const run = ['dist/cli/main.js', 'run', '--model', 'random:dense', '--requests', '6', '--prompt-scale', '0.02'];
    const modes = ['--ladder', '3,6,12', '--query-len', '3', '--async', '--temperature', '1', '--sampled-share', '0.7'];
    const { status, stdout, seen } = overStandin([...run, ...modes, '--json', '--device', 'cuda'], {
      LOCKSTEP_STANDIN_SEED: '5',
    });
    expect(status).toBe(0);
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({ device: 'cuda', mismatches: 0, finished: 6, async: true });
    expect(Math.min(summary.sampledAcceptedDrafts, summary.sampledRejectedDrafts)).toBeGreaterThan(50);
    expect(summary.acceptedDrafts).toBeGreaterThan(summary.sampledAcceptedDrafts);
    for (const report of seen) expect(report).toMatchObject(CLEAN);
  });

  it('of AMD, with kernels that HIP compiled for it, decides and computes what one on the host does', (context) => {
    if (loadNative().probeLibrary(HIPRTC) !== null) context.skip(`no ${HIPRTC}`);
    const environment = { ...GFX90A, LOCKSTEP_CACHE: path.join(folder, 'cache') };
    const { status, stdout, stderr, seen } = overStandin([...RUN, '--device', 'hip'], environment);
    expect(`${status} ${status === 0 ? '' : stderr}`).toBe('0 ');
    expect(decided(stdout)).toEqual(onHost);
    expect(seen.length).toBeGreaterThan(0);
    for (const report of seen) {
      expect(report).toMatchObject({ ...CLEAN, library: 'hip' });
      expectNothingHeld(report);
      expect(report.calls.hipGraphLaunch).toBeGreaterThan(100);
      expect(report.calls.hipModuleLaunchKernel).toBeGreaterThan(100);
    }
  });
});

const PRELUDE = `
  import { openDevice } from './dist/device/index.js';
  const device = openDevice({ device: 'cuda' });
  const stream = device.createStream();
  const other = device.createStream();
  const kernels = device.loadModule();
  const codes = [];
  const note = (call) => { try { call(); codes.push('none'); } catch (error) { codes.push(error.code); } };
  const [ids, slots, cache] = [64, 64, 64].map((bytes) => device.allocate(bytes));
  const fill = (on) => on.launch(kernels.kernel('fill'), [ids, 1, 4]);
`;

function script(body: string, environment: Environment = {}) {
  const code = `${PRELUDE}${body}\ndevice.dispose();\nconsole.log(JSON.stringify(codes));`;
  const { status, stdout, stderr, seen } = overStandin(['--input-type=module', '--eval', code], environment);
  expect(`${status} ${stderr}`).toMatch(/^0 /);
  expect(seen).toHaveLength(1);
  return { codes: JSON.parse(stdout) as string[], report: seen[0] };
}

describe('what goes wrong', () => {
  it('in a kernel is reported with the words of the host, skips what follows, and frees everything', () => {
    const { codes, report } = script(`
      stream.upload(ids, 0, new Int32Array([5]));
      stream.upload(slots, 0, new BigInt64Array([99n]));
      stream.synchronizeSync();
      stream.launch(kernels.kernel('kv_write'), [ids, slots, cache, 1]);
      fill(stream);
      try { stream.synchronizeSync(); } catch (error) { codes.push(error.message, error.details.kernel); }
      note(() => fill(other));
    `);
    expect(codes).toEqual([
      expect.stringContaining('Kernel kv_write failed: slots[0] is 99, the cache has 16 slots.'),
      'kv_write',
      'ERR_DEVICE_KERNEL',
    ]);
    expect(report).toMatchObject(CLEAN);
    expectNothingHeld(report);
  });

  it.each([
    ['in a fault on the device', 'work:3:700'],
    ['in a fault that a call reports', 'cuLaunchKernel:1:719'],
  ])('%s loses the device: no later call reaches the driver', (_, failure) => {
    const { codes, report } = script(
      `
      for (let i = 0; i < 3; i++) note(() => { fill(stream); stream.synchronizeSync(); });
      note(() => device.allocate(64));
      note(() => stream.upload(ids, 0, new Int32Array([5])));
      note(() => device.createStream());
    `,
      { LOCKSTEP_STANDIN_FAIL: failure },
    );
    expect(codes.slice(-3)).toEqual(['ERR_DEVICE_LOST', 'ERR_DEVICE_LOST', 'ERR_DEVICE_LOST']);
    expect(report).toMatchObject({ afterFault: 0, refused: [], injected: failure.startsWith('work') ? 0 : 1 });
    expect(report.faults).toHaveLength(1);
  });

  it('in the first call of an enqueue leaves the stream as it was', () => {
    const { codes, report } = script(
      `
      note(() => fill(stream));
      note(() => fill(stream));
      note(() => stream.synchronizeSync());
    `,
      { LOCKSTEP_STANDIN_FAIL: 'cuLaunchKernel:1:701' },
    );
    expect(codes).toEqual(['ERR_LAUNCH_INVALID', 'none', 'none']);
    expect(report).toMatchObject({ ...CLEAN, injected: 1 });
    expectNothingHeld(report);
  });

  it('for want of memory is told with what is free', () => {
    const { codes, report } = script(
      `try { device.allocate(1 << 20); } catch (error) { codes.push(error.code, error.details.needed, error.details.available > 0); }`,
      { LOCKSTEP_STANDIN_BYTES: String(1 << 19) },
    );
    expect(codes).toEqual(['ERR_DEVICE_MEMORY', 1 << 20, true]);
    expect(report).toMatchObject(CLEAN);
    expectNothingHeld(report);
  });
});

describe('a card', () => {
  it('whose driver does not pin the arena reads it at the call of submit(), and not later', () => {
    const { codes, report } = script(
      `
      const memory = new Int32Array(new SharedArrayBuffer(256));
      device.bindArena(new Uint8Array(memory.buffer));
      memory.set([5, 6, 7, 8], 32);
      memory.set([1], 0);
      memory.set([1, cache.id, 0, 128, 16], 8);
      stream.setCommandBlock(0, 1);
      stream.submit();
      memory.fill(0, 32);
      const into = new Int32Array(4);
      stream.downloadSync(cache, 0, into);
      codes.push(...into);
    `,
      { LOCKSTEP_STANDIN_FAIL: 'cuMemHostRegister_v2:0:801' },
    );
    expect(codes).toEqual([5, 6, 7, 8]);
    expect(report).toMatchObject(CLEAN);
    expectNothingHeld(report);
  });

  it.each([
    ['of the thread', `stream.beginCapture(); second.dispose(); fill(stream);`],
    [
      'that a second stream takes part in',
      `
      const fork = device.createEvent();
      const join = device.createEvent();
      stream.beginCapture();
      stream.record(fork);
      other.wait(fork);
      fill(other);
      second.dispose();
      other.record(join);
      stream.wait(join);`,
    ],
  ])('closes while another captures, and the capture %s is whole', (_, capture) => {
    const { codes, report } = script(`
      const second = openDevice({ device: 'cuda' });
      const theirs = second.createStream();
      theirs.upload(second.allocate(4), 0, new Int32Array(1));
      theirs.launch(second.loadModule().kernel('fill'), [second.allocate(64), 1, 16]);
      ${capture}
      const graph = stream.endCapture().instantiate();
      stream.launchGraph(graph);
      const into = new Int32Array(4);
      stream.downloadSync(ids, 0, into);
      codes.push(...into);
    `);
    expect(codes).toEqual([1, 1, 1, 1]);
    expect(report).toMatchObject(CLEAN);
    expectNothingHeld(report);
  });
});

it('passes the suites of devices, of execution and of ranks', () => {
  const suites = ['kernels', 'memory', 'misuse', 'pool', 'ranges'].map((name) => `test/unit/device/${name}.test.ts`);
  const vitest = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    'test',
    ...suites,
    'test/unit/execution',
    'test/unit/runtime/rank.test.ts',
  ];
  const { status, stdout, stderr } = overStandin(vitest, { LOCKSTEP_TEST_DEVICE: 'cuda' });
  expect(`${status} ${status === 0 ? '' : stdout}`).toBe('0 ');
  // Vitest ends its workers before they could report, but each breach of a rule is printed when it happens.
  const refusals = [...(stdout + stderr).matchAll(/stand-in \(seed \d+\): (.*)/g)].map(([, refusal]) => refusal);
  // The suites drop captures on purpose whose streams were not joined.
  expect(new Set(refusals)).toEqual(new Set(['cuStreamEndCapture: work of a forked stream was not joined -> 904']));
});
