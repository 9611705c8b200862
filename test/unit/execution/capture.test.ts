import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Device, DeviceBuffer, DeviceModule, DeviceStream } from '../../../dist/device/index.js';
import { openDevice } from '../../../dist/device/open-device.js';
import { bufferOf, errorOf, POISON, readI32, TEST_DEVICE } from '../../support/device-fixture.js';

let device: Device;
let stream: DeviceStream;
let module: DeviceModule;
/** Allocated before the capture. */
let held: DeviceBuffer;

beforeEach(() => {
  device = openDevice({ device: TEST_DEVICE });
  stream = device.createStream();
  module = device.loadModule();
});

afterEach(() => device.dispose());

describe('one stream', () => {
  it('records instead of running, and a replay reads what the buffers hold then', () => {
    const source = bufferOf(device, stream, new Int32Array([1]));
    const target = device.allocate(4);
    stream.beginCapture();
    stream.launch(module.kernel('copy'), [source, target, 4]);
    const graph = stream.endCapture().instantiate();
    expect(graph.nodes).toBe(1);
    expect(readI32(stream, target)).toEqual([POISON]);
    for (const value of [5, 6]) {
      stream.upload(source, 0, new Int32Array([value]));
      graph.launch(stream);
      expect(readI32(stream, target)).toEqual([value]);
    }
  });

  it('bakes scalars and uploaded bytes', () => {
    const buffer = device.allocate(8);
    const bytes = new Int32Array([3]);
    let count = 1;
    stream.beginCapture();
    stream.launch(module.kernel('fill'), [{ buffer, offset: 4 }, 4, count]);
    stream.upload(buffer, 0, bytes);
    const graph = stream.endCapture().instantiate();
    bytes[0] = 99;
    count = 2;
    graph.launch(stream);
    expect(readI32(stream, buffer)).toEqual([3, 4]);
  });

  it('replays on a stream other than the one it was captured on', () => {
    const buffer = device.allocate(4);
    stream.beginCapture();
    stream.launch(module.kernel('fill'), [buffer, 8, 1]);
    const graph = stream.endCapture().instantiate();
    const other = device.createStream();
    graph.launch(other);
    expect(readI32(other, buffer)).toEqual([8]);
  });

  it('makes an empty graph of nothing', () => {
    stream.beginCapture();
    const graph = stream.endCapture().instantiate();
    expect(graph.nodes).toBe(0);
    graph.launch(stream);
    stream.synchronizeSync();
  });

  it('lets a graph be disposed while its replay is queued', () => {
    const buffer = device.allocate(4);
    stream.beginCapture();
    stream.launch(module.kernel('fill'), [buffer, 2, 1]);
    const graph = stream.endCapture().instantiate();
    for (let i = 0; i < 100; i++) graph.launch(stream);
    graph.dispose();
    expect(readI32(stream, buffer)).toEqual([2]);
    errorOf('ERR_DISPOSED', () => graph.launch(stream));
    buffer.dispose();
  });

  it('refuses to dispose a buffer that a graph or a capture holds, until that is gone', () => {
    const buffer = device.allocate(4);
    stream.beginCapture();
    stream.launch(module.kernel('fill'), [buffer, 2, 1]);
    errorOf('ERR_DEVICE_BUSY', () => buffer.dispose());
    const graph = stream.endCapture().instantiate();
    expect(errorOf('ERR_DEVICE_BUSY', () => buffer.dispose()).details).toEqual({ buffer: buffer.id, graphs: 1 });
    graph.dispose();
    buffer.dispose();
  });

  it.each<[string, (stream: DeviceStream) => unknown]>([
    ['a second beginCapture', (s) => s.beginCapture()],
    ['query', (s) => s.query()],
    ['synchronizeSync', (s) => s.synchronizeSync()],
    ['submit', (s) => s.submit(0)],
    ['downloadSync', (s) => s.downloadSync(held, 0, new Int32Array(1))],
    ['waiting for an event of before the capture', (s) => s.wait(device.createEvent())],
  ])('refuses %s while capturing', (_, misuse) => {
    device.bindArena(new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer));
    held = device.allocate(4);
    stream.beginCapture();
    errorOf('ERR_DEVICE_CAPTURE', () => misuse(stream));
    expect(stream.capturing).toBe(true);
    stream.endCapture();
    expect(stream.capturing).toBe(false);
    stream.synchronizeSync();
  });

  it('refuses endCapture without a begin, and launching a graph in a capture', () => {
    errorOf('ERR_DEVICE_CAPTURE', () => stream.endCapture());
    stream.beginCapture();
    const graph = stream.endCapture().instantiate();
    stream.beginCapture();
    errorOf('ERR_DEVICE_CAPTURE', () => graph.launch(stream));
  });

  it('drops the capture of a stream that is disposed', () => {
    const buffer = device.allocate(4);
    stream.beginCapture();
    stream.launch(module.kernel('fill'), [buffer, 2, 1]);
    stream.dispose();
    buffer.dispose();
    expect(device.memory()).toMatchObject({ allocatedBytes: 0, buffers: 0, graphs: 0 });
  });
});

