import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ReadTraceOptions,
  type Request,
  readRequests,
  readTrace,
  type TraceSource,
} from '../../../dist/workload/index.js';
import { runs } from '../../support/property-runs.js';
import { traces, tracesAbsent } from '../../support/traces.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lockstep-traces-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(content: string | Uint8Array): string {
  const path = join(folder, `trace-${files++}.txt`);
  writeFileSync(path, content);
  return path;
}

async function read(source: TraceSource, options?: ReadTraceOptions): Promise<Request[]> {
  const requests: Request[] = [];
  for await (const request of readTrace(source, options)) requests.push(request);
  return requests;
}

/** [arrivalMs, inputTokens, outputTokens, hashIds] of every request. */
async function rows(content: string): Promise<unknown[]> {
  return (await read(file(content))).map((r) => [r.arrivalMs, r.inputTokens, r.outputTokens, r.hashIds]);
}

const AZURE = 'TIMESTAMP,ContextTokens,GeneratedTokens';
const BURSTGPT = 'Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type';

describe('the four formats, whatever the file is called', () => {
  it('reads Azure CSV and keeps what is below a millisecond', async () => {
    const content = `${AZURE}\n2023-11-16 23:59:59.9999999,374,44\n2023-11-17 00:00:00.0000000,396,109\n`;
    expect(await rows(content)).toEqual([
      [0, 374, 44, null],
      [expect.closeTo(0.0001, 9), 396, 109, null],
    ]);
  });

  it('reads the dates of the 2024 release, and dates without a fraction', async () => {
    const content = `${AZURE}\n2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 02:00:01+02:00,1,1\n`;
    expect(await rows(content)).toEqual([
      [0, 2162, 5, null],
      [expect.closeTo(990.07, 9), 1, 1, null],
    ]);
  });

  it('reads a date as JavaScript does, whatever its digits', async () => {
    const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 9 });
    const two = fc.integer({ min: 0, max: 66 }).map((value) => String(value).padStart(2, '0'));
    const date = fc.tuple(
      fc.integer({ min: 1, max: 32 }),
      two,
      two,
      two,
      fc.option(digits),
      fc.constantFrom('', 'Z', '+00:00', '-01:30', ' ', 'x'),
    );
    const origin = Date.UTC(2024, 0, 31, 5);
    await fc.assert(
      fc.asyncProperty(date, async ([day, hours, minutes, seconds, fraction, offset]) => {
        const time = `2024-02-${String(day).padStart(2, '0')} ${hours}:${minutes}:${seconds}`;
        const text = `${time}${fraction === null ? '' : `.${fraction}`}${offset}`;
        const ms = day > 29 ? Number.NaN : Date.parse(`${time.replace(' ', 'T')}${offset.trim() || 'Z'}`);
        const found = await rows(`${AZURE}\n2024-01-31 05:00:00,1,1\n${text},1,1\n`).catch((error) => error.code);
        const expected = ms - origin + Number((fraction ?? '').padEnd(9, '0')) / 1e6;
        if (Number.isNaN(ms)) expect(found).toBe('ERR_TRACE_INVALID');
        else expect(found[1][0]).toBe(expected);
      }),
      runs(300),
    );
  });

  it('reads BurstGPT CSV, failed calls included', async () => {
    const content = `${BURSTGPT}\n5,ChatGPT,472,18,490,Conversation log\n45.001,GPT-4,1087,0,1087,"API, log"\n`;
    expect(await rows(content)).toEqual([
      [0, 472, 18, null],
      [40_001, 1087, 0, null],
    ]);
  });

  it('reads columns by name, in any order and among others', async () => {
    const content = 'Session ID,Response tokens,Request tokens,Timestamp\nx,3,2,1\n';
    expect(await rows(content)).toEqual([[0, 2, 3, null]]);
  });

  it('reads Mooncake JSONL', async () => {
    const content = [
      '{"timestamp": 27482, "input_length": 512, "output_length": 52, "hash_ids": [46]}',
      '{"timestamp": 30535.5, "input_length": 513, "output_length": 26, "hash_ids": [46, 9007199254740991]}',
    ].join('\n');
    expect(await rows(content)).toEqual([
      [0, 512, 52, [46]],
      [3053.5, 513, 26, [46, 9007199254740991]],
    ]);
  });

  it('reads JSONL without hash_ids, or with them on some lines only', async () => {
    const content = [
      '{"input_length": 3, "timestamp": 0, "output_length": 0, "note": "x"}',
      '{"timestamp": 1, "input_length": 3, "output_length": 1, "hash_ids": null}',
      '{"timestamp": 2, "input_length": 3, "output_length": 1, "hash_ids": [7]}',
    ].join('\n');
    expect(await rows(content)).toEqual([
      [0, 3, 0, null],
      [1, 3, 1, null],
      [2, 3, 1, [7]],
    ]);
  });

  it('accepts hash ids of what was generated', async () => {
    const content = '{"timestamp": 0, "input_length": 512, "output_length": 600, "hash_ids": [1, 2, 3]}';
    expect(await rows(content)).toEqual([[0, 512, 600, [1, 2, 3]]]);
  });
});

