import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Device, DeviceModule, DeviceStream, KernelArgument } from '../../../dist/device/index.js';
import { openDevice } from '../../../dist/device/open-device.js';
import { bufferOf, errorOf, POISON, POISON_BYTE, readI32, TEST_DEVICE } from '../../support/device-fixture.js';
import { runs } from '../../support/property-runs.js';

let device: Device;
let stream: DeviceStream;
let module: DeviceModule;

beforeEach(() => {
  device = openDevice({ device: TEST_DEVICE });
  stream = device.createStream();
  module = device.loadModule();
});

afterEach(() => device.dispose());

describe('kv_write', () => {
  it('writes each id to its slot and nothing for padding', () => {
    const ids = bufferOf(device, stream, new Int32Array([11, 12, 13]));
    const slots = bufferOf(device, stream, new BigInt64Array([2n, -1n, 0n]));
    const cache = device.allocate(16);
    stream.launch(module.kernel('kv_write'), [ids, slots, cache, 3]);
    expect(readI32(stream, cache)).toEqual([13, POISON, 11, POISON]);
  });

  it.each([
    [-2n, 'slots[1] is -2, the cache has 4 slots'],
    [4n, 'slots[1] is 4, the cache has 4 slots'],
    [1n << 40n, 'slots[1] is 1099511627776, the cache has 4 slots'],
  ])('reports slot %s by index and writes nothing outside the cache', (slot, report) => {
    const ids = bufferOf(device, stream, new Int32Array([7, 8]));
    const slots = bufferOf(device, stream, new BigInt64Array([0n, slot]));
    stream.launch(module.kernel('kv_write'), [ids, slots, device.allocate(16), 2]);
    const error = errorOf('ERR_DEVICE_KERNEL', () => stream.synchronizeSync());
    expect(error.details).toMatchObject({ kernel: 'kv_write', report });
  });

  it('agrees with a plain loop on slots in any order, and leaves the bytes around the cache alone', () => {
    const capacity = 32;
    // A slot twice would be written by two threads in no order; padding may come as often as it likes.
    const entries = fc.uniqueArray(fc.tuple(fc.integer(), fc.integer({ min: -1, max: capacity - 1 })), {
      maxLength: 100,
      selector: ([, slot]) => (slot < 0 ? Symbol('padding') : slot),
    });
    fc.assert(
      fc.property(entries, (pairs) => {
        const whole = device.allocate((capacity + 2) * 4);
        const ids = bufferOf(
          device,
          stream,
          Int32Array.from(pairs, ([id]) => id),
        );
        const slots = bufferOf(
          device,
          stream,
          BigInt64Array.from(pairs, ([, slot]) => BigInt(slot)),
        );
        stream.launch(module.kernel('kv_write'), [ids, slots, { buffer: whole, offset: 4 }, pairs.length]);
        const expected = new Array<number>(capacity + 2).fill(POISON);
        for (const [id, slot] of pairs) if (slot >= 0) expected[slot + 1] = id;
        expect(readI32(stream, whole)).toEqual(expected);
        for (const buffer of [whole, ids, slots]) buffer.dispose();
      }),
      runs(100),
    );
  });
});

describe('kv_read', () => {
  it('agrees with a plain loop over positions', () => {
    const rows = fc.record({
      blockSize: fc.integer({ min: 1, max: 5 }),
      pitch: fc.integer({ min: 1, max: 4 }),
      numBlocks: fc.integer({ min: 1, max: 9 }),
      lengths: fc.array(fc.nat(), { minLength: 1, maxLength: 5 }),
      blocks: fc.array(fc.nat(), { minLength: 20, maxLength: 20 }),
      begin: fc.nat(),
      end: fc.nat(),
    });
    fc.assert(
      fc.property(rows, ({ blockSize, pitch, numBlocks, lengths, blocks, begin, end }) => {
        const seqLens = lengths.map((length) => length % (pitch * blockSize + 1));
        const table = Array.from({ length: seqLens.length * pitch }, (_, i) => (blocks[i] ?? 0) % numBlocks);
        const cache = Array.from({ length: numBlocks * blockSize }, (_, slot) => 1000 + slot);
        const rowEnd = end % (seqLens.length + 1);
        const rowBegin = begin % (rowEnd + 1);
        const expected: number[] = [];
        for (let row = rowBegin; row < rowEnd; row++) {
          for (let pos = 0; pos < (seqLens[row] ?? 0); pos++) {
            const block = table[row * pitch + Math.floor(pos / blockSize)] ?? 0;
            expected.push(cache[block * blockSize + (pos % blockSize)] ?? 0);
          }
        }
        const out = device.allocate((expected.length + 1) * 4);
        const inputs = [cache, table, seqLens].map((values) => bufferOf(device, stream, new Int32Array(values)));
        stream.launch(module.kernel('kv_read'), [...inputs, out, rowBegin, rowEnd, pitch, blockSize]);
        expect(readI32(stream, out)).toEqual([...expected, POISON]);
        for (const buffer of [...inputs, out]) buffer.dispose();
      }),
      runs(100),
    );
  });

  it.each([
    ['a block beyond the cache', [2], [1], 4, 'blockTable[0][0] is 2, the cache has 2 blocks'],
    ['a negative block', [-1], [1], 4, 'blockTable[0][0] is -1, the cache has 2 blocks'],
    ['a sequence longer than its row', [0], [3], 4, 'seqLens[0] is 3, a row of the block table holds 2'],
    ['a negative length', [0], [-1], 4, 'seqLens[0] is -1, a row of the block table holds 2'],
    ['more than out can hold', [0, 1], [2, 2], 3, 'out holds 3 values, row 1 needs 4'],
  ])('reports %s', (_, table, seqLens, capacity, report) => {
    const inputs = [[1, 2, 3, 4], table, seqLens].map((values) => bufferOf(device, stream, new Int32Array(values)));
    const out = device.allocate(capacity * 4);
    stream.launch(module.kernel('kv_read'), [...inputs, out, 0, seqLens.length, 1, 2]);
    const error = errorOf('ERR_DEVICE_KERNEL', () => stream.synchronizeSync());
    expect(error.details).toMatchObject({ kernel: 'kv_read', report });
  });
});

