import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Device, DeviceBuffer, DeviceModule, DeviceStream } from '../../../dist/device/index.js';
import { openDevice } from '../../../dist/device/open-device.js';
import { bufferOf, errorOf, readI32, rejectionOf } from '../../support/device-fixture.js';
import { buildTestKernels } from '../../support/test-kernels.js';

let library: ReturnType<typeof buildTestKernels>;
let device: Device;
let builtin: DeviceModule;
let tests: DeviceModule;
let flag: DeviceBuffer;
let opener: DeviceStream;

/** A stream that does nothing until `open()`. */
function heldStream(): DeviceStream {
  const stream = device.createStream();
  stream.launch(tests.kernel('await_flag'), [flag]);
  return stream;
}

function open(): void {
  opener.upload(flag, 0, new Int32Array([1]));
}

beforeAll(() => {
  library = buildTestKernels();
});
afterAll(() => library.remove());

beforeEach(() => {
  device = openDevice({ device: 'host' });
  builtin = device.loadModule();
  tests = device.loadModule({ path: library.path });
  opener = device.createStream();
  flag = bufferOf(device, opener, new Int32Array([0]));
  opener.synchronizeSync();
});
afterEach(() => device.dispose());

describe('order', () => {
  it('holds later work of another stream until the event is reached', () => {
    const producer = heldStream();
    const consumer = device.createStream();
    const event = device.createEvent();
    const value = bufferOf(device, opener, new Int32Array([1]));
    const seen = device.allocate(4);
    opener.synchronizeSync();
    producer.launch(builtin.kernel('fill'), [value, 2, 1]);
    producer.record(event);
    consumer.wait(event);
    consumer.launch(builtin.kernel('copy'), [value, seen, 4]);
    expect([producer.query(), consumer.query(), event.query()]).toEqual([false, false, false]);
    open();
    expect(readI32(consumer, seen)).toEqual([2]);
    expect(event.query()).toBe(true);
  });

  it('waits for the record before the wait, not for a later one', () => {
    const event = device.createEvent();
    opener.record(event);
    const consumer = device.createStream();
    consumer.wait(event);
    const held = heldStream();
    held.record(event);
    consumer.synchronizeSync();
    expect(event.query()).toBe(false);
    open();
    event.synchronizeSync();
  });

  it('keeps the order of many commands on one stream, beyond the first size of its queue', () => {
    const stream = heldStream();
    const buffer = device.allocate(4);
    for (let i = 0; i < 1000; i++) stream.launch(builtin.kernel('fill'), [buffer, i, 1]);
    open();
    expect(readI32(stream, buffer)).toEqual([999]);
  });

  it('takes an event nobody recorded as reached', () => {
    const event = device.createEvent();
    opener.wait(event);
    expect(event.query()).toBe(true);
    opener.synchronizeSync();
  });
});

describe('waiting', () => {
  it('times out and goes on', async () => {
    const stream = heldStream();
    const error = errorOf('ERR_DEVICE_TIMEOUT', () => stream.synchronizeSync({ timeoutMs: 1 }));
    expect(error.details).toMatchObject({ timeoutMs: 1 });
    await rejectionOf('ERR_DEVICE_TIMEOUT', stream.synchronize({ timeoutMs: 1 }));
    open();
    await stream.synchronize();
    expect(stream.query()).toBe(true);
  });

  it('is ended by an AbortSignal, before and during', async () => {
    const stream = heldStream();
    errorOf('ERR_ABORTED', () => stream.synchronizeSync({ signal: AbortSignal.abort() }));
    const controller = new AbortController();
    const waiting = stream.synchronize({ signal: controller.signal });
    controller.abort(new Error('enough'));
    const error = await rejectionOf('ERR_ABORTED', waiting);
    expect(error.cause).toEqual(new Error('enough'));
    open();
  });

  it('leaves the event loop running', async () => {
    const stream = heldStream();
    setTimeout(open, 5);
    await stream.synchronize({ timeoutMs: 30_000 });
  });

  it('waits for what was enqueued before, though more is enqueued meanwhile', async () => {
    const stream = device.createStream();
    const waiting = stream.synchronize();
    stream.launch(tests.kernel('await_flag'), [flag]);
    await waiting;
    expect(stream.query()).toBe(false);
    open();
  });

  it('downloads when the bytes are there', async () => {
    const stream = heldStream();
    const buffer = device.allocate(8);
    stream.launch(builtin.kernel('fill'), [buffer, 5, 2]);
    const into = new Int32Array(2);
    const downloading = stream.download(buffer, 0, into);
    stream.launch(builtin.kernel('fill'), [buffer, 6, 2]);
    expect([...into]).toEqual([0, 0]);
    open();
    await downloading;
    expect([...into]).toEqual([5, 5]);
  });
});

