import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { optimiseLadder } from '../../../dist/entry/capture.js';
import {
  CAPTURE_COSTS,
  type CaptureCost,
  type CaptureLogRecord,
  captureCost,
  captureOf,
  fitCaptureCost,
  readCaptureLog,
  tokenCosts,
} from '../../../dist/entry/workload.js';
import { runs } from '../../support/property-runs.js';

const made: CaptureCost = {
  name: 'made',
  source: 'a test',
  poolBytesPerToken: 1000,
  bytesPerGraph: 50,
  firstSeconds: 4,
  secondsPerGraph: 0.5,
};

describe('what capturing costs', () => {
  it('is a pool for the largest graph, and a share for each', () => {
    expect(captureOf(made, [1, 8, 4])).toEqual({ graphBytes: 8000 + 150, seconds: 5.5 });
    expect(captureOf(made, [])).toEqual({ graphBytes: 0, seconds: 0 });
  });

  it('adds up to what was published', () => {
    const sizes = (graphs: number, largest: number): number[] => [...Array(graphs - 1).fill(1), largest];
    const trtllm = captureCost('trtllm-deepseek-r1');
    expect(captureOf(trtllm, sizes(23, 2048)).seconds).toBeCloseTo(10.8, 9);
    expect(captureOf(trtllm, sizes(259, 2048)).seconds).toBeCloseTo(25.9, 9);
    const more = captureOf(trtllm, sizes(49, 2048)).graphBytes - captureOf(trtllm, sizes(23, 2048)).graphBytes;
    expect(more).toBeCloseTo(260e6, 3);
    expect(captureOf(captureCost('vllm-qwen3-0.6b'), sizes(67, 512)).graphBytes / 2 ** 30).toBeCloseTo(0.59, 9);
    expect(captureOf(captureCost('vllm-llama-3.2-1b'), sizes(35, 512)).seconds).toBeCloseTo(14, 9);
    const prefill = captureCost('sglang-kimi-k2-prefill');
    expect(captureOf(prefill, [8192]).graphBytes / 2 ** 30).toBeCloseTo(0.49, 9);
    expect(captureOf(prefill, sizes(4, 8192)).graphBytes / 2 ** 30).toBeCloseTo(1.94, 9);
    expect(captureOf(prefill, sizes(4, 8192)).seconds).toBeCloseTo(76.9, 9);
    for (const cost of Object.values(CAPTURE_COSTS)) {
      expect(cost.firstSeconds).toBeGreaterThanOrEqual(0);
      expect(cost.poolBytesPerToken).toBeGreaterThanOrEqual(0);
    }
    expect(() => captureCost('none' as never)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
  });

  it('bounds a ladder: the best one within a budget', async () => {
    const counts = Array.from({ length: 65 }, (_, size) => size % 7);
    const curve = await optimiseLadder({ counts, costs: tokenCosts(64).costs });
    const within = (bytes: number): number | undefined =>
      curve.best(({ sizes }) => captureOf(made, sizes).graphBytes <= bytes)?.graphs;
    expect(within(64000 + 5 * 50)).toBe(5);
    expect(within(64000 + 5 * 50 - 1)).toBe(4);
    expect(within(64000)).toBeUndefined();
  });
});

describe('a fitted capture cost', () => {
  it('is the one that made the log, whatever the order of capture', () => {
    const positive = fc.double({ min: 0, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({
          poolBytesPerToken: positive,
          bytesPerGraph: positive,
          firstSeconds: positive,
          secondsPerGraph: positive,
        }),
        fc.uniqueArray(fc.integer({ min: 1, max: 4096 }), { minLength: 2, maxLength: 40 }),
        (cost, sizes) => {
          let largest = 0;
          const log = sizes.map((tokens, i): CaptureLogRecord => {
            const growth = Math.max(0, tokens - largest);
            largest += growth;
            return {
              tokens,
              reservedBytes: cost.bytesPerGraph + cost.poolBytesPerToken * growth,
              seconds: cost.secondsPerGraph + (i === 0 ? cost.firstSeconds : 0),
            };
          });
          // Where every graph lets the pool grow by as many tokens, the log does not tell constant and growth apart.
          const growths = new Set(log.map(({ reservedBytes }) => reservedBytes));
          const { cost: fitted, bytesError, secondsError } = fitCaptureCost(log);
          const total = captureOf({ ...made, ...cost }, sizes);
          expect(bytesError).toBeLessThanOrEqual(1e-6 * (total.graphBytes + 1));
          expect(secondsError).toBeLessThanOrEqual(1e-6 * (total.seconds + 1));
          const found = captureOf(fitted, sizes);
          expect(Math.abs(found.seconds - total.seconds)).toBeLessThanOrEqual(1e-6 * (total.seconds + 1));
          expect(Math.abs(found.graphBytes - total.graphBytes)).toBeLessThanOrEqual(1e-6 * (total.graphBytes + 1));
          if (growths.size > 1) {
            expect(Math.abs(fitted.bytesPerGraph - cost.bytesPerGraph)).toBeLessThanOrEqual(
              1e-5 * (total.graphBytes + 1),
            );
          }
        },
      ),
      runs(200),
    );
  });

  it('has no negative part, and no other such is nearer', () => {
    const amount = fc.integer({ min: 0, max: 1000 });
    fc.assert(
      fc.property(
        fc.array(fc.record({ tokens: fc.integer({ min: 1, max: 64 }), reservedBytes: amount, seconds: amount }), {
          minLength: 1,
          maxLength: 8,
        }),
        fc.double({ min: -50, max: 50, noNaN: true }),
        fc.double({ min: -50, max: 50, noNaN: true }),
        (log, moreConstant, moreGrowth) => {
          const { cost, bytesError } = fitCaptureCost(log);
          const { bytesPerGraph, poolBytesPerToken } = cost;
          expect(
            Math.min(bytesPerGraph, poolBytesPerToken, cost.firstSeconds, cost.secondsPerGraph),
          ).toBeGreaterThanOrEqual(0);
          const constant = Math.max(0, bytesPerGraph + moreConstant);
          const growth = Math.max(0, poolBytesPerToken + moreGrowth);
          let largest = 0;
          const left = log.map(({ tokens, reservedBytes }) => {
            const more = Math.max(0, tokens - largest);
            largest += more;
            return (reservedBytes - constant - growth * more) ** 2;
          });
          const other = Math.sqrt(left.reduce((sum, square) => sum + square, 0) / log.length);
          expect(bytesError).toBeLessThanOrEqual(other + 1e-6);
        },
      ),
      runs(300),
    );
  });

  it('needs a graph', () => {
    expect(() => fitCaptureCost([])).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }));
  });
});

