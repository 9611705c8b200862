import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Checkpoint, openCheckpoint } from '../../../dist/checkpoint/index.js';

const work = mkdtempSync(path.join(tmpdir(), 'lockstep-safetensors-'));
afterAll(() => rmSync(work, { recursive: true }));

const CONFIG = {
  model_type: 'llama',
  hidden_size: 4,
  intermediate_size: 4,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  vocab_size: 4,
};

/** A .safetensors file: a header, its length in front unless another is given, and data. */
function safetensors(header: unknown, data: Uint8Array, length?: bigint): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const front = Buffer.alloc(8);
  front.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([front, text, data]);
}

let folders = 0;
function folder(files: Readonly<Record<string, Uint8Array | string>>): string {
  const directory = path.join(work, String(folders++));
  mkdirSync(directory);
  writeFileSync(path.join(directory, 'config.json'), JSON.stringify(CONFIG));
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(directory, name), content);
  return directory;
}

const opened = (files: Readonly<Record<string, Uint8Array | string>>): Checkpoint => openCheckpoint(folder(files));
const one = (header: unknown, data: Uint8Array, length?: bigint): Checkpoint =>
  opened({ 'model.safetensors': safetensors(header, data, length) });

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const words = (...values: number[]): Uint8Array => new Uint8Array(Uint16Array.from(values).buffer);
const entry = (dtype: string, shape: unknown, begin: unknown, end: unknown) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});
/** An error that names what is wrong. */
const refused = (...parts: readonly string[]) =>
  expect.objectContaining({
    code: 'ERR_MODEL_INVALID',
    message: expect.stringMatching(
      new RegExp(parts.map((part) => part.replaceAll(/[[\]*()]/g, '\\$&')).join('.*'), 's'),
    ),
  });

describe('one file', () => {
  test('gives values of each format as float32', () => {
    const data = Buffer.concat([floats(1, -2.5, 3, 4), words(0x3f80, 0xc020), words(0x3c00, 0xc100, 0x0001)]);
    const checkpoint = one(
      {
        __metadata__: { format: 'pt' },
        full: entry('F32', [2, 2], 0, 16),
        brain: entry('BF16', [2], 16, 20),
        half: entry('F16', [3, 1], 20, 26),
        none: entry('F32', [0, 4], 26, 26),
        scalar: entry('F16', [], 26, 28),
      },
      Buffer.concat([data, words(0x4200)]),
    );
    expect(checkpoint.names).toEqual(['full', 'brain', 'half', 'none', 'scalar']);
    expect(checkpoint.names.map((name) => checkpoint.dtypeOf(name))).toEqual(['F32', 'BF16', 'F16', 'F32', 'F16']);
    expect([...checkpoint.tensor('full', [2, 2])]).toEqual([1, -2.5, 3, 4]);
    expect([...checkpoint.tensor('brain', [2])]).toEqual([1, -2.5]);
    expect([...checkpoint.tensor('half', [3, 1])]).toEqual([1, -2.5, 2 ** -24]);
    expect([...checkpoint.tensor('none', [0, 4])]).toEqual([]);
    expect([...checkpoint.tensor('scalar', [])]).toEqual([3]);
  });

  test('of a tensor that is absent or of another shape says which', () => {
    const checkpoint = one({ a: entry('F32', [2, 1], 0, 8) }, floats(1, 2));
    expect(() => checkpoint.tensor('b', [2])).toThrow(refused('"b"'));
    expect(() => checkpoint.dtypeOf('b')).toThrow(refused('"b"'));
    expect(() => checkpoint.tensor('lm_head.weight', [2])).toThrow(refused('tie_word_embeddings'));
    for (const shape of [[1, 2], [2], [2, 1, 1]]) {
      expect(() => checkpoint.tensor('a', shape)).toThrow(
        refused('model.safetensors', '"a"', `[${shape.join(', ')}]`, '[2,1]'),
      );
    }
  });

  test('that is cut off says which tensor lacks how many bytes', () => {
    const header = { a: entry('F32', [2], 0, 8), b: entry('F32', [3], 8, 20) };
    expect(() => one(header, floats(1, 2, 3))).toThrow(refused('model.safetensors', '"b"', '12 bytes', 'found 4'));
    expect(() => one(header, floats(1))).toThrow(refused('"a"', '8 bytes', 'found 4'));
  });

  test('that grows shorter after it was opened is refused when it is read', () => {
    const directory = folder({ 'model.safetensors': safetensors({ a: entry('F32', [2], 0, 8) }, floats(1, 2)) });
    const checkpoint = openCheckpoint(directory);
    truncateSync(path.join(directory, 'model.safetensors'), 20);
    expect(() => checkpoint.tensor('a', [2])).toThrow(refused('"a"', '8 bytes'));
    rmSync(path.join(directory, 'model.safetensors'));
    expect(() => checkpoint.tensor('a', [2])).toThrow(refused('cannot be read'));
  });

  test('is called what it is where it is no file', () => {
    const directory = folder({ 'model.safetensors': '' });
    rmSync(path.join(directory, 'config.json'));
    expect(() => openCheckpoint(directory)).toThrow(refused('config.json', 'there is no such file'));
    execFileSync('mkfifo', [path.join(directory, 'config.json')]);
    expect(() => openCheckpoint(directory)).toThrow(refused('config.json', 'it is a folder, a pipe or a device'));
  });

  const A = entry('F32', [2], 0, 8);
  test.each<[string, unknown, Uint8Array, string]>([
    ['bytes after the last tensor', { a: A }, floats(1, 2, 3), 'its last tensor ends'],
    ['a gap', { a: A, b: entry('F32', [1], 12, 16) }, floats(1, 2, 3, 4), 'leave gaps'],
    ['an overlap', { a: A, b: entry('F32', [2], 4, 12) }, floats(1, 2, 3), 'overlap'],
    ['the same range twice', { a: A, b: A }, floats(1, 2), 'overlap'],
    ['fewer bytes than the shape takes', { a: entry('F32', [3], 0, 8) }, floats(1, 2), '12 bytes apart'],
    ['more bytes than the shape takes', { a: entry('F16', [3], 0, 8) }, floats(1, 2), '6 bytes apart'],
    ['a range that runs backwards', { a: entry('F32', [2], 8, 0) }, floats(1, 2), 'where it ends'],
    ['a negative offset', { a: entry('F32', [2], -8, 0) }, floats(1, 2), 'where it ends'],
    ['an offset past all integers', { a: entry('F32', [2], 1e300, 1e300) }, floats(1, 2), 'where it ends'],
    ['a shape past all integers', { a: entry('F32', [2 ** 50, 2 ** 50], 0, 8) }, floats(1, 2), 'bytes apart'],
    ['a negative size', { a: entry('F32', [-2], 0, 8) }, floats(1, 2), 'a list of sizes'],
    ['a shape that is no list', { a: entry('F32', 2, 0, 8) }, floats(1, 2), 'a list of sizes'],
    ['one offset', { a: { dtype: 'F32', shape: [2], data_offsets: [8] } }, floats(1, 2), 'where it begins'],
    ['no offsets', { a: { dtype: 'F32', shape: [2] } }, floats(1, 2), 'where it begins'],
    ['a format of eight bits', { a: entry('F8_E4M3', [8], 0, 8) }, floats(1, 2), 'F8_E4M3'],
    ['integers', { a: entry('I64', [1], 0, 8) }, floats(1, 2), 'I64'],
    ['a tensor that is text', { a: 'F32' }, floats(1, 2), 'tensor "a"'],
    ['a list for a header', [], floats(), 'an object'],
    ['a header that ends early', '{"a":', floats(), 'JSON'],
    ['a name twice', `{"a":${JSON.stringify(A)},"a":${JSON.stringify(A)}}`, floats(1, 2), 'each name once'],
    ['a field twice', '{"a":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}', floats(), 'each name'],
  ])('with %s is refused', (_what, header, data, message) => {
    expect(() => one(header, data)).toThrow(refused('model.safetensors', message));
  });

  test.each<[string, Uint8Array]>([
    ['nothing', Buffer.alloc(0)],
    ['seven bytes', Buffer.alloc(7)],
    ['a header longer than the file', safetensors('{}', floats(), 3n)],
    ['a header longer than headers may be', safetensors('{}', floats(), 100_000_001n)],
    ['a header of all bytes there could be', safetensors('{}', floats(), 2n ** 64n - 1n)],
    ['a header that is no UTF-8', safetensors('', Buffer.from([0xff, 0xfe]), 2n)],
  ])('of %s is refused', (_what, bytes) => {
    expect(() => opened({ 'model.safetensors': bytes })).toThrow(refused('model.safetensors'));
  });
});

