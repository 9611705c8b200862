import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Device, DeviceBuffer, DeviceGraph, DeviceStream, KernelArgument } from '../../../dist/device/index.js';
import { openDevice } from '../../../dist/device/open-device.js';
import type { ErrorCode } from '../../../dist/errors.js';
import { errorOf, TEST_DEVICE } from '../../support/device-fixture.js';

let device: Device;
let other: Device;

beforeEach(() => {
  device = openDevice({ device: TEST_DEVICE });
  other = openDevice({ device: TEST_DEVICE });
});

afterEach(() => {
  device.dispose();
  other.dispose();
});

function capture(owner: Device): DeviceGraph {
  const stream = owner.createStream();
  stream.beginCapture();
  return stream.endCapture().instantiate();
}

describe('objects of another device', () => {
  it.each<[string, (stream: DeviceStream) => unknown]>([
    ['a buffer in a launch', (s) => s.launch(device.loadModule().kernel('fill'), [other.allocate(4), 0, 1])],
    ['a kernel', (s) => s.launch(other.loadModule().kernel('fill'), [device.allocate(4), 0, 1])],
    ['a buffer to upload to', (s) => s.upload(other.allocate(4), 0, new Int32Array(1))],
    ['a buffer to download from', (s) => s.downloadSync(other.allocate(4), 0, new Int32Array(1))],
    ['an event to record', (s) => s.record(other.createEvent())],
    ['an event to wait for', (s) => s.wait(other.createEvent())],
    ['a graph', (s) => s.launchGraph(capture(other))],
  ])('%s', (_, misuse) => {
    errorOf('ERR_DEVICE_MISMATCH', () => misuse(device.createStream()));
  });
});

it('a look in waits is a function', () => {
  errorOf('ERR_INPUT_INVALID', () => device.lookInWaits(7 as never));
  const stream = device.createStream();
  stream.launch(device.loadModule().kernel('fill'), [device.allocate(4), 0, 1]);
  stream.synchronizeSync();
});

describe('after dispose', () => {
  it.each<[string, () => unknown]>([
    ['device.allocate', () => device.allocate(4)],
    ['device.createStream', () => device.createStream()],
    ['device.createEvent', () => device.createEvent()],
    ['device.loadModule', () => device.loadModule()],
    ['device.bindArena', () => device.bindArena(new Uint8Array(new SharedArrayBuffer(64)))],
  ])('%s', (_, use) => {
    device.dispose();
    device.dispose();
    errorOf('ERR_DISPOSED', use);
  });

  it('every object of a disposed device', () => {
    const stream = device.createStream();
    const buffer = device.allocate(4);
    const event = device.createEvent();
    const graph = capture(device);
    const module = device.loadModule();
    device.dispose();
    for (const use of [
      () => stream.launch(module.kernel('fill'), [buffer, 0, 1]),
      () => stream.upload(buffer, 0, new Int32Array(1)),
      () => stream.downloadSync(buffer, 0, new Int32Array(1)),
      () => stream.record(event),
      () => stream.wait(event),
      () => stream.beginCapture(),
      () => stream.endCapture(),
      () => stream.setCommandBlock(0, 1),
      () => stream.submit(),
      () => stream.query(),
      () => stream.synchronizeSync(),
      () => graph.launch(stream),
      () => event.query(),
      () => event.synchronizeSync(),
    ]) {
      errorOf('ERR_DISPOSED', use);
    }
    for (const object of [stream, buffer, event, graph, module, device]) object.dispose();
  });

  it('one object, its device alive', () => {
    const stream = device.createStream();
    const kernel = device.loadModule().kernel('fill');
    const buffer = device.allocate(4);
    const event = device.createEvent();
    const graph = capture(device);
    const module = device.loadModule();
    const stale = module.kernel('fill');
    for (const object of [buffer, event, graph, module]) {
      object.dispose();
      object.dispose();
    }
    errorOf('ERR_DISPOSED', () => stream.launch(kernel, [buffer, 0, 1]));
    errorOf('ERR_DISPOSED', () => stream.launch(stale, [device.allocate(4), 0, 1]));
    errorOf('ERR_DISPOSED', () => stream.upload(buffer, 0, new Int32Array(1)));
    errorOf('ERR_DISPOSED', () => stream.record(event));
    errorOf('ERR_DISPOSED', () => stream.wait(event));
    errorOf('ERR_DISPOSED', () => event.query());
    errorOf('ERR_DISPOSED', () => stream.launchGraph(graph));
    stream.dispose();
    stream.dispose();
    errorOf('ERR_DISPOSED', () => stream.synchronizeSync());
    errorOf('ERR_DISPOSED', () => stream.record(device.createEvent()));
  });

  it('is what leaving a using scope does', () => {
    const stream = device.createStream();
    stream[Symbol.dispose]();
    errorOf('ERR_DISPOSED', () => stream.query());
  });
});

