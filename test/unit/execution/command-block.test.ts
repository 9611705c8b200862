import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Device, DeviceStream } from '../../../dist/device/index.js';
import { openDevice } from '../../../dist/device/open-device.js';
import { bufferOf, errorOf, POISON, readI32, TEST_DEVICE } from '../../support/device-fixture.js';
import { runs } from '../../support/property-runs.js';

const UPLOAD = 1;
const UPLOAD_ROWS = 2;
const GRAPH = 3;
const RECORD = 4;
const WAIT = 5;
const DOWNLOAD = 6;
const PAGE = 65536;
const DATA = 4096;

let device: Device;
let stream: DeviceStream;
let words: Int32Array;

/** Writes commands at byte 0 of the arena, seven operands each at most, and clears what follows up to DATA. */
function block(...commands: number[][]): void {
  words.fill(0, 0, DATA / 4);
  words[0] = commands.length;
  for (const [i, command] of commands.entries()) words.set(command, 8 + 8 * i);
}

beforeEach(() => {
  device = openDevice({ device: TEST_DEVICE });
  stream = device.createStream();
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  words = new Int32Array(memory.buffer);
  device.bindArena(new Uint8Array(memory.buffer));
  stream.setCommandBlock(0, 64);
});

afterEach(() => device.dispose());

describe('commands', () => {
  it('uploads, replays, downloads in order', () => {
    const source = device.allocate(8);
    const target = device.allocate(8);
    const copy = device.loadModule().kernel('copy');
    stream.beginCapture();
    stream.launch(copy, [source, target, 8]);
    const graph = stream.endCapture().instantiate();
    words.set([21, 22], DATA / 4);
    block([UPLOAD, source.id, 0, DATA, 8], [GRAPH, graph.id], [DOWNLOAD, target.id, 4, DATA + 64, 4]);
    stream.submit();
    stream.synchronizeSync();
    expect(words[(DATA + 64) / 4]).toBe(22);
    expect(readI32(stream, target)).toEqual([21, 22]);
  });

  it('orders streams by the events of their blocks', () => {
    const other = device.createStream();
    const event = device.createEvent();
    const buffer = device.allocate(4);
    for (let round = 1; round <= 200; round++) {
      words[DATA / 4] = round;
      block([UPLOAD, buffer.id, 0, DATA, 4], [RECORD, event.id]);
      stream.submit();
      block([WAIT, event.id], [DOWNLOAD, buffer.id, 0, DATA + 64, 4]);
      other.submit(0);
      other.synchronizeSync();
      expect(words[(DATA + 64) / 4]).toBe(round);
    }
  });

  it('takes a block of no commands', () => {
    // Of the test before, only what an event waited for is known to be done.
    stream.synchronizeSync();
    block();
    stream.submit();
    expect(stream.query()).toBe(true);
  });

  it('reads the block and the edits at submit, the bytes on the stream', () => {
    const buffer = device.allocate(16);
    words.set([1, 2, 3, 4], DATA / 4);
    block([UPLOAD_ROWS, buffer.id, 2048, 1, 4, DATA]);
    words.set([0, 1, 3, 0], 2048 / 4);
    stream.submit();
    words.fill(-1, 0, DATA / 4);
    expect(readI32(stream, buffer)).toEqual([POISON, 2, 3, POISON]);
  });

  it('UPLOAD_ROWS copies exactly the columns of its edits', () => {
    const rows = 6;
    const pitch = 5;
    const edit = fc
      .tuple(fc.nat(rows - 1), fc.nat(pitch), fc.nat(pitch))
      .map(([row, a, b]) => [row, Math.min(a, b), Math.max(a, b), 0]);
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 20 }), (edits) => {
        const table = Array.from({ length: rows * pitch }, (_, i) => 100 + i);
        words.set(table, DATA / 4);
        const buffer = device.allocate(rows * pitch * 4);
        block([UPLOAD_ROWS, buffer.id, 2048, edits.length, pitch, DATA]);
        words.set(edits.flat(), 2048 / 4);
        stream.submit();
        const expected = new Array<number>(rows * pitch).fill(POISON);
        for (const [row = 0, begin = 0, end = 0] of edits) {
          for (let i = row * pitch + begin; i < row * pitch + end; i++) expected[i] = table[i] ?? 0;
        }
        expect(readI32(stream, buffer)).toEqual(expected);
        buffer.dispose();
      }),
      runs(100),
    );
  });
});

