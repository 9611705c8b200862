import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readEngineLog, readEngineRun } from '../../../dist/engines/index.js';

const fixture = (name: string): string => path.join(import.meta.dirname, '../../fixtures/engines', name);
const VLLM = fixture('vllm-cudagraph-metrics.log');
const SGLANG = fixture('sglang-batches.log');

async function* chunks(...texts: string[]): AsyncGenerator<string> {
  yield* texts;
}

const invalid = (fragment: string) =>
  expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining(fragment) });

describe("vLLM's tables", () => {
  test('rows of all tables, whatever stands before them, added up; a row that is cut off counts not', async () => {
    expect(await readEngineLog(VLLM)).toEqual({
      engine: 'vllm',
      batches: [
        { phase: 'decode', tokens: 33, padded: 40, mode: 'full', count: 400 },
        { phase: 'decode', tokens: 32, padded: 32, mode: 'full', count: 96 },
        { phase: 'mixed', tokens: 57, padded: 64, mode: 'piecewise', count: 5 },
        { phase: 'mixed', tokens: 1187, padded: 1187, mode: 'eager', count: 9 },
      ],
    });
  });

  const header = '| Unpadded Tokens | Padded Tokens | Num Paddings | Runtime Mode | Count |\n';
  const row = '| 3 | 4 | 1 | CUDAGraphMode.FULL | 2 |\n';

  test("full graphs hold decodes alone in the modes that keep them apart, vLLM's default among them", async () => {
    const phase = async (mode: string): Promise<string> =>
      (await readEngineLog(chunks(`${mode}\n${header}${row}`))).batches[0].phase;
    expect(await phase('- Mode: FULL_DECODE_ONLY')).toBe('decode');
    expect(await phase('- Mode: CUDAGraphMode.FULL_AND_PIECEWISE')).toBe('decode');
    expect(await phase('- Mode: CUDAGraphMode.FULL')).toBe('mixed');
    expect(await phase('**CUDAGraph Stats:**')).toBe('decode');
    expect(await phase('- Mode: verbose')).toBe('decode');
  });

  test('a row whose table lost its head counts; one whose numbers do not add up is none', async () => {
    const [batch] = (await readEngineLog(chunks(row))).batches;
    expect(batch).toEqual({ phase: 'decode', tokens: 3, padded: 4, mode: 'full', count: 2 });
    const wrong = '| 3 | 4 | 2 | FULL | 2 |\n';
    await expect(readEngineLog(chunks(header, wrong))).rejects.toThrowError(invalid('it holds no batch'));
    expect((await readEngineLog(chunks(header, wrong, row))).batches).toHaveLength(1);
  });
});

describe("vLLM's metrics", () => {
  const bucket = (bound: string, count: number, engine = 0): string =>
    `vllm:iteration_tokens_total_bucket{engine="${engine}",le="${bound}",model_name="m"} ${count}.0\n`;
  const scrape = (counts: readonly number[], engine = 0): string[] => [
    '# TYPE vllm:iteration_tokens_total histogram\n',
    ...['1.0', '8.0', '16.0', '+Inf'].map((bound, at) => bucket(bound, counts[at], engine)),
  ];
  const stepsIn = (batches: readonly { tokens: number; count: number }[], from: number, to: number): number =>
    batches.reduce((sum, { tokens, count }) => sum + (tokens >= from && tokens <= to ? count : 0), 0);

  test('steps of a bucket are spread over its sizes, none lost, of unknown phase', async () => {
    const { engine, batches, times } = await readEngineRun(chunks(...scrape([3, 10, 110, 111])));
    expect(engine).toBe('vllm');
    expect(batches.every(({ phase }) => phase === 'mixed')).toBe(true);
    const counted = [stepsIn(batches, 1, 1), stepsIn(batches, 2, 8), stepsIn(batches, 9, 16), stepsIn(batches, 17, 17)];
    expect(counted).toEqual([3, 7, 100, 1]);
    expect(batches.filter(({ tokens }) => tokens > 8 && tokens <= 16).map(({ count }) => count)).toEqual([
      12, 13, 12, 13, 12, 13, 12, 13,
    ]);
    expect(times.every(({ ms }) => ms === null)).toBe(true);
  });

  test('a later scrape replaces an earlier one, the engine that counted most counts, and one that started anew counts both times', async () => {
    const total = async (...lines: string[]): Promise<number> =>
      stepsIn((await readEngineRun(chunks(...lines))).batches, 1, 1 << 20);
    expect(await total(...scrape([1, 5, 9, 9]), ...scrape([2, 8, 20, 20]))).toBe(20);
    expect(await total(...scrape([1, 5, 9, 9]), ...scrape([2, 8, 20, 20], 1))).toBe(20);
    expect(await total(...scrape([4, 5, 9, 9]), ...scrape([1, 2, 3, 3]))).toBe(12);
    expect(await total('vllm_iteration_tokens_total_bucket{le="8",engine="0"} 1.2e+03\n')).toBe(1200);
  });

  test("SGLang's metrics count no steps by size, and the refusal says so", async () => {
    const text = '# TYPE sglang:num_running_reqs gauge\nsglang:num_running_reqs{model_name="m"} 3.0\n';
    await expect(readEngineLog(chunks(text))).rejects.toThrowError(invalid("SGLang's metrics"));
  });
});

