import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Device, DeviceBuffer, DeviceModule, DeviceStream } from '../../../dist/device/index.js';
import { openDevice } from '../../../dist/device/open-device.js';
import { root } from '../../support/cli.js';
import { errorOf, POISON, readI32, TEST_DEVICE } from '../../support/device-fixture.js';

let device: Device;
let stream: DeviceStream;
let kernels: DeviceModule;
let whole: DeviceBuffer;

beforeEach(() => {
  device = openDevice({ device: TEST_DEVICE });
  stream = device.createStream();
  kernels = device.loadModule();
  whole = device.allocate(64);
});
afterEach(() => device.dispose());

const fill = (buffer: DeviceBuffer, value: number, count: number): void =>
  stream.launch(kernels.kernel('fill'), [buffer, value, count]);

it('is a part of its buffer, and no more', () => {
  const range = whole.range(16, 8);
  expect([range.bytes, range.id === whole.id]).toEqual([8, false]);
  fill(range, 5, 2);
  stream.upload(range, 4, new Int32Array([6]));
  expect(readI32(stream, whole).slice(3, 7)).toEqual([POISON, 5, 6, POISON]);
  expect(readI32(stream, range)).toEqual([5, 6]);
  const error = errorOf('ERR_LAUNCH_BOUNDS', () => fill(range, 5, 3));
  expect(error.details).toMatchObject({ needed: 12, actual: 8 });
  errorOf('ERR_LAUNCH_BOUNDS', () => stream.upload(range, 8, new Int32Array([6])));
});

it('can be of a range', () => {
  const inner = whole.range(16, 32).range(16, 4);
  fill(inner, 9, 1);
  expect(readI32(stream, whole)[8]).toBe(9);
});

it.each([
  ['ERR_LAUNCH_BOUNDS', 48, 17],
  ['ERR_LAUNCH_BOUNDS', 80, 1],
  ['ERR_LAUNCH_BOUNDS', 16, Number.MAX_SAFE_INTEGER],
  ['ERR_INPUT_INVALID', -16, 4],
  ['ERR_INPUT_INVALID', 8, 4],
  ['ERR_INPUT_INVALID', 0, 0],
  ['ERR_INPUT_INVALID', 0.5, 4],
] as const)('%s: from byte %d, %d bytes', (code, offset, bytes) => {
  errorOf(code, () => whole.range(offset, bytes));
  expect(device.memory().buffers).toBe(1);
});

it('keeps its buffer, which is disposed of after it', () => {
  const ranges = [whole.range(0, 16), whole.range(16, 16)];
  expect(errorOf('ERR_DEVICE_BUSY', () => whole.dispose()).details).toMatchObject({ ranges: 2 });
  ranges[0].dispose();
  errorOf('ERR_DEVICE_BUSY', () => whole.dispose());
  ranges[1].dispose();
  errorOf('ERR_DISPOSED', () => ranges[1].range(0, 4));
  whole.dispose();
  errorOf('ERR_DISPOSED', () => whole.range(0, 4));
  stream.synchronizeSync();
  expect(device.memory()).toMatchObject({ allocatedBytes: 0, buffers: 0 });
});

it('is baked into graphs, and its buffer with it', () => {
  const range = whole.range(32, 16);
  stream.beginCapture();
  fill(range, 3, 4);
  const graph = stream.endCapture().instantiate();
  errorOf('ERR_DEVICE_BUSY', () => range.dispose());
  errorOf('ERR_DEVICE_BUSY', () => whole.dispose());
  stream.launchGraph(graph);
  expect(readI32(stream, range)).toEqual([3, 3, 3, 3]);
  graph.dispose();
  range.dispose();
  whole.dispose();
  stream.synchronizeSync();
  expect(device.memory().allocatedBytes).toBe(0);
});

it('frees its memory once the work that used a range is through', () => {
  const range = whole.range(0, 64);
  fill(range, 1, 16);
  range.dispose();
  whole.dispose();
  stream.synchronizeSync();
  expect(device.memory().allocatedBytes).toBe(0);
});

it('of a range of a range, however deep, is freed without a chain of frees', () => {
  // Each level took a frame of the native stack, of which 200,000 do not fit in 8 MB.
  const nest = [
    "import { openDevice } from './dist/index.js';",
    `const device = openDevice({ device: '${TEST_DEVICE}' });`,
    'let range = device.allocate(64);',
    'for (let i = 0; i < 200_000; i++) range = range.range(0, 64);',
    'range = undefined;',
    'for (let i = 0; i < 100 && device.memory().buffers > 0; i++) {',
    '  globalThis.gc();',
    '  await new Promise((done) => setTimeout(done, 10));',
    '}',
    'console.log(device.memory().buffers);',
  ];
  const options = ['--expose-gc', '--input-type=module', '--eval', nest.join('\n')];
  const { status, signal, stdout } = spawnSync(process.execPath, options, { cwd: root, encoding: 'utf8' });
  expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: '0\n' });
});
