import { describe, expect, it } from 'vitest';
import { StepHistogram } from '../../../dist/workload/index.js';

describe('a histogram', () => {
  it('counts decodes by size, those in micro-batches apart, and steps with a prefill by shape', () => {
    const histogram = new StepHistogram({ maxSize: 64 });
    const decode = { prefillRequests: 0, decodeRequests: 8, requests: 8, tokens: 8, ubatched: false };
    histogram.add({ ...decode, tokens: 64 });
    histogram.add(decode, 3);
    histogram.add(decode);
    histogram.add({ ...decode, ubatched: true });
    const mixed = { tokens: 300, prefillRequests: 2, decodeRequests: 8, requests: 9, ubatched: false };
    histogram.add(mixed, 2);
    histogram.add({ ...mixed, tokens: 299 });
    histogram.add({ ...mixed, requests: 10 });
    histogram.add(mixed);
    expect(histogram.toJSON()).toEqual({
      decode: { 8: 4, 64: 1 },
      ubatched: { 8: 1 },
      mixed: [
        { tokens: 299, prefillRequests: 2, decodeRequests: 8, requests: 9, count: 1 },
        { tokens: 300, prefillRequests: 2, decodeRequests: 8, requests: 9, count: 3 },
        { tokens: 300, prefillRequests: 2, decodeRequests: 8, requests: 10, count: 1 },
      ],
    });
    expect([...histogram.decode.keys()]).toEqual([8, 64]);
    expect(histogram.steps).toBe(11);
    expect(histogram.largestDecode).toBe(64);
    expect(histogram.counts('decode', 64)[8]).toBe(4);
    expect(histogram.counts('ubatched', 8)).toEqual(Float64Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1));
  });

  it('refuses what no step is, and decodes above its largest size, and then counts nothing', () => {
    const histogram = new StepHistogram({ maxSize: 4 });
    const shape = { tokens: 4, prefillRequests: 0, decodeRequests: 4, requests: 4, ubatched: false };
    const bad = expect.objectContaining({ code: 'ERR_INPUT_INVALID' });
    expect(() => histogram.add({ ...shape, tokens: 5 })).toThrow(/above the largest size 4; raise maxNumSeqs/);
    for (const wrong of [
      { tokens: 0 },
      { tokens: 1.5 },
      { prefillRequests: 5 },
      { decodeRequests: -1 },
      { requests: 5 },
      { requests: 3 },
    ]) {
      expect(() => histogram.add({ ...shape, ...wrong })).toThrow(bad);
    }
    expect(() => histogram.add(shape, 0)).toThrow(bad);
    expect(histogram.steps).toBe(0);
    histogram.add(shape);
    expect(() => histogram.counts('decode', 3)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
    expect(() => new StepHistogram({ maxSize: 0 })).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
  });
});