describe('arguments of a launch', () => {
  it.each<[ErrorCode, string, (buffer: DeviceBuffer) => unknown[], Record<string, unknown>]>([
    ['ERR_LAUNCH_INVALID', 'too few', (b) => [b, 1], { kernel: 'fill', needed: 3, actual: 2 }],
    ['ERR_LAUNCH_INVALID', 'too many', (b) => [b, 1, 1, 1], { kernel: 'fill', needed: 3, actual: 4 }],
    ['ERR_LAUNCH_INVALID', 'far too many', (b) => new Array(99).fill(b), { actual: 99, limit: 32 }],
    ['ERR_LAUNCH_INVALID', 'a scalar for a buffer', () => [1, 1, 1], { kernel: 'fill', argument: 0, name: 'dst' }],
    ['ERR_LAUNCH_INVALID', 'a buffer for a scalar', (b) => [b, b, 1], { kernel: 'fill', argument: 1, name: 'value' }],
    ['ERR_LAUNCH_INVALID', 'an i32 of 33 bits', (b) => [b, 2 ** 31, 1], { argument: 1, name: 'value' }],
    ['ERR_LAUNCH_INVALID', 'a negative count', (b) => [b, 1, -1], { kernel: 'fill' }],
    ['ERR_LAUNCH_INVALID', 'an offset inside an element', (b) => [{ buffer: b, offset: 2 }, 1, 1], { argument: 0 }],
    ['ERR_LAUNCH_BOUNDS', 'an offset beyond the buffer', (b) => [{ buffer: b, offset: 20 }, 1, 0], { actual: 16 }],
    ['ERR_LAUNCH_BOUNDS', 'a negative offset', (b) => [{ buffer: b, offset: -4 }, 1, 1], { argument: 0 }],
    ['ERR_LAUNCH_BOUNDS', 'a count that overflows', (b) => [b, 1, 2n ** 62n], { argument: 0, actual: 16 }],
    ['ERR_INPUT_INVALID', 'a fraction', (b) => [b, 1.5, 1], { name: 'args[1]' }],
    ['ERR_INPUT_INVALID', 'NaN', (b) => [b, Number.NaN, 1], { name: 'args[1]' }],
    ['ERR_INPUT_INVALID', 'a number that is not exact', (b) => [b, 1, 2 ** 53], { name: 'args[2]' }],
    ['ERR_INPUT_INVALID', 'a bigint of 65 bits', (b) => [b, 1, 2n ** 64n], { name: 'args[2]' }],
    ['ERR_INPUT_INVALID', 'a string', (b) => [b, '1', 1], { name: 'args[1]' }],
    ['ERR_INPUT_INVALID', 'nothing', (b) => [b, undefined, 1], {}],
    ['ERR_INPUT_INVALID', 'null', () => [null, 1, 1], { name: 'args[0]' }],
    ['ERR_INPUT_INVALID', 'a foreign object', () => [new Map(), 1, 1], {}],
    ['ERR_INPUT_INVALID', 'an object like a buffer', () => [{ id: 1, bytes: 16, dispose() {} }, 1, 1], {}],
    ['ERR_INPUT_INVALID', 'a stream', () => [device.createStream(), 1, 1], {}],
    [
      'ERR_INPUT_INVALID',
      'an offset that is no number',
      (b) => [{ buffer: b, offset: '4' }, 1, 1],
      { name: 'args[0].offset' },
    ],
  ])('%s: %s', (code, _, args, details) => {
    const stream = device.createStream();
    const given = args(device.allocate(16)) as KernelArgument[];
    const error = errorOf(code, () => stream.launch(device.loadModule().kernel('fill'), given));
    expect(error.details).toMatchObject(details);
    stream.synchronizeSync();
  });

  it('names the kernels there are', () => {
    const error = errorOf('ERR_LAUNCH_INVALID', () => device.loadModule().kernel('kv_wirte'));
    expect(error.details).toEqual({
      kernel: 'kv_wirte',
      kernels: [
        'kv_write',
        'kv_read',
        'kv_read_rows',
        'copy',
        'fill',
        'table_edit',
        'gather_rows',
        'scatter_rows',
        'device_inputs',
        'accept_drafts',
        'advance_positions',
        'expert',
        'sum_shares',
        'embed',
        'rms_norm',
        'matmul',
        'add',
        'rotate',
        'kv_store',
        'attend',
        'swiglu',
        'take_rows',
        'join_columns',
        'sample',
        'route',
        'expert_matmul',
        'combine',
      ],
    });
  });

  it('takes only kernels that a module gave', () => {
    const stream = device.createStream();
    // @ts-expect-error: a kernel is made by its module alone.
    errorOf('ERR_LAUNCH_INVALID', () => stream.launch({ name: 'fill', arguments: [] }, []));
  });

  it('takes no object that only has the class of one', () => {
    const stream = device.createStream();
    const forged = <T extends object>(real: T): T => Object.create(Object.getPrototypeOf(real) as T) as T;
    errorOf('ERR_LAUNCH_INVALID', () => stream.launch(forged(device.loadModule().kernel('fill')), []));
    errorOf('ERR_INPUT_INVALID', () => stream.upload(forged(device.allocate(4)), 0, new Int32Array(1)));
    errorOf('ERR_INPUT_INVALID', () => stream.record(forged(device.createEvent())));
    errorOf('ERR_INPUT_INVALID', () => stream.launchGraph(forged(capture(device))));
  });
});

