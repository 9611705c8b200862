import { execFileSync } from 'node:child_process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Device, DeviceBuffer, DeviceModule, DeviceStream } from '../../../dist/device/index.js';
import { openDevice } from '../../../dist/device/open-device.js';
import { bufferOf, describeOnHost, errorOf, readI32, TEST_DEVICE } from '../../support/device-fixture.js';
import { buildNativeProgram } from '../../support/native-program.js';
import { buildTestKernels } from '../../support/test-kernels.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Collects garbage and lets finalizers run: this Node calls them from the event loop, older ones in the collection. */
async function collect(): Promise<void> {
  gc();
  await new Promise((resolve) => setImmediate(resolve));
}

let device: Device;
let stream: DeviceStream;
let module: DeviceModule;

beforeEach(() => {
  device = openDevice({ device: TEST_DEVICE });
  stream = device.createStream();
  module = device.loadModule();
});

afterEach(() => device.dispose());

describe('while any stream of the device captures, it refuses', () => {
  it.each<[string, string, (made: Made) => unknown]>([
    ['to allocate', 'Allocating a buffer', () => device.allocate(4)],
    ['to free', 'Disposing a buffer', ({ buffer }) => buffer.dispose()],
    ['to load a module', 'Loading a module', () => device.loadModule()],
    ['to unload a module', 'Unloading a module', ({ loaded }) => loaded.dispose()],
    ['to dispose a graph', 'Disposing a graph', ({ graph }) => graph.dispose()],
    ['to make a graph of a recording', 'Instantiating a graph', ({ recording }) => recording.instantiate()],
    ['a copy to the host', 'A download', ({ buffer, other }) => other.downloadSync(buffer, 0, new Int32Array(1))],
    ['to bind an arena', 'Binding an arena', () => device.bindArena(new Uint8Array(new SharedArrayBuffer(64)))],
  ])('%s', (_, what, misuse) => {
    const made = make();
    stream.beginCapture();
    const error = errorOf('ERR_DEVICE_CAPTURE', () => misuse(made));
    expect(error.message).toBe(`${what} is not possible while stream ${stream.id} captures; end the capture first.`);
    expect(error.details).toEqual({ stream: stream.id });
    // Refused in time: the capture is as good as before, and what was refused is possible after it.
    stream.endCapture().instantiate();
    misuse(made);
  });

  it('another capture’s event, and goes on', () => {
    const other = device.createStream();
    const event = device.createEvent();
    other.beginCapture();
    other.record(event);
    stream.beginCapture();
    errorOf('ERR_DEVICE_CAPTURE', () => stream.wait(event));
    const recordings = [stream, other].map((capturing) => capturing.endCapture());
    for (const recording of recordings) recording.instantiate();
  });

  interface Made {
    readonly buffer: DeviceBuffer;
    readonly loaded: DeviceModule;
    readonly graph: ReturnType<ReturnType<DeviceStream['endCapture']>['instantiate']>;
    readonly recording: ReturnType<DeviceStream['endCapture']>;
    readonly other: DeviceStream;
  }

  function make(): Made {
    const record = (): ReturnType<DeviceStream['endCapture']> => {
      stream.beginCapture();
      return stream.endCapture();
    };
    return {
      buffer: device.allocate(4),
      loaded: device.loadModule(),
      graph: record().instantiate(),
      recording: record(),
      other: device.createStream(),
    };
  }
});

describe('a recording', () => {
  it('becomes a graph once', () => {
    stream.beginCapture();
    const recording = stream.endCapture();
    recording.instantiate();
    errorOf('ERR_DISPOSED', () => recording.instantiate());
  });

  it('holds what it bakes until it is disposed or its graph is', () => {
    const buffer = device.allocate(4);
    stream.beginCapture();
    stream.launch(module.kernel('fill'), [buffer, 1, 1]);
    const recording = stream.endCapture();
    errorOf('ERR_DEVICE_BUSY', () => buffer.dispose());
    recording.dispose();
    errorOf('ERR_DISPOSED', () => recording.instantiate());
    buffer.dispose();
  });

  it('is dropped by abandonCapture', () => {
    const buffer = device.allocate(4);
    stream.beginCapture();
    stream.launch(module.kernel('fill'), [buffer, 1, 1]);
    stream.abandonCapture();
    expect(stream.capturing).toBe(false);
    buffer.dispose();
    errorOf('ERR_DEVICE_CAPTURE', () => stream.abandonCapture());
  });
});

