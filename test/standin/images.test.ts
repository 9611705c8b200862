import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/cli.js';
import type { StandinReport } from '../support/standin-report.js';
import { buildStandins } from './build.mjs';

// The stand-in runs a kernel by the name of its entry point; lockstep_test_add(values, bytes i64, delta i32, 32 bytes of its own) adds delta.
const ENTRY = 'lockstep_test_add';
const NVCC = '/usr/local/cuda/bin/nvcc';
const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-images-'));
const library = { path: '' };
const file = (name: string): string => path.join(folder, name);

const PTX = `.version 8.0\n.target sm_80\n.address_size 64\n.visible .entry ${ENTRY}() { ret; }\n`;

/** A cubin with one entry point: a header, then the name, then an end. */
function cubin(machine = 190): Buffer {
  const names = Buffer.from(`\0${ENTRY}\0`);
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(machine, 18);
  header.writeBigUInt64LE(BigInt(64 + names.length), 40);
  return Buffer.concat([header, names]);
}

const TRITON = {
  name: ENTRY,
  target: { backend: 'cuda', arch: 90, warp_size: 32 },
  num_warps: 4,
  shared: 100_000,
  cluster_dims: [1, 1, 1],
  global_scratch_size: 32,
  global_scratch_align: 128,
};

beforeAll(() => {
  library.path = path.join(buildStandins(), 'libcuda.so.1');
  writeFileSync(file('add.ptx'), PTX);
  writeFileSync(file('plain.cubin'), cubin());
  writeFileSync(file('cut.cubin'), cubin().subarray(0, 70).fill(9, 40, 48));
  writeFileSync(file('cpu.so'), cubin(62));
  writeFileSync(file('old.ptx'), PTX.replace('8.0', '9.9'));
  for (const [name, fields] of Object.entries({
    pair: {},
    clusters: { cluster_dims: [16, 1, 1], shared: 0 },
    ampere: { target: { backend: 'cuda', arch: 80, warp_size: 32 } },
    wide: { target: { backend: 'cuda', arch: 90, warp_size: 64 } },
    amd: { target: { backend: 'hip', arch: 'gfx942', warp_size: 64 } },
    strange: { launch_sideways: true },
  })) {
    writeFileSync(file(`${name}.json`), JSON.stringify({ ...TRITON, ...fields }));
    writeFileSync(file(`${name}.cubin`), cubin());
    writeFileSync(file(`${name}.hsaco`), cubin(224));
  }
  const scalars = [
    { name: 'bytes', kind: 'i64' },
    { name: 'delta', kind: 'i32' },
  ];
  const own = { name: 'own', kind: 'out', elementBytes: 4, least: 8 };
  const kernel = { symbol: ENTRY, image: 'plain.cubin', target: 'sm_90', block: [32, 1, 1] };
  const grid = [{ of: 'bytes', per: 128 }, 1, 1];
  const args = [{ name: 'values', kind: 'inout', elementBytes: 4, least: 8 }, ...scalars, own];
  writeFileSync(
    file('manifest.json'),
    JSON.stringify({ schemaVersion: 1, kernels: [{ name: 'add', ...kernel, grid, arguments: args }] }),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let runs = 0;
const PRELUDE = `
  import { readFileSync } from 'node:fs';
  import { openDevice } from './dist/device/index.js';
  const at = (name) => ${JSON.stringify(folder)} + '/' + name;
  const device = openDevice({ device: process.env.DEVICE ?? 'cuda' });
  const stream = device.createStream();
  const [values, own] = [device.allocate(64), device.allocate(32)];
  const seen = [];
  const note = (call) => { try { seen.push(call() ?? 'none'); } catch (error) { seen.push([error.code, error.message, error.details]); } };
  stream.upload(values, 0, new Int32Array(16).fill(1));
  stream.upload(own, 0, new Int32Array(8));
  const read = () => { const out = new Int32Array(16); stream.downloadSync(values, 0, out); return [out[0], out[15]]; };
  const ARGS = (delta) => [values, { i64: 64n }, { i32: delta }, own];
  const RAW = { grid: [1, 1, 1], block: [32, 1, 1] };
`;

/** What a script noted over the stand-in, which was used without a breach of its rules and is left with nothing held. */
function script(body: string, environment: Readonly<Record<string, string>> = {}, refused: readonly unknown[] = []) {
  const place = file(`report-${runs++}.json`);
  const code = `${PRELUDE}${body}\ndevice.dispose();\nconsole.log(JSON.stringify(seen));`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, LOCKSTEP_CUDA_LIB: library.path, LOCKSTEP_STANDIN_REPORT: place, ...environment },
  });
  expect(`${status} ${status === 0 ? '' : stderr}`).toBe('0 ');
  const report = existsSync(place) ? (JSON.parse(readFileSync(place, 'utf8')) as StandinReport) : undefined;
  if (report !== undefined) {
    expect(report).toMatchObject({ afterFault: 0, pending: 0, faults: [] });
    expect(report.refused).toHaveLength(refused.length);
    expect(Object.entries(report.held).filter(([, count]) => count > 0)).toEqual([]);
  }
  return { seen: JSON.parse(stdout) as unknown[], report };
}

