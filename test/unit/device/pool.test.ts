import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Device, DeviceGraph, DeviceModule, DevicePool, DeviceStream } from '../../../dist/device/index.js';
import { openDevice } from '../../../dist/device/open-device.js';
import { bufferOf, errorOf, onHost, readI32, TEST_DEVICE } from '../../support/device-fixture.js';
import { buildTestKernels } from '../../support/test-kernels.js';

let library: ReturnType<typeof buildTestKernels> | undefined;
let device: Device;
let stream: DeviceStream;
let module: DeviceModule;
let pool: DevicePool;

beforeAll(() => {
  // Only the host loads it, and only there has to be a compiler.
  if (TEST_DEVICE === 'host') library = buildTestKernels();
});
afterAll(() => library?.remove());

beforeEach(() => {
  device = openDevice({ device: TEST_DEVICE });
  stream = device.createStream();
  module = device.loadModule();
  pool = device.createPool();
});
afterEach(() => device.dispose());

/** Kernels over pieces of these sizes, warmed up and captured as a key's are. */
function captured(...sizes: number[]): DeviceGraph {
  const launch = (): void => {
    pool.reset();
    for (const bytes of sizes) stream.launch(module.kernel('fill'), [pool.take(bytes), bytes, 1]);
  };
  launch();
  pool.reset();
  stream.beginCapture(pool);
  launch();
  return stream.endCapture().instantiate();
}

it('gives pieces of one buffer, 256-byte aligned, and the same ones after a reset', () => {
  pool.take(2000);
  pool.reset();
  const pieces = [1, 300, 256].map((bytes) => pool.take(bytes));
  expect(pieces.map(({ offset }) => offset)).toEqual([0, 256, 768]);
  expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBe(1);
  pool.reset();
  expect([1, 300, 256].map((bytes) => pool.take(bytes).offset)).toEqual([0, 256, 768]);
  expect([pool.allocatedBytes, pool.reservedBytes]).toEqual([1024, 2000]);
});

it('is reserved by the largest key for all: what it reserves is its high-water mark, no sum over keys', () => {
  const graphs = [captured(3000, 1000), captured(2000), captured(4000), captured(5000)];
  expect(graphs.map(({ allocatedBytes }) => allocatedBytes)).toEqual([4072, 2000, 4000, 5000]);
  expect(graphs.map(({ reservedBytes }) => reservedBytes)).toEqual([4072, 0, 0, 928]);
  expect(pool.reservedBytes).toBe(5000);
});

it('counts the pieces of one key one after the other', () => {
  pool.take(1024);
  pool.reset();
  const graphs = [512, 256].map((bytes) => {
    stream.beginCapture(pool);
    stream.launch(module.kernel('fill'), [pool.take(bytes), 1, 1]);
    return stream.endCapture().instantiate();
  });
  expect(graphs.map((graph) => [graph.reservedBytes, graph.allocatedBytes])).toEqual([
    [1024, 512],
    [0, 256],
  ]);
});

it('allocates nothing in a capture: one that takes more than its warm-up is refused', () => {
  pool.take(100);
  pool.reset();
  stream.beginCapture(pool);
  const error = errorOf('ERR_DEVICE_CAPTURE', () => pool.take(101));
  expect(error.details).toEqual({ pool: pool.id, needed: 101, actual: 100 });
  pool.take(100);
  stream.endCapture().instantiate();
  pool.reset();
  pool.take(101);
});

it('grows without taking the memory from graphs that hold it', () => {
  pool.take(8);
  pool.reset();
  stream.beginCapture(pool);
  const small = pool.take(8);
  stream.launch(module.kernel('fill'), [small, 1, 2]);
  const graph = stream.endCapture().instantiate();
  pool.reset();
  expect(pool.take(1 << 16).buffer).not.toBe(small.buffer);
  graph.launch(stream);
  expect(readI32(stream, small.buffer)).toEqual([1, 1]);
  errorOf('ERR_DEVICE_BUSY', () => small.buffer.dispose());
});

onHost('has one graph in flight: on a second stream it is refused until the first is through', () => {
  const flag = bufferOf(device, stream, new Int32Array([0]));
  const graphs = [captured(64), captured(64)];
  stream.beginCapture();
  const without = stream.endCapture().instantiate();
  stream.synchronizeSync();
  const held = device.createStream();
  held.launch(device.loadModule({ path: library?.path ?? 'none was built' }).kernel('await_flag'), [flag]);
  graphs[0]?.launch(held);
  graphs[1]?.launch(held);
  const error = errorOf('ERR_DEVICE_BUSY', () => graphs[1]?.launch(stream));
  expect(error.details).toEqual({ pool: pool.id, stream: held.id });
  device.bindArena(new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer));
  without.launch(stream);
  stream.upload(flag, 0, new Int32Array([1]));
  held.synchronizeSync();
  graphs[1]?.launch(stream);
  stream.synchronizeSync();
});

onHost('has one graph in flight also by command block', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const words = new Int32Array(memory.buffer);
  const flag = bufferOf(device, stream, new Int32Array([0]));
  const graph = captured(64);
  stream.synchronizeSync();
  device.bindArena(new Uint8Array(memory.buffer));
  const held = device.createStream();
  held.launch(device.loadModule({ path: library?.path ?? 'none was built' }).kernel('await_flag'), [flag]);
  words.set([1]);
  words.set([3, graph.id], 8);
  held.submit(0);
  errorOf('ERR_DEVICE_BUSY', () => stream.submit(0));
  stream.upload(flag, 0, new Int32Array([1]));
  held.synchronizeSync();
  stream.submit(0);
  stream.synchronizeSync();
});

it('is freed when it is disposed and no graph holds it', () => {
  const graph = captured(64);
  errorOf('ERR_DEVICE_BUSY', () => pool.dispose());
  graph.dispose();
  pool.dispose();
  stream.synchronizeSync();
  expect(device.memory().allocatedBytes).toBe(0);
  expect(() => stream.beginCapture({} as DevicePool)).toThrow(/pool/);
});