describe('garbage', () => {
  /** A buffer, a graph over another, a module and an event that were used and nobody holds any more. */
  function forget(value: number): void {
    const buffer = bufferOf(device, stream, new Int32Array([value]));
    const scratch = device.allocate(4);
    const loaded = device.loadModule();
    stream.beginCapture();
    stream.launch(loaded.kernel('fill'), [scratch, value, 1]);
    stream.endCapture().instantiate().launch(stream);
    stream.launch(loaded.kernel('copy'), [buffer, buffer, 4]);
    stream.record(device.createEvent());
  }

  it('that is collected between any two calls of a capture is freed after it, and the capture is whole', async () => {
    const target = device.allocate(16);
    const other = device.createStream();
    const forked = device.createEvent();
    const joined = device.createEvent();
    const [fill, copy] = ['fill', 'copy'].map((name) => module.kernel(name));
    for (let i = 0; i < 8; i++) forget(i);
    stream.synchronizeSync();
    const before = device.memory();
    const calls: (() => void)[] = [
      () => stream.launch(fill, [target, 7, 2]),
      () => stream.record(forked),
      () => other.wait(forked),
      () => other.upload(target, 8, new Int32Array([8])),
      () => other.record(joined),
      () => stream.wait(joined),
      () => stream.launch(copy, [target, { buffer: target, offset: 12 }, 4]),
    ];
    stream.beginCapture();
    for (const call of calls) {
      await collect();
      call();
      await collect();
    }
    // The JS objects are gone, and their memory is not: it is retired.
    const inside = device.memory();
    expect(inside.buffers).toBeLessThan(before.buffers - 8);
    expect(inside.graphs).toBe(0);
    expect(inside.allocatedBytes).toBe(before.allocatedBytes);
    const recording = stream.endCapture();
    expect(device.memory().allocatedBytes).toBe(target.bytes);
    await collect();
    const graph = recording.instantiate();
    await collect();
    graph.launch(stream);
    expect(readI32(stream, target)).toEqual([7, 7, 8, 7]);
  });
});

describeOnHost('what is let go while work uses it', () => {
  let library: ReturnType<typeof buildTestKernels>;
  beforeAll(() => {
    library = buildTestKernels();
  });
  afterAll(() => library.remove());

  it('is freed after the mark that last used it, and not before', () => {
    const flag = bufferOf(device, stream, new Int32Array([0]));
    const result = device.allocate(4);
    stream.synchronizeSync();
    const held = device.createStream();
    held.launch(device.loadModule({ path: library.path }).kernel('await_flag'), [flag]);
    const [used, unused] = [device.allocate(1 << 20), device.allocate(1 << 20)];
    held.launch(module.kernel('fill'), [used, 5, 4]);
    held.launch(module.kernel('copy'), [used, result, 4]);
    const { allocatedBytes } = device.memory();
    used.dispose();
    unused.dispose();
    expect(device.memory().allocatedBytes).toBe(allocatedBytes - (1 << 20));
    // Were it free, it could be given away and be written to.
    device.allocate(1 << 20);
    stream.upload(flag, 0, new Int32Array([1]));
    held.synchronizeSync();
    expect(device.memory().allocatedBytes).toBe(allocatedBytes - (1 << 20));
    expect(readI32(stream, result)).toEqual([5]);
  });

  it('is a buffer of a graph, which is freed after the graph’s last replay', () => {
    const flag = bufferOf(device, stream, new Int32Array([0]));
    stream.synchronizeSync();
    const held = device.createStream();
    held.launch(device.loadModule({ path: library.path }).kernel('await_flag'), [flag]);
    const baked = device.allocate(1 << 20);
    stream.beginCapture();
    stream.launch(module.kernel('fill'), [baked, 5, 4]);
    const graph = stream.endCapture().instantiate();
    graph.launch(held);
    graph.dispose();
    baked.dispose();
    expect(device.memory().allocatedBytes).toBeGreaterThan(1 << 20);
    stream.upload(flag, 0, new Int32Array([1]));
    held.synchronizeSync();
    expect(device.memory().allocatedBytes).toBe(flag.bytes);
  });

  it('is an event that is recorded again: who waits for it goes on waiting for the record before', async () => {
    const [first, second] = [0, 0].map((value) => bufferOf(device, stream, new Int32Array([value])));
    stream.synchronizeSync();
    const awaitFlag = device.loadModule({ path: library.path }).kernel('await_flag');
    const [one, two] = [device.createStream(), device.createStream()];
    const event = device.createEvent();
    one.launch(awaitFlag, [first]);
    one.record(event);
    const waiting = event.synchronize({ timeoutMs: 20_000 });
    two.launch(awaitFlag, [second]);
    two.record(event);
    // Past the slice in which the first record was looked at.
    await new Promise((resolve) => setTimeout(resolve, 120));
    stream.upload(first, 0, new Int32Array([1]));
    await waiting;
    expect(event.query()).toBe(false);
    stream.upload(second, 0, new Int32Array([1]));
    event.synchronizeSync();
  });
});

describeOnHost('below the rules of core, the host backend', () => {
  let program: ReturnType<typeof buildNativeProgram>;
  beforeAll(() => {
    program = buildNativeProgram('capture-orders.cc');
  });
  afterAll(() => program.remove());

  const run = (order: string): string[] =>
    execFileSync(program.path, [order], { encoding: 'utf8' }).trimEnd().split('\n');
  const lost =
    'ERR_DEVICE_CAPTURE: The capture is lost: something was allocated or freed in it. Do so before it begins or after its end.';

  it.each(['free memory', 'unload a module', 'destroy a graph'])(
    'loses a capture in which somebody does: %s',
    (order) => {
      expect(run(order)).toEqual([lost, 'done']);
    },
  );

  it.each(['allocate', 'load a module', 'instantiate'])('refuses, and loses the capture: %s', (order) => {
    expect(run(order)).toEqual([expect.stringMatching(/^ERR_DEVICE_CAPTURE: .* is not possible in a capture/), lost]);
  });

  it('is ended by the thread that began to capture, and by no other', () => {
    expect(run('end on another thread')).toEqual([
      expect.stringMatching(/^ERR_DEVICE_CAPTURE: The capture of stream \d+ was begun on another thread/),
      'done',
    ]);
  });

  it('is given one operation for a block table, whatever the number of its edits', () => {
    expect(run('count table edits')).toEqual(['operation 4 with 250 edits']);
  });
});