const refusal = (code: string, words: RegExp, details: Readonly<Record<string, unknown>> = {}) => [
  code,
  expect.stringMatching(words),
  expect.objectContaining(details),
];

describe('an image alone', () => {
  it.each(['add.ptx', 'plain.cubin'])('%s is launched with typed scalars, grid and block', (name) => {
    const { seen, report } = script(`
      const kernel = device.loadModule({ path: at('${name}') }).kernel('${ENTRY}');
      stream.launch(kernel, ARGS(4), RAW);
      note(read);
      const again = device.loadModule({ image: readFileSync(at('${name}')) }).kernel('${ENTRY}');
      stream.launch(again, [{ buffer: values, offset: 32 }, { i64: 32n }, { i32: -2 }, own], { ...RAW, sharedBytes: 1024 });
      note(read);
    `);
    expect(seen).toEqual([
      [5, 5],
      [5, 3],
    ]);
    expect(report?.calls.cuFuncSetAttribute ?? 0).toBe(0);
  });

  it('is asked for shared memory above 48 KiB and clusters above 8 blocks before its launch, once', () => {
    const { seen, report } = script(`
      const kernel = device.loadModule({ path: at('plain.cubin') }).kernel('${ENTRY}');
      for (let i = 0; i < 2; i++) stream.launch(kernel, ARGS(1), { ...RAW, sharedBytes: 200 * 1024 });
      for (let i = 0; i < 2; i++) stream.launch(kernel, ARGS(1), { ...RAW, grid: [16, 1, 1], cluster: [16, 1, 1] });
      stream.launch(kernel, ARGS(1), { ...RAW, cooperative: true });
      note(read);
    `);
    expect(seen).toEqual([[6, 6]]);
    expect(report?.calls).toMatchObject({ cuFuncSetAttribute: 2, cuLaunchKernelEx: 3 });
  });

  it.for(['cubin', 'fatbin', 'ptx'])(
    'that nvcc made as %s is taken whole, and not without its end',
    (kind, context) => {
      if (!existsSync(NVCC)) context.skip(`no ${NVCC}`);
      writeFileSync(
        file('add.cu'),
        `extern "C" __global__ void ${ENTRY}(int* v, long long n, int d, int* own) { v[0] += d; }`,
      );
      const made = spawnSync(NVCC, [`--${kind}`, '-arch=sm_90', file('add.cu'), '-o', file(`nvcc.${kind}`)]);
      expect(made.status, String(made.stderr)).toBe(0);
      const { seen } = script(
        `
      const image = readFileSync(at('nvcc.${kind}'));
      stream.launch(device.loadModule({ image }).kernel('${ENTRY}'), ARGS(4), RAW);
      note(read);
      if ('${kind}' !== 'ptx') note(() => device.loadModule({ image: image.subarray(0, image.length - 8) }));
    `,
        { LOCKSTEP_STANDIN_PTX: '99' },
      );
      expect(seen[0]).toEqual([5, 5]);
      if (kind !== 'ptx') expect(seen[1]).toEqual(refusal('ERR_LAUNCH_INVALID', /ends before its own headers say/));
    },
  );

  it('is recorded with its addresses, which live as long as its graph', () => {
    const { seen } = script(`
      const module = device.loadModule({ path: at('plain.cubin') });
      const kernel = module.kernel('${ENTRY}');
      stream.beginCapture();
      stream.launch(kernel, ARGS(2), RAW);
      const recording = stream.endCapture();
      note(() => recording.order().nodes.map(({ name }) => name));
      const graph = recording.instantiate();
      module.dispose();
      note(() => stream.launch(kernel, ARGS(2), RAW));
      note(() => own.dispose());
      for (let i = 0; i < 3; i++) graph.launch(stream);
      note(read);
      graph.dispose();
      note(() => own.dispose());
    `);
    expect(seen).toEqual([
      [ENTRY],
      refusal('ERR_DISPOSED', /module is disposed/),
      refusal('ERR_DEVICE_BUSY', /Buffer 3 has its address in 1 graphs/),
      [7, 7],
      'none',
    ]);
  });

  it('is refused what its kernel or the device does not have, before the driver sees it', () => {
    const { seen, report } = script(`
      const module = device.loadModule({ path: at('plain.cubin') });
      const kernel = module.kernel('${ENTRY}');
      for (const options of [
        {}, { grid: [1, 1, 1] }, { ...RAW, grid: [1, 65536, 1] }, { ...RAW, block: [1024, 2, 1] }, { ...RAW, block: [1, 1, 65] },
        { ...RAW, grid: [0, 1, 1] }, { ...RAW, sharedBytes: 232449 }, { ...RAW, cluster: [2, 1, 1] }, { ...RAW, grid: [17, 1, 1], cluster: [17, 1, 1] },
      ]) note(() => stream.launch(kernel, ARGS(1), options));
      for (const args of [
        [values, { i64: 64n }, { i32: 1 }], [values, { i64: 64n }, { i64: 1n }, own], [values, { i64: 64n }, 1, own],
        [{ i32: 0 }, { i64: 64n }, { i32: 1 }, own], [values, { i64: 64n }, { i32: 2 ** 31 }, own], [{ buffer: values, offset: 65 }, { i64: 0n }, { i32: 1 }, own],
      ]) note(() => stream.launch(kernel, args, RAW));
      note(read);
    `);
    expect(seen).toEqual([
      refusal('ERR_LAUNCH_INVALID', /needs a grid/),
      refusal('ERR_LAUNCH_INVALID', /block of missing/, { field: 'block' }),
      refusal('ERR_LAUNCH_INVALID', /grid\.y is 65536; give 1 to 65535/, { field: 'grid', limit: 65535 }),
      refusal('ERR_LAUNCH_INVALID', /1024 \* 2 \* 1 threads is too large.*1024/, { actual: 2048, limit: 1024 }),
      refusal('ERR_LAUNCH_INVALID', /block\.z is 65; give 1 to 64/),
      refusal('ERR_LAUNCH_INVALID', /grid of \[0,1,1\]/, { field: 'grid' }),
      refusal('ERR_LAUNCH_INVALID', /232449 bytes of shared memory.*at most 232448/, { limit: 232448 }),
      refusal('ERR_LAUNCH_INVALID', /no whole number of clusters of 2 \* 1 \* 1/),
      refusal('ERR_LAUNCH_INVALID', /cluster\.x is 17/),
      refusal('ERR_LAUNCH_INVALID', /it has 4 parameters, 3 were given/, { needed: 4, actual: 3 }),
      refusal('ERR_LAUNCH_INVALID', /argument 2 has 4 bytes, 8 were given/, { argument: 2, needed: 4, actual: 8 }),
      refusal('ERR_LAUNCH_INVALID', /argument 2 is 1; give a buffer, \{ i32 \}/, { argument: 2 }),
      refusal('ERR_LAUNCH_INVALID', /argument 0 has 8 bytes, 4 were given/, { argument: 0 }),
      refusal('ERR_LAUNCH_INVALID', /argument 2 is \{ i32: 2147483648 \}, which is no i32/),
      refusal('ERR_LAUNCH_BOUNDS', /argument 0 begins at byte 65 of a buffer of 64/),
      [1, 1],
    ]);
    expect(report?.calls.cuLaunchKernel ?? 0).toBe(0);
  });

  it('is refused where it is none, ends early, is for something else or is not compiled', () => {
    const { seen } = script(
      `
      for (const name of ['cut.cubin', 'cpu.so', 'amd.hsaco', 'nowhere.cubin', 'old.ptx']) note(() => device.loadModule({ path: at(name) }));
      note(() => device.loadModule({ image: new Uint8Array([1, 2, 3]) }));
      note(() => device.loadModule({ path: at('plain.cubin') }).kernel('nothing'));
    `,
      {},
      ['a newer PTX', 'no such entry'],
    );
    expect(seen).toEqual([
      refusal('ERR_LAUNCH_INVALID', /cut\.cubin: it ends before its own headers say/),
      refusal('ERR_LAUNCH_INVALID', /shared library of kernels runs on the host device/),
      refusal('ERR_LAUNCH_INVALID', /gfx942|device of kind hip|is for a device of kind hip/),
      refusal('ERR_INPUT_INVALID', /nowhere\.cubin cannot be read/),
      refusal('ERR_LAUNCH_INVALID', /newer toolkit.*It says: PTX of version 9\.9/, { log: 'PTX of version 9.9' }),
      refusal('ERR_LAUNCH_INVALID', /neither a cubin nor a fatbin nor PTX/),
      refusal('ERR_LAUNCH_INVALID', /to find the kernel nothing in its image/),
    ]);
  });

  it('is refused on the host, which says what it runs', () => {
    const { seen } = script(
      `
      note(() => device.loadModule({ path: at('pair.json') }));
      note(() => device.loadModule({ image: readFileSync(at('plain.cubin')) }));
      note(() => stream.launch(device.loadModule().kernel('fill'), [values, 1, 4n], { grid: [1, 1, 1] }));
    `,
      { DEVICE: 'host' },
    );
    const words = /host device runs no image for a GPU: give it a shared library.*or open a device of kind cuda or hip/;
    expect(seen).toEqual([
      refusal('ERR_LAUNCH_INVALID', words),
      refusal('ERR_LAUNCH_INVALID', words),
      refusal('ERR_LAUNCH_INVALID', /fill finds its grid itself/),
    ]);
  });
});