describe('several UPLOAD_ROWS in a row', () => {
  const COLUMNS = 3000;
  const RANGE = 1000;
  const edits = (columns: number) =>
    fc.array(
      fc.tuple(fc.nat(columns), fc.nat(columns)).map(([a, b]) => ({ begin: Math.min(a, b), end: Math.max(a, b) })),
      { maxLength: 4 },
    );
  // A whole buffer and ranges of it, from the places of the arena that it mirrors or from one that is shifted; or another buffer.
  const command = fc.oneof(
    fc.record({ target: fc.constant('whole'), shift: fc.constantFrom(0, 0, 0, 1), edits: edits(COLUMNS) }),
    fc.record({
      target: fc.constantFrom('first', 'last', 'other'),
      shift: fc.constantFrom(0, 0, 0, 3),
      edits: edits(RANGE),
    }),
  );

  it('do what each does by itself, however long its edits are', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 6 }), (commands) => {
        const whole = device.allocate(COLUMNS * 4);
        const places = {
          whole: { buffer: whole, column: 0 },
          first: { buffer: whole.range(0, RANGE * 4), column: 0 },
          last: { buffer: whole.range((COLUMNS - RANGE) * 4, RANGE * 4), column: COLUMNS - RANGE },
          other: { buffer: device.allocate(RANGE * 4), column: 0 },
        };
        const held = { whole: new Array<number>(COLUMNS).fill(POISON), other: new Array<number>(RANGE).fill(POISON) };
        const source = Array.from({ length: COLUMNS + 8 }, (_, column) => 7 * column + 1);
        words.set(source, DATA / 4);
        let list = (DATA + 4 * source.length) / 4;
        const rows = commands.map(({ target, shift, edits: own }) => {
          const { buffer, column } = places[target as keyof typeof places];
          const columns = target === 'whole' ? COLUMNS : RANGE;
          const into = target === 'other' ? held.other : held.whole;
          for (const { begin, end } of own) {
            for (let at = begin; at < end; at++) into[column + at] = source[column + shift + at] ?? 0;
          }
          const at = list;
          words.set(
            own.flatMap(({ begin, end }) => [0, begin, end, 0]),
            list,
          );
          list += 4 * own.length;
          return [UPLOAD_ROWS, buffer.id, 4 * at, own.length, columns, DATA + 4 * (column + shift)];
        });
        block(...rows);
        stream.submit();
        expect(readI32(stream, whole)).toEqual(held.whole);
        expect(readI32(stream, places.other.buffer)).toEqual(held.other);
        for (const { buffer } of [places.first, places.last, places.other, places.whole]) buffer.dispose();
      }),
      runs(100),
    );
  });
});