describe('what files really look like', () => {
  it('takes CRLF, a byte order mark, blank lines, quotes, blanks and no last newline', async () => {
    const expected = [
      [0, 374, 44, null],
      [1000, 5, 6, null],
    ];
    const header = '"TIMESTAMP", "ContextTokens" ,GeneratedTokens';
    const content = `\uFEFF\r\n${header}\r\n\r\n"2023-11-16 18:15:46.5", 374,"44"\r\n  \n2023-11-16 18:15:47.5,5,6`;
    expect(await rows(content)).toEqual(expected);
    expect(await rows(`${content}\r\n\r\n\n`)).toEqual(expected);
    const line = (timestamp: number): string => `{"timestamp":${timestamp},"input_length":3,"output_length":1}`;
    expect(await rows(`\uFEFF\n${line(5)}\r\n\r\n ${line(6)} \n\n`)).toEqual([
      [0, 3, 1, null],
      [1, 3, 1, null],
    ]);
  });

  it('reads from a path, a URL, a stream and any chunks of text or bytes', async () => {
    const content = `${AZURE}\n2023-11-16 18:15:46,1,2\n2023-11-16 18:15:47,3,4\n`;
    const expected = await read(file(content));
    expect(expected.length).toBe(2);
    expect(await read(pathToFileURL(file(content)))).toEqual(expected);
    expect(await read(Readable.from([...content]))).toEqual(expected);
    const bytes = Buffer.from(`\uFEFF{"timestamp":0,"input_length":1,"output_length":1,"note":"é"}\n`);
    expect(await read(Readable.from([...bytes].map((byte) => Buffer.from([byte]))))).toHaveLength(1);
  });

  it('streams in the order of the file; the table sorts by arrival, keeps ties in order and numbers anew', async () => {
    const line = (timestamp: number, input: number): string =>
      `{"timestamp":${timestamp},"input_length":${input},"output_length":1,"hash_ids":[${input}]}\n`;
    const path = file(line(100, 1) + line(300, 2) + line(90, 3) + line(300, 4) + line(200, 5));
    expect((await read(path)).map((r) => [r.id, r.arrivalMs])).toEqual([
      [0, 0],
      [1, 200],
      [2, -10],
      [3, 200],
      [4, 100],
    ]);
    const table = await readRequests(path);
    expect([...table].map((r) => [r.id, r.arrivalMs, r.inputTokens, r.hashIds])).toEqual([
      [0, 0, 3, [3]],
      [1, 10, 1, [1]],
      [2, 110, 5, [5]],
      [3, 210, 2, [2]],
      [4, 210, 4, [4]],
    ]);
  });

  it.each([
    ['CSV', `${AZURE}\n2023-11-16 18:15:46,1,2\n2023-11-16 18:15:47,3,4\nbroken "\n`],
    [
      'JSONL',
      '{"timestamp":0,"input_length":1,"output_length":1}\n{"timestamp":0,"input_length":1,"output_length":1}\n{',
    ],
  ])('stops after the limit and does not look at the rest: %s', async (_, content) => {
    expect(await read(file(content), { limit: 2 })).toHaveLength(2);
    expect((await readRequests(file(content), { limit: 1 })).length).toBe(1);
    await expect(read(file(content), { limit: 3 })).rejects.toMatchObject({ code: 'ERR_TRACE_INVALID' });
  });

  it('closes its source when the reader stops early', async () => {
    let closed = false;
    async function* endless(): AsyncGenerator<string> {
      try {
        for (;;) yield '{"timestamp":0,"input_length":1,"output_length":1}\n';
      } finally {
        closed = true;
      }
    }
    for await (const request of readTrace(endless())) if (request.id === 5) break;
    expect(closed).toBe(true);
  });
});