describe('copy and fill', () => {
  it('copies bytes between offsets', () => {
    const source = bufferOf(device, stream, new Uint8Array([1, 2, 3, 4, 5]));
    const target = device.allocate(8);
    stream.launch(module.kernel('copy'), [{ buffer: source, offset: 1 }, { buffer: target, offset: 3 }, 3]);
    const bytes = new Uint8Array(8);
    stream.downloadSync(target, 0, bytes);
    const p = new Array(3).fill(POISON_BYTE);
    expect([...bytes]).toEqual([...p, 2, 3, 4, ...p.slice(1)]);
  });

  it('copies within one buffer where source and target overlap', () => {
    const buffer = bufferOf(device, stream, new Int32Array([1, 2, 3, 4]));
    stream.launch(module.kernel('copy'), [buffer, { buffer, offset: 4 }, 12n]);
    expect(readI32(stream, buffer)).toEqual([1, 1, 2, 3]);
  });

  it('fills as many elements as it is told', () => {
    const buffer = device.allocate(16);
    stream.launch(module.kernel('fill'), [{ buffer, offset: 4 }, -9, 2]);
    expect(readI32(stream, buffer)).toEqual([POISON, -9, -9, POISON]);
  });
});

it.each([
  ['kv_write', [8, 16, 8], 3, 0, 12, 8],
  ['kv_write', [12, 16, 8], 3, 1, 24, 16],
  ['fill', [8], 3, 0, 12, 8],
])('%s with buffers of %j bytes and n = %i names argument %i', (name, sizes, n, argument, needed, actual) => {
  const buffers = sizes.map((bytes) => device.allocate(bytes));
  const args = name === 'fill' ? [...buffers, 1, n] : [...buffers, n];
  const error = errorOf('ERR_LAUNCH_BOUNDS', () => stream.launch(module.kernel(name), args));
  expect(error.details).toMatchObject({ kernel: name, argument, needed, actual });
});

describe('kv_read_rows', () => {
  it('reads the rows that are listed, in their order, and names one that is not there', () => {
    const cache = bufferOf(
      device,
      stream,
      Int32Array.from({ length: 8 }, (_, slot) => 10 + slot),
    );
    const table = bufferOf(device, stream, new Int32Array([3, 0, 2, 1, 1, 0]));
    const lengths = bufferOf(device, stream, new Int32Array([3, 2, 4]));
    const out = bufferOf(device, stream, new Int32Array(8));
    const rows = bufferOf(device, stream, new Int32Array([2, 0, 3]));
    const kernel = module.kernel('kv_read_rows');
    stream.launch(kernel, [cache, table, lengths, out, rows, 2, 2, 2]);
    expect(readI32(stream, out)).toEqual([12, 13, 10, 11, 16, 17, 10, 0]);
    stream.launch(kernel, [cache, table, lengths, out, rows, 3, 2, 2]);
    const error = errorOf('ERR_DEVICE_KERNEL', () => stream.synchronizeSync());
    expect(error.details).toMatchObject({ kernel: 'kv_read_rows', report: 'rows[2] is 3, there are 3' });
  });
});

describe('route', () => {
  const route = (logits: Float32Array, k: number, chosen: KernelArgument, weights: KernelArgument): void => {
    const from = bufferOf(device, stream, logits);
    stream.launch(module.kernel('route'), [from, chosen, weights, 1, logits.length, k]);
  };

  it('reads its own logits alone, whatever becomes of what it has chosen meanwhile', () => {
    const logits = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i));
    const [chosen, weights, both] = [device.allocate(64), device.allocate(64), device.allocate(64)];
    route(logits, 16, chosen, weights);
    route(logits, 16, both, both);
    const [ids, shares] = [readI32(stream, chosen), readI32(stream, weights)];
    for (const [j, word] of readI32(stream, both).entries()) expect([ids[j], shares[j]]).toContain(word);
  });

  it('chooses experts that there are where it writes over its logits', () => {
    // The first weight, which is 1, takes the place of the logit that would come second: none is left below -5.
    const logits = bufferOf(device, stream, new Float32Array([-9, -5]));
    const chosen = device.allocate(8);
    stream.launch(module.kernel('route'), [logits, chosen, logits, 1, 2, 2]);
    const [first, second] = readI32(stream, chosen);
    expect([first, second]).toEqual([1, 0]);
  });
});

it('attend takes a table of 2^32 positions, which it divides in 32 bits, and none of more', () => {
  const blockSize = 1 << 23;
  const zeros = bufferOf(device, stream, new Int32Array(4 * 513));
  const launch = (width: number) =>
    stream.launch(module.kernel('attend'), [
      zeros,
      zeros,
      zeros,
      zeros,
      zeros,
      device.allocate(16),
      0,
      1,
      width,
      blockSize,
      3,
      1,
      1,
      1,
      0,
      0,
    ]);
  launch(512);
  stream.synchronizeSync();
  expect(errorOf('ERR_LAUNCH_INVALID', () => launch(513)).message).toMatch(/at most 512 columns of 8388608 tokens/);
});
