import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  generateWorkload,
  RequestTable,
  rejectedDraftId,
  scalePrompts,
  tokenId,
} from '../../../dist/workload/index.js';
import { exp, hash32, log, mix32, Random } from '../../../dist/workload/random.js';
import { runs } from '../../support/property-runs.js';

const row = { arrivalMs: 0, inputTokens: 1, outputTokens: 1, hashIds: null };

describe('the request table', () => {
  it('crosses to a worker without a copy', async () => {
    const requests = [
      { arrivalMs: 0, inputTokens: 600, outputTokens: 0, hashIds: [5, 2 ** 40] },
      { arrivalMs: 0.25, inputTokens: 7, outputTokens: 3, hashIds: null },
    ];
    const table = RequestTable.from(requests);
    const module = new URL('../../../dist/workload/index.js', import.meta.url).href;
    const code = `import(${JSON.stringify(module)}).then(({ RequestTable }) => {
      const { parentPort, workerData } = require('node:worker_threads');
      const table = RequestTable.fromShared(workerData);
      const requests = [...table];
      table.outputTokens[1] = 99;
      parentPort.postMessage(requests);
    });`;
    const worker = new Worker(code, { eval: true, workerData: table.toShared() });
    const received = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    expect(received).toEqual(requests.map((request, id) => ({ id, ...request })));
    expect(table.get(1).outputTokens).toBe(99);
    await worker.terminate();
  });

  it.each([
    ['arrivalMs', { arrivalMs: Number.NaN }],
    ['arrivalMs', { arrivalMs: Infinity }],
    ['inputTokens', { inputTokens: 0 }],
    ['inputTokens', { inputTokens: 2 ** 31 }],
    ['outputTokens', { outputTokens: -1 }],
    ['outputTokens', { outputTokens: 0.5 }],
    ['hashIds', { hashIds: [] }],
    ['hashIds', { hashIds: [0.5] }],
    ['hashIds', { hashIds: [2 ** 53] }],
    ['hashIds', { hashIds: [1, 2] }],
  ])('refuses a bad %s: %o', (field, bad) => {
    expect(() => RequestTable.from([row, { ...row, ...bad }])).toThrow(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID', details: expect.objectContaining({ request: 1, field }) }),
    );
  });

  it('refuses a request it does not hold and arrays that are not of one table', () => {
    const table = RequestTable.from([row]);
    const bad = expect.objectContaining({ code: 'ERR_INPUT_INVALID' });
    for (const id of [-1, 1, 0.5]) expect(() => table.get(id)).toThrow(bad);
    const shared = table.toShared();
    for (const name of Object.keys(shared)) {
      expect(() => RequestTable.fromShared({ ...shared, [name]: new SharedArrayBuffer(16) })).toThrow(bad);
    }
  });
});

describe('token ids', () => {
  const request = fc.record({ inputTokens: fc.integer({ min: 1, max: 2000 }), hashed: fc.boolean() });
  const position = fc.nat({ max: 4000 });

  it('are equal exactly where two prompts share a hash id at the same offset', () => {
    const table = RequestTable.from([
      { ...row, inputTokens: 1024, hashIds: [1, 2] },
      { ...row, inputTokens: 1100, hashIds: [3, 2, 4] },
      { ...row, inputTokens: 1024 },
    ]);
    const ids = (of: number): number[] => Array.from({ length: 1024 }, (_, at) => tokenId(table, of, at));
    const equal = (a: number[], b: number[]): number => a.filter((id, at) => id === b[at]).length;
    expect(equal(ids(0).slice(512), ids(1).slice(512))).toBe(512);
    expect(equal(ids(0).slice(0, 512), ids(1).slice(0, 512))).toBe(0);
    expect(equal(ids(0), ids(2))).toBe(0);
    // What follows a prompt is the request's own, even where the last hash block has room.
    expect(tokenId(table, 0, 1024)).not.toBe(tokenId(table, 2, 1024));
    expect(new Set([...ids(0), ...ids(2)]).size).toBe(2048);
  });

  it('are i32 of at least 0, and a rejected draft always differs', () => {
    fc.assert(
      fc.property(request, position, fc.nat(), ({ inputTokens, hashed }, at, attempt) => {
        const hashIds = hashed ? Array.from({ length: Math.ceil(inputTokens / 512) }, (_, k) => k) : null;
        const table = RequestTable.from([{ ...row, inputTokens, hashIds }]);
        const id = tokenId(table, 0, at);
        const draft = rejectedDraftId(table, 0, at, attempt);
        for (const one of [id, draft]) expect(one >= 0 && one < 2 ** 31 && Number.isInteger(one)).toBe(true);
        expect(draft).not.toBe(id);
      }),
      runs(100),
    );
  });

  it('are the same on every machine', () => {
    const table = RequestTable.from([{ ...row, inputTokens: 600, hashIds: [7, 8] }]);
    expect([0, 511, 512, 600].map((at) => tokenId(table, 0, at))).toEqual([
      1240881278, 1620917504, 430803560, 1322360765,
    ]);
    expect([0, 1].map((attempt) => rejectedDraftId(table, 0, 600, attempt))).toEqual([2070757531, 1344285249]);
  });
});