describe('fork and join', () => {
  it('captures a second stream between an event it waits for and one that is waited for', () => {
    const side = device.createStream();
    const forked = device.createEvent();
    const joined = device.createEvent();
    const buffer = device.allocate(12);
    stream.beginCapture();
    stream.launch(module.kernel('fill'), [buffer, 1, 3]);
    stream.record(forked);
    side.wait(forked);
    expect(side.capturing).toBe(true);
    side.launch(module.kernel('fill'), [{ buffer, offset: 4 }, 2, 2]);
    side.record(joined);
    stream.wait(joined);
    stream.launch(module.kernel('fill'), [{ buffer, offset: 8 }, 3, 1]);
    const graph = stream.endCapture().instantiate();
    expect([graph.nodes, side.capturing]).toEqual([3, false]);
    expect(readI32(stream, buffer)).toEqual([POISON, POISON, POISON]);
    graph.launch(stream);
    expect(readI32(stream, buffer)).toEqual([1, 2, 3]);
  });

  it('refuses to end while work of a stream that joined is not waited for', () => {
    const side = device.createStream();
    const event = device.createEvent();
    stream.beginCapture();
    stream.record(event);
    side.wait(event);
    errorOf('ERR_DEVICE_CAPTURE', () => side.endCapture());
    expect(errorOf('ERR_DEVICE_CAPTURE', () => stream.endCapture()).details).toEqual({ stream: side.id });
    expect([stream.capturing, side.capturing]).toEqual([false, false]);
    expect(device.memory().graphs).toBe(0);
  });

  it('lets nobody outside wait for an event of a capture', () => {
    const event = device.createEvent();
    stream.beginCapture();
    stream.record(event);
    expect(errorOf('ERR_DEVICE_CAPTURE', () => event.query()).message).toMatch('a capture under way');
    const other = device.createStream();
    other.beginCapture();
    errorOf('ERR_DEVICE_CAPTURE', () => other.wait(event));
    other.endCapture();
    stream.endCapture();
    errorOf('ERR_DEVICE_CAPTURE', () => other.wait(event));
    expect(errorOf('ERR_DEVICE_CAPTURE', () => event.query()).message).toMatch('a capture that has ended; record it');
    stream.record(event);
    other.wait(event);
    event.synchronizeSync();
  });

  it('ends for all when a stream that joined is disposed', () => {
    const side = device.createStream();
    const event = device.createEvent();
    stream.beginCapture();
    stream.record(event);
    side.wait(event);
    side.dispose();
    expect(stream.capturing).toBe(false);
    errorOf('ERR_DEVICE_CAPTURE', () => stream.endCapture());
  });
});