describe('copies', () => {
  it.each([
    [-1, 4],
    [16, 1],
    [13, 4],
    [2 ** 53 - 1, 4],
  ])('at %i of %i bytes into a buffer of 16 are refused', (offset, bytes) => {
    const stream = device.createStream();
    const buffer = device.allocate(16);
    const upload = errorOf('ERR_LAUNCH_BOUNDS', () => stream.upload(buffer, offset, new Uint8Array(bytes)));
    expect(upload.details).toMatchObject({ buffer: buffer.id, offset, bytes, actual: 16 });
    errorOf('ERR_LAUNCH_BOUNDS', () => stream.downloadSync(buffer, offset, new Uint8Array(bytes)));
  });

  it('of nothing are fine, at the end too', () => {
    const stream = device.createStream();
    const buffer = device.allocate(16);
    stream.upload(buffer, 16, new Uint8Array(0));
    stream.downloadSync(buffer, 16, new Uint8Array(0));
  });

  it.each([[undefined], [null], [1], ['bytes'], [[1, 2]], [new ArrayBuffer(4)]])('of %o are refused', (value) => {
    const stream = device.createStream();
    const source = value as unknown as Uint8Array;
    errorOf('ERR_INPUT_INVALID', () => stream.upload(device.allocate(16), 0, source));
    errorOf('ERR_INPUT_INVALID', () => stream.downloadSync(device.allocate(16), 0, source));
  });
});

it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '4', null, undefined, {}])(
  'allocate(%o) is refused',
  (bytes) => {
    errorOf('ERR_INPUT_INVALID', () => device.allocate(bytes as number));
    expect(device.memory()).toMatchObject({ allocatedBytes: 0, buffers: 0 });
  },
);

it.each([-1, Number.NaN, '5', null])('a timeout of %o is refused', (timeoutMs) => {
  errorOf('ERR_INPUT_INVALID', () => device.createStream().synchronizeSync({ timeoutMs: timeoutMs as number }));
});
