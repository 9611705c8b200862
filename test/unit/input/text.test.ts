import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readEngineLog } from '../../../dist/engines/index.js';
import { lineRefusal, MAX_LINE_CHARACTERS, readCsv, readLineBlocks, readText } from '../../../dist/input/index.js';
import { readCaptureLog, readCostTable, readRequests } from '../../../dist/workload/index.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'lockstep-input-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const TRACE = 'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,1,2\n2023-11-16 18:15:47,3,4\n';
const refuse = lineRefusal('ERR_INPUT_INVALID', 'x', 'mend it');

async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<string | Uint8Array> {
  yield* parts;
}

test('a web stream is read, and what it held back is cancelled', async () => {
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(TRACE)),
    cancel: () => {
      cancelled = true;
    },
  });
  expect((await readRequests(stream, { limit: 2 })).length).toBe(2);
  expect(cancelled).toBe(true);
});

test('a path or URL that ends in .gz is unpacked; one that lies about it cannot be read', async () => {
  const file = path.join(folder, 'trace.csv.gz');
  writeFileSync(file, gzipSync(TRACE));
  for (const source of [file, pathToFileURL(file)]) {
    const table = await readRequests(source);
    expect([...table.inputTokens]).toEqual([1, 3]);
  }
  for (const [name, bytes] of [
    ['plain.gz', Buffer.from(TRACE)],
    ['cut.gz', gzipSync(TRACE).subarray(0, 40)],
  ] as const) {
    writeFileSync(path.join(folder, name), bytes);
    await expect(readRequests(path.join(folder, name))).rejects.toMatchObject({
      code: 'ERR_INPUT_INVALID',
      message: expect.stringContaining('cannot be read'),
    });
  }
  await expect(readRequests(path.join(folder, 'none.gz'))).rejects.toThrow(/ENOENT/);
});

test('lines come in blocks, one a chunk, numbered through', async () => {
  const blocks = [];
  for await (const block of readLineBlocks(
    chunks('a\nb', '', 'c\r', '\n\nd\r\n', 'e') as AsyncIterable<string>,
    refuse,
  )) {
    blocks.push(block);
  }
  expect(blocks).toEqual([
    { first: 1, lines: ['a'] },
    { first: 2, lines: ['bc', '', 'd'] },
    { first: 5, lines: ['e'], unended: true },
  ]);
});

const megabyte = (byte: number): Uint8Array => new Uint8Array(1 << 20).fill(byte);

/** A source without a line end. It gives more than any line may have, and not without end: a reader that goes on fails here. */
async function* endless(byte: number): AsyncGenerator<Uint8Array> {
  for (let given = 0; given < 4 * MAX_LINE_CHARACTERS; given += 1 << 20) yield megabyte(byte);
  throw new Error('read far beyond the longest line');
}

test.each([
  ['an engine log', (source: AsyncIterable<Uint8Array>) => readEngineLog(source), 'ERR_INPUT_INVALID'],
  ['a capture log', (source: AsyncIterable<Uint8Array>) => readCaptureLog(source), 'ERR_INPUT_INVALID'],
  ['a cost table', (source: AsyncIterable<Uint8Array>) => readCostTable(source, { maxSize: 8 }), 'ERR_INPUT_INVALID'],
  ['a trace', (source: AsyncIterable<Uint8Array>) => readRequests(source), 'ERR_TRACE_INVALID'],
])('%s of zeros is refused and not read for ever', async (_what, read, code) => {
  await expect(read(endless(0))).rejects.toMatchObject({ code });
});

test.each([
  ['commas', ',', 'at most 16777216 characters long'],
  ['an open quote', '"', 'at most 16777216 characters long'],
  ['a quote within a field', 'a"', 'found "Invalid Opening Quote: a quote is found on field 0 at li'],
])('a CSV row that begins with %s and does not end is refused at its line', async (_what, begin, message) => {
  async function* source(): AsyncGenerator<string> {
    yield `a,b\n${begin}`;
    for await (const bytes of endless(120)) yield Buffer.from(bytes).toString('latin1');
  }
  const reading = async (): Promise<void> => {
    for await (const rows of readCsv(source(), refuse)) for (const row of rows) expect(row.fields).toEqual(['a', 'b']);
  };
  await expect(reading()).rejects.toMatchObject({ message: expect.stringContaining(message), details: { line: 2 } });
});

test('blank lines by the million are passed over a block at a time', async () => {
  const blank = Array.from({ length: 2 }, () => megabyte(10));
  let blocks = 0;
  for await (const { lines } of readLineBlocks(readText(chunks(...blank)), refuse)) blocks += lines.length > 0 ? 1 : 0;
  expect(blocks).toBe(2);
  const log = 'Decode batch, #running-req: 5, #token: 9\n';
  expect((await readEngineLog(chunks(...blank, Buffer.from(log)))).batches).toHaveLength(1);
  const line = '{"timestamp":0,"input_length":1,"output_length":0}';
  expect((await readRequests(chunks(line, ...blank, line))).length).toBe(2);
  await expect(readRequests(chunks(line, ...blank, '{'))).rejects.toMatchObject({ details: { line: 2 * 2 ** 20 + 1 } });
});

test('what is not UTF-8 is refused in a table and a trace, replaced in a log', async () => {
  const broken = Buffer.concat([Buffer.from('num_tokens,time\n'), Buffer.from([0xff, 0xfe])]);
  await expect(readCostTable(chunks(broken), { maxSize: 1 })).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' });
  await expect(readRequests(chunks(broken))).rejects.toMatchObject({ code: 'ERR_TRACE_INVALID' });
  const log = Buffer.concat([Buffer.from([0xff, 10]), Buffer.from('Decode batch, #running-req: 5, #token: 9\n')]);
  expect((await readEngineLog(chunks(log))).batches).toHaveLength(1);
});

test('what gzip compressed, and UTF-16, is refused by its name, also in a log and byte by byte', async () => {
  const utf16 = Buffer.from(`\uFEFF${TRACE}`, 'utf16le');
  for (const [bytes, said] of [
    [gzipSync(TRACE), /compressed by gzip/],
    [utf16, /UTF-16 text; save it as UTF-8 \(iconv -f UTF-16 -t/],
    [Buffer.from(utf16).swap16(), /UTF-16 text; save it as UTF-8 \(iconv -f UTF-16 -t/],
    // Without the mark, its name says the order of its bytes.
    [Buffer.from(TRACE, 'utf16le'), /UTF-16 text; save it as UTF-8 \(iconv -f UTF-16LE -t/],
    [Buffer.from(TRACE, 'utf16le').swap16(), /UTF-16 text; save it as UTF-8 \(iconv -f UTF-16BE -t/],
  ] as const) {
    const refused = { code: 'ERR_TRACE_INVALID', message: expect.stringMatching(said) };
    await expect(readRequests(chunks(bytes))).rejects.toMatchObject(refused);
    for (const parts of [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))]) {
      await expect(readEngineLog(chunks(...parts))).rejects.toThrow(said);
    }
  }
});
