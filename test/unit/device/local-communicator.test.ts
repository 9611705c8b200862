import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDevice } from '../../../dist/device/open-device.js';
import { guarded, loadNative } from '../../../dist/native/index.js';
import { describeOnHost, errorOf } from '../../support/device-fixture.js';
import { buildTestKernels } from '../../support/test-kernels.js';

const SIGNATURE = Int32Array.of(1);
const NONE = new Float64Array();
let library: ReturnType<typeof buildTestKernels>;
let groups = 0;

/** Two ranks on devices of their own, driven by one thread; each has 256 KiB to send and to read into. The reader's stream waits until `go()`. */
function twoRanks() {
  const addon = loadNative();
  const group = `two ranks ${groups++}`;
  const [sender, reader] = [0, 1].map((rank) => {
    const device = addon.openDevice('host', null);
    const [send, into] = [device.allocate(1 << 18), device.allocate(1 << 18)];
    return { device, stream: device.createStream(), communicator: device.joinLocal(group, rank, 2), send, into };
  });
  sender.stream.upload(sender.send, 0, new Uint8Array(1 << 18).fill(7));
  const gate = reader.device.loadModule(library.path);
  const flag = reader.device.allocate(4);
  const other = reader.device.createStream();
  const set = (value: number): void => {
    other.upload(flag, 0, Int32Array.of(value));
    while (!other.waitSlice(50));
  };
  set(0);
  reader.stream.launch(gate, 0, [flag], [0]);
  /** The sender posts `bytes`, of which the reader takes `copies`. */
  const exchange = (bytes: number, copies: Float64Array): void => {
    sender.communicator.post(sender.stream, sender.send, 0, bytes, SIGNATURE);
    reader.communicator.post(reader.stream, reader.send, 0, 8, SIGNATURE);
    while (!(sender.communicator.arrived(50) && reader.communicator.arrived(50)));
    sender.communicator.collect(sender.stream, sender.into, 0, NONE);
    reader.communicator.collect(reader.stream, reader.into, 0, copies);
  };
  const go = (): void => {
    set(1);
    while (!reader.stream.waitSlice(50));
  };
  const dispose = (): void => {
    set(1);
    for (const { communicator } of [sender, reader]) communicator.leave();
    for (const { device } of [reader, sender]) device.dispose();
  };
  return { sender, reader, exchange, go, dispose };
}

describeOnHost('a rank among threads', () => {
  beforeAll(() => {
    library = buildTestKernels();
  });
  afterAll(() => library.remove());

  it('keeps a place that a larger one replaced until no peer reads it, also where its stream is disposed', () => {
    const { sender, exchange, go, dispose } = twoRanks();
    const allocated = (): number => sender.device.memory().allocatedBytes;
    exchange(1 << 16, Float64Array.of(0, 0, 0, 1 << 16));
    exchange(8, NONE);
    // What the reader waits for is done, so that the end of this stream takes nothing from it.
    while (!sender.stream.waitSlice(50));
    sender.communicator.post(sender.stream, sender.send, 0, 1 << 18, SIGNATURE);
    sender.stream.dispose();
    const whileRead = allocated();
    go();
    sender.communicator.leave();
    expect(sender.communicator.released(50)).toBe(true);
    // Places are powers of two from 4 KiB on: those of the three exchanges.
    expect(whileRead - allocated()).toBe((1 << 16) + (1 << 12) + (1 << 18));
    dispose();
  });

  it('keeps what a peer reads that it did not read yet', () => {
    const { sender, exchange, go, dispose } = twoRanks();
    exchange(64, Float64Array.of(0, 0, 0, 64));
    sender.communicator.leave();
    expect(sender.communicator.released(1)).toBe(false);
    go();
    expect(sender.communicator.released(50)).toBe(true);
    dispose();
  });

  it.each([
    ['end of what the peer sent', Float64Array.of(0, 0, 0, 64, 0, 64, 0, 8)],
    ['end of the buffer', Float64Array.of(0, 0, 0, 64, 0, 0, 1 << 18, 8)],
  ])('enqueues no copy of a collect of which one goes past the %s', (_, copies) => {
    const { reader, exchange, go, dispose } = twoRanks();
    errorOf('ERR_LAUNCH_BOUNDS', () => guarded(() => exchange(64, copies)));
    go();
    const readback = reader.stream.readback(reader.into, 0, 64);
    while (!reader.stream.waitSlice(50));
    const read = new Uint8Array(64);
    readback.copyTo(read);
    expect([...new Set(read)]).toEqual([0xa5]);
    dispose();
  });

  it('refuses a stream that was disposed in the middle of an exchange', () => {
    const { sender, reader, dispose } = twoRanks();
    sender.communicator.post(sender.stream, sender.send, 0, 8, SIGNATURE);
    reader.communicator.post(reader.stream, reader.send, 0, 8, SIGNATURE);
    while (!sender.communicator.arrived(50));
    sender.stream.dispose();
    errorOf('ERR_DISPOSED', () => guarded(() => sender.communicator.collect(sender.stream, sender.into, 0, NONE)));
    dispose();
  });

  it('allocates nothing for bytes that its buffer has not', () => {
    using device = openDevice({ device: 'host' });
    using group = device.joinLocal('too many bytes', 0, 1);
    const [stream, buffer] = [device.createStream(), device.allocate(64)];
    const exchange = { send: buffer, signature: SIGNATURE, into: buffer, copies: NONE };
    errorOf('ERR_LAUNCH_BOUNDS', () => group.exchange(stream, { ...exchange, bytes: 1 << 20 }));
    expect(device.memory()).toMatchObject({ allocatedBytes: 64, peakBytes: 64 });
    group.exchange(stream, { ...exchange, bytes: 64 });
    stream.synchronizeSync();
  });
});