describe("Triton's pair", () => {
  it.each(['pair.json', 'pair.cubin'])('by %s has block, shared and scratch memory of its own', (name) => {
    const { seen, report } = script(`
      const module = device.loadModule({ path: at('${name}') });
      const kernel = module.kernel('${ENTRY}');
      const args = [values, { i64: 64n }, { i32: 3 }];
      stream.launch(kernel, args, { grid: [2, 1, 1] });
      note(read);
      note(() => device.memory().allocatedBytes);
      stream.launch(kernel, args, { grid: [1, 1, 1] });
      note(() => device.memory().allocatedBytes);
      note(() => stream.launch(kernel, args, { grid: [1, 1, 1], block: [32, 1, 1] }));
      note(() => stream.launch(kernel, args));
      module.dispose();
      note(() => device.memory().allocatedBytes);
    `);
    expect(seen).toEqual([
      [4, 4],
      64 + 32 + 64,
      64 + 32 + 64,
      refusal('ERR_LAUNCH_INVALID', /has its block from its file/, { field: 'block' }),
      refusal('ERR_LAUNCH_INVALID', /needs a grid/),
      64 + 32,
    ]);
    expect(report?.calls).toMatchObject({ cuFuncSetAttribute: 1, cuLaunchKernel: 2 });
  });

  it('takes its scratch memory of a pool in a capture', () => {
    const { seen } = script(`
      const kernel = device.loadModule({ path: at('pair.json') }).kernel('${ENTRY}');
      const args = [values, { i64: 64n }, { i32: 3 }];
      const pool = device.createPool();
      stream.launch(kernel, args, { grid: [1, 1, 1], pool });
      stream.synchronizeSync();
      pool.reset();
      stream.beginCapture(pool);
      note(() => stream.launch(kernel, args, { grid: [1, 1, 1] }));
      stream.launch(kernel, args, { grid: [1, 1, 1], pool });
      const graph = stream.endCapture().instantiate();
      graph.launch(stream);
      note(read);
      note(() => graph.allocatedBytes);
    `);
    expect(seen).toEqual([
      refusal('ERR_DEVICE_CAPTURE', /32 bytes of scratch memory.*\{ pool \}/, { needed: 32 }),
      [7, 7],
      32,
    ]);
  });

  it('multiplies its grid by its clusters', () => {
    const { seen, report } = script(`
      const kernel = device.loadModule({ path: at('clusters.json') }).kernel('${ENTRY}');
      stream.launch(kernel, [values, { i64: 64n }, { i32: 3 }], { grid: [2, 1, 1] });
      note(read);
    `);
    expect(seen).toEqual([[4, 4]]);
    expect(report?.calls).toMatchObject({ cuFuncSetAttribute: 1, cuLaunchKernelEx: 1 });
  });

  it('is held against the card', () => {
    const { seen } = script(`
      for (const name of ['ampere', 'wide', 'amd', 'strange']) note(() => device.loadModule({ path: at(name + '.json') }));
    `);
    expect(seen).toEqual([
      refusal('ERR_LAUNCH_INVALID', /compiled for sm_80, this card is sm_90/, { target: 'sm_80', arch: 'sm_90' }),
      refusal('ERR_LAUNCH_INVALID', /warps of 64 threads, this card has 32/),
      refusal('ERR_LAUNCH_INVALID', /device of kind hip, this one is cuda/),
      refusal('ERR_INPUT_INVALID', /launch_sideways is not a field that is known/, { field: 'launch_sideways' }),
    ]);
  });
});

