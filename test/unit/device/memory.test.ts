import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Device } from '../../../dist/device/index.js';
import { openDevice } from '../../../dist/device/open-device.js';
import { errorOf, onHost, POISON, readI32, TEST_DEVICE } from '../../support/device-fixture.js';

let device: Device;

beforeEach(() => {
  device = openDevice({ device: TEST_DEVICE, memoryLimit: 4096 });
});

afterEach(() => device.dispose());

describe('accounting', () => {
  it('counts buffers, the peak, and what is left of the limit', () => {
    const first = device.allocate(3000);
    const second = device.allocate(1000);
    const error = errorOf('ERR_DEVICE_MEMORY', () => device.allocate(97));
    expect(error.details).toEqual({ needed: 97, available: 96, limit: 4096 });
    first.dispose();
    expect(device.memory()).toEqual({
      allocatedBytes: 1000,
      peakBytes: 4000,
      limitBytes: 4096,
      buffers: 1,
      graphs: 0,
      graphBytes: 0,
    });
    second.dispose();
    expect(device.memory()).toMatchObject({ allocatedBytes: 0, buffers: 0 });
  });

  onHost('counts graphs, and what they bake, against the limit', () => {
    const stream = device.createStream();
    const buffer = device.allocate(2000);
    stream.beginCapture();
    stream.upload(buffer, 0, new Uint8Array(1000));
    const graph = stream.endCapture().instantiate();
    expect(graph.bytes).toBeGreaterThan(1000);
    expect(device.memory()).toMatchObject({
      allocatedBytes: 2000 + graph.bytes,
      graphs: 1,
      graphBytes: graph.bytes,
    });
    stream.beginCapture();
    stream.upload(buffer, 0, new Uint8Array(1000));
    const recording = stream.endCapture();
    errorOf('ERR_DEVICE_MEMORY', () => recording.instantiate());
    expect(stream.capturing).toBe(false);
    graph.dispose();
    recording.instantiate().dispose();
    buffer.dispose();
    expect(device.memory()).toMatchObject({ allocatedBytes: 0, buffers: 0, graphs: 0, graphBytes: 0 });
  });

  it('gives memory back when queued work no longer needs it', () => {
    const stream = device.createStream();
    const kernel = device.loadModule().kernel('fill');
    for (let round = 0; round < 500; round++) {
      const buffer = device.allocate(4096);
      stream.launch(kernel, [buffer, round, 1024]);
      buffer.dispose();
      stream.synchronizeSync();
    }
    expect(device.memory()).toMatchObject({ allocatedBytes: 0, peakBytes: 4096, buffers: 0 });
  });

  onHost('is zero after dispose, whatever was alive', () => {
    const stream = device.createStream();
    const buffer = device.allocate(512);
    device.createEvent();
    const fill = device.loadModule().kernel('fill');
    stream.beginCapture();
    stream.launch(fill, [buffer, 1, 1]);
    stream.endCapture().instantiate().launch(stream);
    stream.beginCapture();
    device.dispose();
    expect(device.memory()).toMatchObject({ allocatedBytes: 0, buffers: 0, graphs: 0, graphBytes: 0 });
  });

  onHost('tells V8 of the bytes, so that forgotten buffers are collected before they pile up', async () => {
    const unlimited = openDevice({ device: TEST_DEVICE });
    let alive = 0;
    for (let i = 0; i < 60; i++) {
      unlimited.allocate(16 << 20);
      alive = Math.max(alive, unlimited.memory().buffers);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(alive).toBeLessThan(60);
    unlimited.dispose();
  });
});

it('refuses what the machine does not have, without touching it', () => {
  const unlimited = openDevice({ device: TEST_DEVICE });
  for (const bytes of [2 ** 44, 2 ** 52, Number.MAX_SAFE_INTEGER]) {
    const error = errorOf('ERR_DEVICE_MEMORY', () => unlimited.allocate(bytes));
    expect(error.details.needed).toBe(bytes);
  }
  expect(unlimited.memory()).toMatchObject({ allocatedBytes: 0, buffers: 0 });
  unlimited.dispose();
});

it('poisons memory, anew for each buffer', () => {
  const stream = device.createStream();
  for (let round = 0; round < 3; round++) {
    const buffer = device.allocate(64);
    expect(readI32(stream, buffer)).toEqual(new Array(16).fill(POISON));
    stream.upload(buffer, 0, new Int32Array(16).fill(1));
    stream.synchronizeSync();
    buffer.dispose();
  }
});

it('never gives an id twice', () => {
  const ids = new Set<number>();
  for (let i = 0; i < 100; i++) {
    for (const object of [device.allocate(4), device.createEvent()]) {
      expect(ids.has(object.id)).toBe(false);
      ids.add(object.id);
      object.dispose();
    }
  }
});

// Node has Float16Array from version 24 on.
const KINDS = ['Int8', 'Uint8', 'Uint8Clamped', 'Int16', 'Uint16', 'Float16', 'Int32', 'Uint32', 'Float32', 'Float64']
  .concat('BigInt64', 'BigUint64')
  .map((kind) => Reflect.get(globalThis, `${kind}Array`) as Uint8ArrayConstructor | undefined)
  .filter((kind) => kind !== undefined);

it.each(KINDS)('takes and gives every byte of a %o', (Kind) => {
  const stream = device.createStream();
  const buffer = device.allocate(64);
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
  const view = () => new Kind(new Uint8Array(64).buffer, 16, 32 / Kind.BYTES_PER_ELEMENT);
  const [source, into] = [view(), view()];
  new Uint8Array(source.buffer).set(bytes, 16);
  stream.upload(buffer, 8, source);
  stream.downloadSync(buffer, 8, into);
  expect(new Uint8Array(into.buffer, 16, 32)).toEqual(bytes);
  expect(readI32(stream, buffer).map((word) => word === POISON)).toEqual(
    Array.from({ length: 16 }, (_, word) => word < 2 || word >= 10),
  );
});