describe('random numbers', () => {
  it('are the same on every machine', () => {
    const random = new Random(1);
    // Computed with a separate implementation in arbitrary-precision integers.
    expect([random.next(), random.next(), random.next(), random.next()]).toEqual([
      2608986616, 526171485, 2119456613, 3921440391,
    ]);
  });

  it('flip each output bit for a flipped input bit with a chance near one half', () => {
    const flips = new Array<number>(32).fill(0);
    const samples = 2000;
    for (let i = 0; i < samples; i++) {
      const value = Math.imul(i, 0x9e3779b1);
      const difference = mix32(value) ^ mix32(value ^ (1 << (i % 32)));
      for (let bit = 0; bit < 32; bit++) flips[bit] = (flips[bit] ?? 0) + ((difference >>> bit) & 1);
    }
    // A standard deviation is 0.011.
    for (const count of flips) expect(Math.abs(count / samples - 0.5)).toBeLessThan(0.06);
  });

  it('tell apart order and words beyond 32 bits', () => {
    const hashes = [
      hash32(1, 2, 3),
      hash32(3, 2, 1),
      hash32(1, 2, 3 + 2 ** 32),
      hash32(1, 2 + 2 ** 40, 3),
      hash32(0, 2, 3),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it('have the logarithm and exponential of the engine to within rounding', () => {
    fc.assert(
      fc.property(fc.double({ min: -40, max: 40, noNaN: true }), (power) => {
        expect(Math.abs(exp(power) / Math.exp(power) - 1)).toBeLessThan(1e-14);
        const value = Math.exp(power);
        expect(Math.abs(log(value) - Math.log(value))).toBeLessThan(1e-14 * Math.max(1, Math.abs(power)));
      }),
      runs(500),
    );
  });

  it('are uniform, exponential and normal', () => {
    const random = new Random(3);
    const count = 40_000;
    const moments = (draw: () => number): [number, number] => {
      const values = Array.from({ length: count }, draw);
      const mean = values.reduce((sum, value) => sum + value, 0) / count;
      return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count];
    };
    const expectMoments = (found: [number, number], mean: number, variance: number): void => {
      expect(Math.abs(found[0] - mean)).toBeLessThan(0.03);
      expect(Math.abs(found[1] - variance)).toBeLessThan(0.06);
    };
    expectMoments(
      moments(() => random.uniform()),
      1 / 2,
      1 / 12,
    );
    expectMoments(
      moments(() => random.exponential()),
      1,
      1,
    );
    expectMoments(
      moments(() => random.normal()),
      0,
      1,
    );
  });
});

describe('the generator', () => {
  it('is the same on every machine', () => {
    const table = generateWorkload({ requests: 3, seed: 1, prefixes: { count: 2, blocks: 1 } });
    expect([...table]).toEqual([
      { id: 0, arrivalMs: 0, inputTokens: 268, outputTokens: 546, hashIds: [0] },
      { id: 1, arrivalMs: 43.49285306654061, inputTokens: 1097, outputTokens: 294, hashIds: [1, 2, 3] },
      { id: 2, arrivalMs: 44.986427658285294, inputTokens: 891, outputTokens: 316, hashIds: [1, 4] },
    ]);
  });

  it('depends on the seed, and a shorter workload begins a longer one', () => {
    const options = { requests: 50, seed: 9, prefixes: { count: 3, blocks: 2 } };
    const long = [...generateWorkload(options)];
    expect([...generateWorkload({ ...options, requests: 20 })]).toEqual(long.slice(0, 20));
    expect([...generateWorkload({ ...options, seed: 10 })]).not.toEqual(long);
  });

  it('follows the conversation trace by default', () => {
    const table = generateWorkload({ requests: 20_000 });
    const mean = (values: Int32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const median = (values: Int32Array): number => values.slice().sort()[values.length >> 1] ?? 0;
    expect(Math.abs(mean(table.inputTokens) / 1234 - 1)).toBeLessThan(0.05);
    expect(Math.abs(median(table.inputTokens) / 760 - 1)).toBeLessThan(0.05);
    expect(Math.abs(mean(table.outputTokens) / 213 - 1)).toBeLessThan(0.05);
    expect(Math.abs(median(table.outputTokens) / 151 - 1)).toBeLessThan(0.05);
    expect(Math.abs(20_000 / ((table.arrivalMs.at(-1) ?? 0) / 1000) / 5.53 - 1)).toBeLessThan(0.03);
  });

  it('keeps to the bounds, and to the median where sigma is 0', () => {
    const table = generateWorkload({
      requests: 500,
      requestsPerSecond: Infinity,
      inputTokens: { median: 100, sigma: 3, min: 50, max: 200 },
      outputTokens: { median: 10, sigma: 0 },
    });
    expect([Math.min(...table.inputTokens), Math.max(...table.inputTokens)]).toEqual([50, 200]);
    expect(new Set(table.outputTokens)).toEqual(new Set([10]));
    expect(new Set(table.arrivalMs)).toEqual(new Set([0]));
  });

  it('shares prefixes and nothing else', () => {
    const table = generateWorkload({ requests: 200, prefixes: { count: 2, blocks: 2 } });
    const heads = new Set<string>();
    const tails: number[] = [];
    for (const { hashIds, inputTokens } of table) {
      expect(hashIds).toHaveLength(Math.ceil(inputTokens / 512));
      heads.add(String((hashIds ?? []).slice(0, 1)));
      tails.push(...(hashIds ?? []).slice(2));
    }
    expect(heads).toEqual(new Set(['0', '2']));
    expect(tails.length).toBeGreaterThan(100);
    expect(new Set(tails).size).toBe(tails.length);
  });

  it.each([
    { requests: 0 },
    { requests: 1, seed: -1 },
    { requests: 1, requestsPerSecond: 0 },
    { requests: 1, inputTokens: { median: 0 } },
    { requests: 1, inputTokens: { min: 0 } },
    { requests: 1, outputTokens: { sigma: -1 } },
    { requests: 1, outputTokens: { min: 8, max: 7 } },
    { requests: 1, prefixes: { count: 0, blocks: 1 } },
    { requests: 1, prefixes: { count: 1, blocks: 0 } },
  ])('refuses %o', (options) => {
    expect(() => generateWorkload(options)).toThrow(expect.objectContaining({ code: 'ERR_INPUT_INVALID' }));
  });
});

describe('shorter prompts', () => {
  it('share what is left of their prefixes, whatever a hash id stands for, and follow whom they followed', () => {
    const requests = [
      { arrivalMs: 0, inputTokens: 64, outputTokens: 5, hashIds: [7, 8, 9, 10] },
      { arrivalMs: 1, inputTokens: 40, outputTokens: 5, hashIds: [7, 8, 11], after: 0, delayMs: 3 },
    ];
    const table = RequestTable.from(requests, { hashBlockTokens: 16 });
    const half = scalePrompts(table, 0.5);
    expect([half.hashBlockTokens, ...half]).toEqual([
      16,
      { id: 0, arrivalMs: 0, inputTokens: 32, outputTokens: 5, hashIds: [7, 8] },
      { id: 1, arrivalMs: 1, inputTokens: 20, outputTokens: 5, hashIds: [7, 8], after: 0, delayMs: 3 },
    ]);
    for (let position = 0; position < 32; position++) {
      expect(tokenId(half, 0, position)).toBe(tokenId(table, 0, position));
    }
  });
});