describe('several files', () => {
  const files = {
    'first.safetensors': safetensors({ a: entry('F32', [1], 0, 4) }, floats(1)),
    'second.safetensors': safetensors({ b: entry('F32', [1], 0, 4), c: entry('F32', [1], 4, 8) }, floats(2, 3)),
  };
  const index = (map: unknown) => ({ 'model.safetensors.index.json': JSON.stringify({ weight_map: map }) });

  test('without an index are all read', () => {
    const checkpoint = opened(files);
    expect(checkpoint.names).toEqual(['a', 'b', 'c']);
    expect(checkpoint.names.map((name) => checkpoint.tensor(name, [1])[0])).toEqual([1, 2, 3]);
  });

  test('with one tensor in two of them are refused', () => {
    const twice = { ...files, 'third.safetensors': files['first.safetensors'] };
    expect(() => opened(twice)).toThrow(refused('third.safetensors', '"a"', 'first.safetensors'));
  });

  test('are those of the index, where there is one', () => {
    const checkpoint = opened({
      ...files,
      'other.safetensors': 'x',
      ...index({ a: 'first.safetensors', c: 'second.safetensors' }),
    });
    expect(checkpoint.names).toEqual(['a', 'c']);
    expect(checkpoint.tensor('c', [1])[0]).toBe(3);
  });

  test.each<[string, unknown, string]>([
    ['a file that is not there', { a: 'none.safetensors' }, 'none.safetensors'],
    ['a file that lacks the tensor', { a: 'second.safetensors' }, '"a"'],
    ['a file elsewhere', { a: '../1/first.safetensors' }, '../1/first.safetensors'],
    ['a file of another kind', { a: 'config.json' }, 'config.json'],
    ['a number for a file', { a: 7 }, '"a"'],
    ['no map', undefined, 'weight_map'],
  ])('with an index that names %s are refused', (_what, map, message) => {
    expect(() => opened({ ...files, ...index(map) })).toThrow(refused(message));
  });

  test('that are none are refused, as is a folder that is none', () => {
    expect(() => opened({ 'pytorch_model.bin': 'x' })).toThrow(refused('no *.safetensors'));
    expect(() => openCheckpoint(path.join(work, 'nowhere'))).toThrow(refused('no such folder'));
    mkdirSync(path.join(work, 'empty'));
    expect(() => openCheckpoint(path.join(work, 'empty'))).toThrow(refused('config.json'));
  });
});