describe("vLLM's line of throughput", () => {
  const line = (running: number, second: number, engine = 0): string =>
    `INFO 11-02 09:15:${String(second).padStart(2, '0')} [loggers.py:248] Engine 00${engine}: Avg prompt throughput: 0.0 tokens/s, ` +
    `Avg generation throughput: 812.4 tokens/s, Running: ${running} reqs, Waiting: 2 reqs, GPU KV cache usage: 3.1%\n`;
  const older =
    'INFO 03-12 10:11:12 metrics.py:455] Avg prompt throughput: 0.0 tokens/s, Running: 5 reqs, Swapped: 0 reqs\n';

  test('is a decode of the requests that run, and idle moments none', async () => {
    const { engine, batches, sampled } = await readEngineRun(chunks(line(42, 1), line(0, 11), line(42, 21), older));
    expect([engine, sampled]).toEqual(['vllm', true]);
    expect(batches).toEqual([
      { phase: 'decode', tokens: 42, requests: 42, count: 2 },
      { phase: 'decode', tokens: 5, requests: 5, count: 1 },
    ]);
    const drafts = await readEngineLog(chunks(line(42, 1)), { queryLen: 3 });
    expect(drafts.batches).toEqual([{ phase: 'decode', tokens: 126, requests: 42, count: 1 }]);
  });

  test('of several ranks in one round is a step of the largest', async () => {
    const { batches } = await readEngineRun(chunks(line(3, 1), line(9, 2, 1), line(0, 11), line(4, 12, 1)));
    expect(batches).toEqual([
      { phase: 'decode', tokens: 9, requests: 9, ranks: 2, rankTokens: 12, count: 1 },
      { phase: 'decode', tokens: 4, requests: 4, ranks: 2, rankTokens: 4, count: 1 },
    ]);
  });

  test('counts only where no line counts batches', async () => {
    const table =
      '| Unpadded Tokens | Padded Tokens | Num Paddings | Runtime Mode | Count |\n| 7 | 8 | 1 | FULL | 12 |\n';
    const { batches, sampled } = await readEngineRun(chunks(line(42, 1), table, line(3, 11)));
    expect([batches.map(({ tokens, count }) => [tokens, count]), sampled]).toEqual([[[7, 12]], false]);
    // ATOM grew out of vLLM, and logs the same line.
    const atom = await readEngineRun(chunks(line(42, 1), 'Scheduled prefill batch: 1 reqs, 158 new tokens\n'));
    expect([atom.engine, atom.batches.length, atom.sampled]).toEqual(['atom', 1, false]);
    await expect(readEngineRun(chunks(line(0, 1)))).rejects.toThrowError(invalid('it holds no batch'));
  });
});

describe("SGLang's lines", () => {
  test('fields in any order, and with others between them', async () => {
    const { batches } = await readEngineLog(
      chunks(
        'Prefill batch, #new-token: 158, #cached-token: 0, #new-seq: 2, #running-req: 9\n',
        'Decode batch [7], #token: 12, #running-req: 3, npu graph: True\n',
        'Prefill batch, #new-token: 158, #running-req: 9\n',
      ),
    );
    expect(batches).toEqual([
      { phase: 'prefill', tokens: 158, requests: 2, count: 1 },
      { phase: 'decode', tokens: 3, requests: 3, mode: 'graph', count: 1 },
    ]);
  });

  test('decodes and prefills, of older versions too; an idle rank has no batch', async () => {
    expect(await readEngineLog(SGLANG)).toEqual({
      engine: 'sglang',
      batches: [
        { phase: 'prefill', tokens: 158, requests: 1, mode: 'eager', count: 1 },
        { phase: 'prefill', tokens: 4690, requests: 31, mode: 'eager', count: 1 },
        { phase: 'decode', tokens: 32, requests: 32, mode: 'graph', count: 2 },
        { phase: 'decode', tokens: 600, requests: 600, mode: 'eager', count: 1 },
        { phase: 'decode', tokens: 7, requests: 7, count: 1 },
      ],
    });
  });

  test('a decode has as many tokens as its requests have', async () => {
    const { batches } = await readEngineLog(SGLANG, { queryLen: 4 });
    expect(batches.filter(({ phase }) => phase === 'decode').map(({ tokens }) => tokens)).toEqual([128, 2400, 28]);
    expect(batches[0].tokens).toBe(158);
    await expect(readEngineLog(SGLANG, { queryLen: 0 })).rejects.toThrowError(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
    );
  });
});

