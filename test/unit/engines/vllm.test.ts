import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { vllmCaptureSizes, vllmDecodeSizes, vllmLadder, vllmSpecAlign } from '../../../dist/engines/index.js';
import { runs } from '../../support/property-runs.js';

const DEFAULTS = { maxNumSeqs: 256, maxNumBatchedTokens: 8192, queryLen: 1 };

describe('vLLM default capture sizes', () => {
  test('256 sequences make 51 sizes up to 512', () => {
    const sizes = vllmCaptureSizes(DEFAULTS);
    expect(sizes).toHaveLength(51);
    expect(sizes.slice(0, 5)).toEqual([1, 2, 4, 8, 16]);
    expect(sizes.slice(-3)).toEqual([480, 496, 512]);
  });

  test('a ceiling of 1024 makes 83, interactivity 76', () => {
    expect(vllmCaptureSizes({ ...DEFAULTS, maxNumSeqs: 1024, ceiling: 1024 })).toHaveLength(83);
    expect(vllmCaptureSizes({ ...DEFAULTS, interactive: true })).toHaveLength(76);
  });

  test.each([
    [64, 7, true],
    [256, 1, true],
    [24, 16, true],
    [32, 16, false],
    [33, 16, false],
    [256, 24, false],
    [300, 1, false],
  ])('%i sequences with %i drafts: the widest decode is captured: %s', (maxNumSeqs, drafts, captured) => {
    const queryLen = 1 + drafts;
    const sizes = vllmCaptureSizes({ maxNumSeqs, queryLen, maxNumBatchedTokens: 1 << 20 });
    expect(sizes.includes(maxNumSeqs * queryLen)).toBe(captured);
  });

  test('a maximum off the grid truncates, and one above the batch ends at the batch', () => {
    expect(vllmCaptureSizes({ ...DEFAULTS, maxSize: 300 }).at(-1)).toBe(288);
    expect(vllmCaptureSizes({ ...DEFAULTS, maxSize: 2048, maxNumBatchedTokens: 257 }).at(-1)).toBe(257);
  });

  test.each([
    [{ maxSize: 300 }, 288, 300],
    [{ maxSize: 42 }, 40, 42],
    [{ maxSize: 288 }, 288, null],
    [{ maxNumSeqs: 21 }, 40, 42],
    // The batch's own end is captured whatever it is.
    [{ maxSize: 2048, maxNumBatchedTokens: 257 }, 257, null],
  ])('%j ends at %i and says that %j was cut off', (options, last, truncated) => {
    const ladder = vllmLadder({ ...DEFAULTS, ...options });
    expect(ladder.sizes.at(-1)).toBe(last);
    expect(ladder.truncated).toBe(truncated);
    expect(ladder.sizes).toEqual(vllmCaptureSizes({ ...DEFAULTS, ...options }));
  });

  test('every fault is told at once', () => {
    expect(() => vllmCaptureSizes({ maxNumSeqs: 0, maxNumBatchedTokens: 1.5, maxSize: 0 })).toThrowError(
      expect.objectContaining({
        code: 'ERR_CONFIG_INVALID',
        details: expect.objectContaining({ faults: [expect.any(String), expect.any(String), expect.any(String)] }),
      }),
    );
  });

  test('sizes ascend, fit the batch, and hold every decode the default promises', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600 }),
        fc.integer({ min: 1, max: 4096 }),
        fc.integer({ min: 1, max: 9 }),
        (maxNumSeqs, maxNumBatchedTokens, queryLen) => {
          const sizes = vllmCaptureSizes({ maxNumSeqs, maxNumBatchedTokens, queryLen });
          for (const [index, size] of sizes.entries()) {
            expect(size).toBeLessThanOrEqual(maxNumBatchedTokens);
            if (index > 0) expect(size).toBeGreaterThan(sizes[index - 1]);
          }
          const widest = maxNumSeqs * queryLen;
          if (queryLen > 1 && widest <= Math.min(512, maxNumBatchedTokens)) expect(sizes).toContain(widest);
        },
      ),
      runs(200),
    );
  });
});

describe('vLLM alignment of speculative capture sizes', () => {
  const one = { tensorParallelSize: 1, sequenceParallel: false };

  test.each([
    [[1, 2, 4, 8, 16, 24], 3, [3, 6, 9, 18, 24]],
    [[1, 2, 4, 8, 16, 24, 32], 4, [4, 8, 16, 24, 32]],
    [[16, 19], 7, [7]],
  ])('%j with %i tokens a request', (sizes, queryLen, aligned) => {
    expect(vllmSpecAlign({ ...one, sizes, queryLen })).toEqual(aligned);
  });

  test('no size holds a request, or the two multiples do not divide', () => {
    expect(() => vllmSpecAlign({ ...one, sizes: [1, 2, 4], queryLen: 7 })).toThrowError(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', details: { largest: 4, multiple: 7 } }),
    );
    expect(() =>
      vllmSpecAlign({ sizes: [12], queryLen: 3, tensorParallelSize: 2, sequenceParallel: true }),
    ).toThrowError(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID', details: { queryLen: 3, tensorParallelSize: 2 } }),
    );
  });
});

describe('decode graphs of a list, as the V2 runner captures them', () => {
  test('whole requests, none beyond the last size or the most requests', () => {
    expect(vllmDecodeSizes([1, 2, 4, 8, 16, 24], { maxNumSeqs: 8, queryLen: 3 })).toEqual([3, 6, 9, 18, 24]);
    expect(vllmDecodeSizes([1, 2, 4, 8, 16, 24], { maxNumSeqs: 7, queryLen: 3 })).toEqual([3, 6, 9, 18]);
    // 8 rounds to 9, above the list.
    expect(vllmDecodeSizes([2, 8], { maxNumSeqs: 100, queryLen: 3 })).toEqual([3]);
    expect(vllmDecodeSizes([1, 2, 4, 8], { maxNumSeqs: 5, queryLen: 1 })).toEqual([1, 2, 4]);
    expect(vllmDecodeSizes([], { maxNumSeqs: 5, queryLen: 1 })).toEqual([]);
  });
});