describe('what is refused', () => {
  const azure = (row: string): string => `${AZURE}\n2023-11-16 18:15:46,1,2\n${row}\n`;
  const burstgpt = (row: string): string => `${BURSTGPT}\n5,m,1,2,3,log\n${row}\n`;
  const jsonl = (line: string): string => `{"timestamp":0,"input_length":1,"output_length":1}\n\n${line}\n`;

  it.each([
    ['a date that is none', azure('2023-13-16 18:15:46,1,2'), 3, 'TIMESTAMP', '2023-13-16'],
    ['no date', azure(',1,2'), 3, 'TIMESTAMP', '""'],
    ['a prompt of no tokens', azure('2023-11-16 18:15:46,0,2'), 3, 'ContextTokens', '0'],
    ['half a token', azure('2023-11-16 18:15:46,1.5,2'), 3, 'ContextTokens', '1.5'],
    ['a negative count', azure('2023-11-16 18:15:46,1,-2'), 3, 'GeneratedTokens', '-2'],
    ['a count beyond i32', azure('2023-11-16 18:15:46,2147483648,2'), 3, 'ContextTokens', '2147483648'],
    ['a missing field', azure('\n2023-11-16 18:15:46,1'), 4, 'the row', '2023-11-16 18:15:46,1'],
    ['a field too many', azure('2023-11-16 18:15:46,1,2,3'), 3, 'the row', '1,2,3'],
    ['a quote in the wrong place', azure('2023-11-16 18:15:46,1"x",2'), 3, 'the row', 'Quote'],
    ['a quote left open', azure('"2023-11-16 18:15:46,1,2'), 3, 'the row', 'Quote'],
    ['seconds that are none', burstgpt('soon,m,1,2,3,log'), 3, 'Timestamp', 'soon'],
    ['endless seconds', burstgpt('Infinity,m,1,2,3,log'), 3, 'Timestamp', 'Infinity'],
    ['an empty count', burstgpt('6,m,1,,3,log'), 3, 'Response tokens', '""'],
    ['cut JSON', jsonl('{"timestamp":0,'), 3, 'the line', 'timestamp'],
    ['an array', jsonl('[0, 1, 2]'), 3, 'the line', '[0,1,2]'],
    ['a timestamp of text', jsonl('{"timestamp":"0","input_length":1,"output_length":1}'), 3, 'timestamp', '"0"'],
    [
      'a day that is none',
      'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-02-27 00:00:00,1,1\n2023-02-30 00:00:00,1,1\n',
      3,
      'TIMESTAMP',
      '2023-02-30',
    ],
    [
      'a timestamp beyond f64',
      jsonl('{"timestamp":1e999,"input_length":1,"output_length":1}'),
      3,
      'timestamp',
      'Infinity',
    ],
    [
      'a time of no request',
      jsonl('{"timestamp":-1e300,"input_length":1,"output_length":1}'),
      3,
      'timestamp',
      '-1e+300',
    ],
    [
      'a column that stands there twice',
      'TIMESTAMP,ContextTokens,GeneratedTokens,ContextTokens\n2023-11-16 18:15:46,1,2,3\n',
      1,
      'the header',
      'GeneratedTokens,ContextTokens',
    ],
    ['no output_length', jsonl('{"timestamp":0,"input_length":1}'), 3, 'output_length', 'missing'],
    ['no tokens', jsonl('{"timestamp":0,"input_length":0,"output_length":1}'), 3, 'input_length', '0'],
    [
      'too few hash ids',
      jsonl('{"timestamp":0,"input_length":513,"output_length":1,"hash_ids":[1]}'),
      3,
      'hash_ids',
      'found 1',
    ],
    [
      'hash ids of a smaller block size',
      jsonl('{"timestamp":0,"input_length":64,"output_length":64,"hash_ids":[1,2,3,4]}'),
      3,
      'hash_ids',
      'found 4',
    ],
    [
      'hash ids of text',
      jsonl('{"timestamp":0,"input_length":1,"output_length":1,"hash_ids":["a"]}'),
      3,
      'hash_ids',
      '"a"',
    ],
    [
      'a negative hash id',
      jsonl('{"timestamp":0,"input_length":1,"output_length":1,"hash_ids":[-1]}'),
      3,
      'hash_ids',
      '-1',
    ],
    ['one hash id', jsonl('{"timestamp":0,"input_length":1,"output_length":1,"hash_ids":7}'), 3, 'hash_ids', '7'],
  ])('%s', async (_, content, line, field, found) => {
    const path = file(content);
    const error: Error = await read(path).then(
      () => new Error('was accepted'),
      (reason: Error) => reason,
    );
    expect(error).toMatchObject({ code: 'ERR_TRACE_INVALID', details: { file: path, line, field } });
    expect(error.message.startsWith(`${path}:${line}: ${field} must be `)).toBe(true);
    expect(error.message).toContain(found);
    expect(error.message).toMatch(/; correct the line/);
  });

  it('an unknown format, naming the four', async () => {
    for (const content of ['a,b,c\n1,2,3\n', '{"prompt": "x"}\n', '"open', '<html>', '[1]\n']) {
      const error = expect.objectContaining({
        code: 'ERR_TRACE_INVALID',
        message: expect.stringMatching(/unknown format.*Azure CSV.*BurstGPT CSV.*Mooncake JSONL.*Lockstep JSONL/s),
      });
      await expect(read(file(content))).rejects.toEqual(error);
    }
  });

  it('a CSV of other names, with the option that names its columns', async () => {
    const refused = async (header: string): Promise<string> => {
      const error = await read(file(`${header}\n1,2,3\n`)).catch((reason: Error) => reason);
      return (error as Error).message;
    };
    const hint = 'for this header: --columns timestamp=time,input_length=prompt,output_length=completion,';
    expect(await refused('time,prompt,completion')).toContain(hint);
    expect(await refused('id,"completion",time,prompt')).toContain(hint);
    // Names that are known come before those that are likely, and no id is taken.
    expect(await refused('conversation_id,start,prompt_tokens,prompt_time,completion_tokens')).toContain(
      '--columns timestamp=start,input_length=prompt_tokens,output_length=completion_tokens,',
    );
    expect(await refused('request_id,time_id,sent_date,context_len,generated')).toContain(
      '--columns timestamp=sent_date,input_length=context_len,output_length=generated,',
    );
    expect(await refused('when_started,request_tokens,response_tokens')).toContain(
      '--columns timestamp=when_started,input_length=request_tokens,output_length=response_tokens,',
    );
    // A request is text, one name is not two columns, and what cannot be guessed is not.
    expect(await refused('time,request,response')).not.toContain('for this header');
    expect(await refused('time,prompt completion,x')).not.toContain('for this header');
    expect(await refused('a,b,c')).not.toContain('for this header');
    const text = 'time,prompt,completion\n0.5,20,3\n1.5,10,2\n';
    const columns = { timestamp: 'time', input_length: 'prompt', output_length: 'completion' };
    const [, second] = await read(file(text), { columns, timeUnit: 's' });
    expect(second).toMatchObject({ arrivalMs: 1000, inputTokens: 10, outputTokens: 2 });
  });

  it('a file with nothing in it, or with a header alone', async () => {
    for (const content of ['', '\n \r\n', '\uFEFF', `${AZURE}\n`, BURSTGPT]) {
      await expect(read(file(content))).rejects.toMatchObject({ code: 'ERR_TRACE_INVALID' });
    }
  });

  it('bytes that are no UTF-8 text', async () => {
    const compressed = Buffer.from([0x1f, 0x8b, 8, 0, 0xff, 0xfe, 0x80]);
    await expect(read(file(compressed))).rejects.toMatchObject({
      code: 'ERR_TRACE_INVALID',
      message: expect.stringContaining('decompress'),
    });
  });

  it('a line without an end, before it fills the memory', async () => {
    async function* endless(): AsyncGenerator<string> {
      yield '{"timestamp":0,"input_length":1,"output_length":1}\n';
      for (;;) yield ' '.repeat(4 * 1024 * 1024);
    }
    await expect(read(endless())).rejects.toMatchObject({ code: 'ERR_TRACE_INVALID', details: { line: 2 } });
  });

  it('a file that is not there, a folder, a source that fails', async () => {
    const failing = Readable.from(
      (async function* () {
        yield `${AZURE}\n2023-11-16 18:15:46,1,2\n`;
        throw new Error('the disk is gone');
      })(),
    );
    for (const source of [join(folder, 'absent.csv'), folder, failing]) {
      await expect(read(source)).rejects.toMatchObject({ code: 'ERR_INPUT_INVALID' });
    }
  });

  it.each([0, -1, 1.5, Number.NaN])('a limit of %d', (limit) => {
    expect(() => readTrace('unread', { limit })).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }));
  });
});