describe('sources', () => {
  test('bytes in any portions give the same', async () => {
    const whole = await readEngineLog(VLLM);
    for (const highWaterMark of [1, 7, 1 << 16]) {
      expect(await readEngineLog(createReadStream(VLLM, { highWaterMark }))).toEqual(whole);
    }
    expect(await readEngineLog(new URL(`file://${VLLM}`))).toEqual(whole);
  });

  test('the last line needs no end, and bytes that are no text do no harm', async () => {
    async function* bytes(): AsyncGenerator<Uint8Array> {
      yield Uint8Array.from([0xff, 0xfe, 0x0a]);
      yield new TextEncoder().encode('Decode batch, #running-req: 5, #token: 9');
    }
    expect((await readEngineLog(bytes())).batches).toEqual([{ phase: 'decode', tokens: 5, requests: 5, count: 1 }]);
  });

  test('a last line that is cut within a number, or before one, does not count', async () => {
    const whole = 'Decode batch, #running-req: 5, #token: 9\n';
    for (const cut of ['Decode batch, #running-req: 3', 'Prefill batch, #new-seq: 1, #new-token: 15']) {
      expect((await readEngineLog(chunks(whole, cut))).batches).toHaveLength(1);
      expect((await readEngineLog(chunks(whole, `${cut}\n`))).batches).toHaveLength(2);
    }
    // Nor does it say that its rank was idle.
    const ranked = (rank: number, text: string): string => `[2026-05-07 05:58:00 DP${rank}] Decode batch, ${text}`;
    const { batches } = await readEngineLog(chunks(ranked(0, '#running-req: 5, #token: 9\n'), ranked(1, '#runn')));
    expect(batches).toEqual([{ phase: 'decode', tokens: 5, requests: 5, count: 1 }]);
  });

  test("a terminal's colours, CRLF and lines of JSON give the same", async () => {
    const plain = await readFile(VLLM, 'utf8');
    const whole = await readEngineLog(VLLM);
    const coloured = plain.replace(/\| (\w+)/g, '\u001b[1;32m| \u001b[0m$1\u001b[0m');
    expect(coloured).not.toBe(plain);
    expect(await readEngineLog(chunks(coloured))).toEqual(whole);
    expect(await readEngineLog(chunks(plain.replaceAll('\n', '\r\n')))).toEqual(whole);
    const lines = plain.split('\n').map((log) => JSON.stringify({ log: `${log}\n`, stream: 'stderr' }));
    expect(await readEngineLog(chunks(lines.join('\n')))).toEqual(whole);
    expect(await readEngineLog(chunks(JSON.stringify({ level: 'INFO', message: plain })))).toEqual(whole);
  });

  test('a log without batches, and one of two engines, say what is wrong', async () => {
    const text = 'INFO: Uvicorn running\n| a | table |\n';
    const none = await readEngineLog(chunks(text)).catch((error) => error);
    expect(none).toEqual(invalid('--cudagraph-metrics'));
    expect(none).toEqual(invalid('#running-req'));
    await expect(readEngineLog(chunks(''))).rejects.toThrowError(invalid('the stream'));
    async function* both(): AsyncGenerator<Uint8Array> {
      for (const file of [VLLM, SGLANG]) for await (const chunk of createReadStream(file)) yield chunk as Uint8Array;
    }
    await expect(readEngineLog(both())).rejects.toThrowError(invalid('both vllm and sglang'));
    const throughput =
      'INFO 10-02 14:03:31 Engine 000: Avg generation throughput: 812.4 tokens/s, Running: 42 reqs, Waiting: 0 reqs\n';
    const sglang = 'Decode batch, #running-req: 5, #token: 9, cuda graph: True\n';
    for (const [first, second] of [
      [throughput, sglang],
      [sglang, throughput],
    ] as const) {
      await expect(readEngineLog(chunks(first, second))).rejects.toThrowError(invalid('both vllm and sglang'));
    }
  });

  test('a file that is not there', async () => {
    await expect(readEngineLog(fixture('none.log'))).rejects.toThrowError(invalid('cannot be read (ENOENT'));
  });

  test('an abort ends it at once, also where the source has nothing to give', async () => {
    async function* silent(): AsyncGenerator<string> {
      yield 'Decode batch, #running-req: 5, #token: 9\n';
      await new Promise(() => undefined);
    }
    const aborted = expect.objectContaining({ code: 'ERR_ABORTED' });
    const controller = new AbortController();
    const reading = readEngineLog(silent(), { signal: controller.signal });
    setImmediate(() => controller.abort());
    await expect(reading).rejects.toThrowError(aborted);
    await expect(readEngineLog(VLLM, { signal: AbortSignal.abort() })).rejects.toThrowError(aborted);
  });
});