describe('a block that is refused', () => {
  it.each<[string, string, (ids: { buffer: number; event: number }) => number[]]>([
    ['ERR_INPUT_INVALID', 'an unknown operation', () => [7]],
    ['ERR_INPUT_INVALID', 'operation 0', () => [0]],
    ['ERR_INPUT_INVALID', 'an unknown buffer', () => [UPLOAD, 99_999, 0, DATA, 4]],
    ['ERR_INPUT_INVALID', 'an event where a buffer belongs', ({ event }) => [UPLOAD, event, 0, DATA, 4]],
    ['ERR_INPUT_INVALID', 'a buffer where a graph belongs', ({ buffer }) => [GRAPH, buffer]],
    ['ERR_INPUT_INVALID', 'an unknown event to record', () => [RECORD, -1]],
    ['ERR_INPUT_INVALID', 'an unknown event to wait for', () => [WAIT, 0]],
    ['ERR_LAUNCH_BOUNDS', 'a copy beyond the buffer', ({ buffer }) => [UPLOAD, buffer, 4, DATA, 16]],
    ['ERR_LAUNCH_BOUNDS', 'a negative offset', ({ buffer }) => [UPLOAD, buffer, -4, DATA, 8]],
    ['ERR_LAUNCH_BOUNDS', 'a negative size', ({ buffer }) => [UPLOAD, buffer, 0, DATA, -1]],
    ['ERR_LAUNCH_BOUNDS', 'a copy from beyond the arena', ({ buffer }) => [UPLOAD, buffer, 0, PAGE - 4, 8]],
    ['ERR_LAUNCH_BOUNDS', 'a copy to beyond the arena', ({ buffer }) => [DOWNLOAD, buffer, 0, -8, 8]],
    ['ERR_LAUNCH_BOUNDS', 'edits beyond the arena', ({ buffer }) => [UPLOAD_ROWS, buffer, PAGE - 8, 1, 2, DATA]],
    ['ERR_LAUNCH_BOUNDS', 'more edits than memory', ({ buffer }) => [UPLOAD_ROWS, buffer, 0, -1, 2, DATA]],
    ['ERR_INPUT_INVALID', 'a pitch of 0', ({ buffer }) => [UPLOAD_ROWS, buffer, 2048, 1, 0, DATA]],
    ['ERR_LAUNCH_BOUNDS', 'a row beyond the buffer', ({ buffer }) => [UPLOAD_ROWS, buffer, 2048, 1, 4, DATA]],
    ['ERR_LAUNCH_BOUNDS', 'a row beyond the arena', ({ buffer }) => [UPLOAD_ROWS, buffer, 2048, 1, 2, PAGE - 8]],
    ['ERR_INPUT_INVALID', 'columns beyond the pitch', ({ buffer }) => [UPLOAD_ROWS, buffer, 2064, 1, 2, DATA]],
  ])('%s: %s, and nothing before it was enqueued', (code, _, second) => {
    const buffer = bufferOf(device, stream, new Int32Array([1, 1, 1, 1]));
    const event = device.createEvent();
    block([UPLOAD, buffer.id, 0, DATA, 16], second({ buffer: buffer.id, event: event.id }));
    words.set([1, 0, 2, 0, 0, 1, 3, 0], 2048 / 4);
    const error = errorOf(code as 'ERR_INPUT_INVALID', () => stream.submit());
    expect(error.details.command).toBe(1);
    expect(readI32(stream, buffer)).toEqual([1, 1, 1, 1]);
  });

  it('names the edit', () => {
    const buffer = device.allocate(16);
    block([UPLOAD_ROWS, buffer.id, 2048, 2, 2, DATA]);
    words.set([0, 0, 2, 0, 1, 2, 1, 0], 2048 / 4);
    const error = errorOf('ERR_INPUT_INVALID', () => stream.submit());
    expect(error.details).toEqual({ command: 0, edit: 1, row: 1, begin: 2, end: 1, pitch: 2 });
  });

  it('does not reach a disposed object or another device', () => {
    const other = openDevice({ device: TEST_DEVICE });
    while (other.allocate(4).id < 1000);
    block([UPLOAD, 1000, 0, DATA, 4]);
    errorOf('ERR_INPUT_INVALID', () => stream.submit());
    const event = device.createEvent();
    event.dispose();
    block([RECORD, event.id]);
    errorOf('ERR_INPUT_INVALID', () => stream.submit());
    other.dispose();
  });

  it('has more commands than it has room for', () => {
    words[0] = 65;
    expect(errorOf('ERR_INPUT_INVALID', () => stream.submit()).details).toEqual({ commands: 65, maxCommands: 64 });
    words[0] = -1;
    errorOf('ERR_INPUT_INVALID', () => stream.submit());
    errorOf('ERR_INPUT_INVALID', () => stream.submit(0));
  });
});