describe('a manifest', () => {
  it('gives names, bounds and the grid', () => {
    const { seen, report } = script(`
      const kernel = device.loadModule({ path: at('manifest.json') }).kernel('add');
      note(() => kernel.arguments.map(({ name, kind }) => name + ' ' + kind));
      stream.launch(kernel, [values, 64n, 5, own]);
      note(read);
      stream.launch(kernel, [values, { i64: 64n }, { i32: 5 }, own], { grid: [3, 1, 1] });
      note(read);
      stream.launch(kernel, [values, 0, 5, own]);
      note(() => stream.launch(kernel, [values, 64, 5, { buffer: own, offset: 4 }]));
      note(() => stream.launch(kernel, [{ buffer: values, offset: 2 }, 64, 5, own]));
      note(() => stream.launch(kernel, [values, 64, values, own]));
      note(() => stream.launch(kernel, [values, 64, { f32: 5 }, own]));
      note(() => stream.launch(kernel, [values, 64, 5]));
    `);
    expect(seen).toEqual([
      ['values inout', 'bytes i64', 'delta i32', 'own out'],
      [6, 6],
      [11, 11],
      refusal('ERR_LAUNCH_BOUNDS', /argument 3 \(own\) needs 32 bytes and has 28/, { needed: 32, actual: 28 }),
      refusal('ERR_LAUNCH_INVALID', /argument 0 \(values\) begins at byte 2; its elements are of 4 bytes/),
      refusal('ERR_LAUNCH_INVALID', /argument 2 \(delta\) is a scalar; a buffer was given/),
      refusal('ERR_LAUNCH_INVALID', /argument 2 \(delta\) is \{"f32":5\}; give i32/),
      refusal('ERR_LAUNCH_INVALID', /takes 4 arguments, 3 were given/),
    ]);
    expect(report?.calls.cuLaunchKernel).toBe(2);
  });
});