describe('a kernel that fails', () => {
  it.each([
    ['fail', 'x'.repeat(239)],
    ['throw', 'it threw a C++ exception'],
  ])('%s makes its stream fail for good', (name, report) => {
    const stream = device.createStream();
    const buffer = bufferOf(device, opener, new Int32Array([1]));
    opener.synchronizeSync();
    const before = device.createEvent();
    const after = device.createEvent();
    stream.record(before);
    stream.launch(tests.kernel(name), []);
    try {
      stream.launch(builtin.kernel('fill'), [buffer, 2, 1]);
      stream.record(after);
    } catch {
      // The failure may be known by now; either way it shows below.
    }
    const error = errorOf('ERR_DEVICE_KERNEL', () => stream.synchronizeSync());
    expect(error.details).toMatchObject({ kernel: name, report });
    errorOf('ERR_DEVICE_KERNEL', () => stream.launch(builtin.kernel('fill'), [buffer, 3, 1]));
    errorOf('ERR_DEVICE_KERNEL', () => stream.submit(0));
    errorOf('ERR_DEVICE_KERNEL', () => stream.query());
    expect(before.query()).toBe(true);
    expect(readI32(opener, buffer)).toEqual([1]);
  });

  it('fails the streams that wait for what came after it', async () => {
    const stream = heldStream();
    const other = device.createStream();
    const event = device.createEvent();
    stream.launch(tests.kernel('fail'), []);
    stream.record(event);
    other.wait(event);
    open();
    await rejectionOf('ERR_DEVICE_KERNEL', other.synchronize());
    await rejectionOf('ERR_DEVICE_KERNEL', event.synchronize());
    opener.synchronizeSync();
  });

  it('stops a graph in the middle', () => {
    const stream = device.createStream();
    const buffer = bufferOf(device, opener, new Int32Array([1, 1]));
    opener.synchronizeSync();
    stream.beginCapture();
    stream.launch(builtin.kernel('fill'), [buffer, 2, 1]);
    stream.launch(tests.kernel('fail'), []);
    stream.launch(builtin.kernel('fill'), [{ buffer, offset: 4 }, 2, 1]);
    stream.endCapture().instantiate().launch(stream);
    errorOf('ERR_DEVICE_KERNEL', () => stream.synchronizeSync());
    expect(readI32(opener, buffer)).toEqual([2, 1]);
  });
});

describe('a stream disposed before its work is done', () => {
  it('drops what has not begun and fails who waits for it', () => {
    const stream = heldStream();
    const other = device.createStream();
    const event = device.createEvent();
    const buffer = bufferOf(device, opener, new Int32Array([1]));
    opener.synchronizeSync();
    stream.launch(builtin.kernel('fill'), [buffer, 2, 1]);
    stream.record(event);
    other.wait(event);
    stream.dispose();
    errorOf('ERR_DISPOSED', () => other.synchronizeSync());
    errorOf('ERR_DISPOSED', () => event.query());
    expect(readI32(opener, buffer)).toEqual([1]);
  });

  it('leaves events it had reached alone', () => {
    const stream = device.createStream();
    const event = device.createEvent();
    stream.record(event);
    stream.synchronizeSync();
    stream.dispose();
    expect(event.query()).toBe(true);
  });
});

it('refuses a launch that a user kernel refuses, with its words', () => {
  const error = errorOf('ERR_LAUNCH_INVALID', () => opener.launch(tests.kernel('refuse'), []));
  expect(error.details).toMatchObject({ kernel: 'refuse', report: 'no, thank you' });
});

it('refuses a launch whose check throws', () => {
  const error = errorOf('ERR_LAUNCH_INVALID', () => opener.launch(tests.kernel('throw_in_check'), []));
  expect(error.details).toMatchObject({ kernel: 'throw_in_check', report: 'its check() threw a C++ exception' });
  opener.synchronizeSync();
});

it('gives waits and downloads no id: of those there are 2^31, and a step takes several waits', async () => {
  const buffer = bufferOf(device, opener, Int32Array.of(1));
  const before = device.createEvent();
  for (let i = 0; i < 3; i++) {
    opener.synchronizeSync();
    await opener.synchronize();
    opener.record(before);
    before.synchronizeSync();
    await before.synchronize();
    readI32(opener, buffer);
  }
  expect(device.createEvent().id).toBe(before.id + 1);
});