describe('where the block lies', () => {
  it.each([
    [-4, 1],
    [2, 1],
    [PAGE - 32, 1],
    [PAGE, 1],
    [0, 0],
    [0, 2048],
    [2 ** 53 - 1, 1],
    [0, 2 ** 53 - 1],
  ])('setCommandBlock(%i, %i) is refused', (offset, maxCommands) => {
    errorOf('ERR_INPUT_INVALID', () => stream.setCommandBlock(offset, maxCommands));
  });

  it.each([-4, 2, PAGE - 28, 2 ** 53 - 4, 0.5])('submit(%d) is refused', (offset) => {
    errorOf('ERR_INPUT_INVALID', () => stream.submit(offset));
  });

  it('is said before submit()', () => {
    errorOf('ERR_INPUT_INVALID', () => device.createStream().submit());
    const bare = openDevice({ device: TEST_DEVICE });
    errorOf('ERR_INPUT_INVALID', () => bare.createStream().setCommandBlock(0, 1));
    errorOf('ERR_INPUT_INVALID', () => bare.createStream().submit(0));
    bare.dispose();
  });
});

describe('the arena', () => {
  it('is bound once, to memory of a size', () => {
    errorOf('ERR_DEVICE_BUSY', () => device.bindArena(new Uint8Array(new SharedArrayBuffer(64))));
    const fresh = openDevice({ device: TEST_DEVICE });
    errorOf('ERR_INPUT_INVALID', () => fresh.bindArena(new Uint8Array(new SharedArrayBuffer(64), 0, 0)));
    errorOf('ERR_INPUT_INVALID', () => fresh.bindArena([] as unknown as Uint8Array));
    fresh.dispose();
  });

  it.each<[string, () => ArrayBufferLike]>([
    ['shared', () => new SharedArrayBuffer(65_536)],
    ['of WebAssembly', () => new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer],
    [
      'of WebAssembly in another realm',
      () => runInNewContext('new WebAssembly.Memory({ initial: 1, maximum: 1 }).buffer'),
    ],
  ])('may be memory that is %s', (_, make) => {
    const memory = make();
    const own = openDevice({ device: TEST_DEVICE });
    const view = new Int32Array(memory);
    own.bindArena(new Uint8Array(memory));
    const buffer = own.allocate(4);
    view.set([1], 0);
    view.set([UPLOAD, buffer.id, 0, 1024, 4], 8);
    view[256] = 77;
    const to = own.createStream();
    to.submit(0);
    expect(readI32(to, buffer)).toEqual([77]);
    own.dispose();
  });

  class Hiding extends Uint8Array<ArrayBuffer> {
    override get buffer(): ArrayBuffer {
      return new SharedArrayBuffer(64) as unknown as ArrayBuffer;
    }
  }
  const Resizable = ArrayBuffer as unknown as new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;

  it.each<[string, ArrayBuffer, typeof Uint8Array<ArrayBuffer>]>([
    ['', new ArrayBuffer(64), Uint8Array],
    ['of another realm', runInNewContext('new ArrayBuffer(64)'), Uint8Array],
    ['behind a getter', new ArrayBuffer(64), Hiding],
    ['that can be resized', new Resizable(64, { maxByteLength: 128 }), Uint8Array],
  ])('is no plain ArrayBuffer %s, which JavaScript could free under a stream', (_, memory, View) => {
    const own = openDevice({ device: TEST_DEVICE });
    const error = errorOf('ERR_INPUT_INVALID', () => own.bindArena(new View(memory)));
    expect(error.message).toMatch(/give a view of .*\.$/);
    expect(memory.byteLength).toBe(64);
    own.dispose();
  });
});