describe('aborting', () => {
  it('stops before, during, and while the source is silent', async () => {
    const content = `${AZURE}\n${'2023-11-16 18:15:46,1,2\n'.repeat(10)}`;
    const aborted = { code: 'ERR_ABORTED' };
    await expect(read(file(content), { signal: AbortSignal.abort() })).rejects.toMatchObject(aborted);

    const during = new AbortController();
    const seen: number[] = [];
    const reading = async (): Promise<void> => {
      for await (const request of readTrace(file(content), { signal: during.signal })) {
        seen.push(request.id);
        if (request.id === 3) during.abort();
      }
    };
    await expect(reading()).rejects.toMatchObject(aborted);
    expect(seen).toEqual([0, 1, 2, 3]);

    const silent = new AbortController();
    const source = new Readable({ read: () => undefined });
    const waiting = read(source, { signal: silent.signal });
    setImmediate(() => silent.abort());
    await expect(waiting).rejects.toMatchObject(aborted);
    expect(source.destroyed).toBe(true);
  });
});

describe.skipIf(tracesAbsent)('real traces (skipped where there are none)', () => {
  it('reads the Azure conversation trace of 2023 whole', async () => {
    const table = await readRequests(join(traces, 'azure-llm-2023-conv.csv'));
    expect(table.length).toBe(19_366);
    expect(table.inputTokens.reduce((sum, tokens) => sum + tokens, 0)).toBe(22_361_870);
    expect(table.outputTokens.reduce((sum, tokens) => sum + tokens, 0)).toBe(4_088_665);
    expect(table.arrivalMs.at(-1)).toBeCloseTo(3_501_721.937, 6);
    expect(table.hashIds.length).toBe(0);
  });

  it('reads the Mooncake conversation trace whole', async () => {
    const table = await readRequests(join(traces, 'mooncake-conversation.jsonl'));
    expect(table.length).toBe(12_031);
    expect(table.inputTokens.reduce((sum, tokens) => sum + tokens, 0)).toBe(144_793_823);
    expect(table.outputTokens.reduce((sum, tokens) => sum + tokens, 0)).toBe(4_122_048);
    expect(table.arrivalMs.at(-1)).toBe(3_536_999);
    expect(table.hashIds.length).toBe(288_500);
    expect(new Set(table.hashIds).size).toBe(182_790);
  });
});