describe('a capture log', () => {
  const read = (text: string): ReturnType<typeof readCaptureLog> =>
    readCaptureLog(
      (async function* () {
        yield text;
      })(),
    );

  it('is read in the order of capture', async () => {
    const lines = [
      '{"key": {"mode": "full", "tokens": 512}, "reservedBytes": 900, "allocatedBytes": 700, "seconds": 2.5}',
      '',
      '{"key": 256, "bytes": 40, "nodes": 7, "seconds": 0.25}',
    ];
    expect(await read(`${lines.join('\r\n')}\n`)).toEqual([
      { tokens: 512, reservedBytes: 900, seconds: 2.5 },
      { tokens: 256, reservedBytes: 40, seconds: 0.25 },
    ]);
  });

  it.each([
    ['', /no captured graph; a capture log is JSON Lines/],
    ['{"key": 1, "reservedBytes": 1, "seconds": 1}\nnot JSON', /:2: the line must be one JSON object/],
    ['null', /:1: the line must be one JSON object/],
    ['{"key": {"tokens": 0}, "reservedBytes": 1, "seconds": 1}', /:1: key must be a capture key or its tokens/],
    ['{"reservedBytes": 1, "seconds": 1}', /key must be .* found missing/],
    ['{"key": 1, "seconds": 1}', /reservedBytes must be a number, not negative, found missing/],
    ['{"key": 1, "reservedBytes": -5, "seconds": 1}', /reservedBytes must be/],
    ['{"key": 1, "reservedBytes": 5, "allocatedBytes": "x", "seconds": 1}', /allocatedBytes must be/],
    ['{"key": 1, "reservedBytes": 5}', /seconds must be/],
  ])('is refused: %j', async (text, message) => {
    await expect(read(text)).rejects.toMatchObject({
      code: 'ERR_INPUT_INVALID',
      message: expect.stringMatching(message),
    });
  });
});
