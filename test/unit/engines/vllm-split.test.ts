import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRawBatch, type RawBatch } from '../../../dist/batch/raw-batch.js';
import { vllmUbatchSlices } from '../../../dist/engines/index.js';
import { runs } from '../../support/property-runs.js';

async function batchOf(
  queryLens: readonly number[],
  seqLens: readonly number[],
  limits = { tokens: 64, requests: 16 },
): Promise<RawBatch> {
  const batch = await createRawBatch({
    limits: { maxNumSeqs: limits.requests, maxNumBatchedTokens: limits.tokens, maxModelLen: 1024, blockSize: 1024 },
    parts: 4,
    poison: true,
  });
  schedule(batch, queryLens, seqLens);
  return batch;
}

function schedule(batch: RawBatch, queryLens: readonly number[], seqLens: readonly number[]): void {
  for (const [index, queryLen] of queryLens.entries()) {
    const row = batch.requests.add({ blockIds: [index + 1], numComputedTokens: seqLens[index] - queryLen });
    batch.requests.schedule(row, { phase: 'prefill', queryLen });
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('cuts inside a request', () => {
  test.each([
    [
      [8, 8],
      [32, 40],
      12,
      [
        [0, 8, 12],
        [32, 36],
      ],
      [[0, 4], [40]],
    ],
    [
      [8, 8],
      [32, 40],
      4,
      [[0, 4], [28]],
      [
        [0, 4, 12],
        [32, 40],
      ],
    ],
    [
      [1, 1, 10, 1, 1],
      [64, 96, 512, 32, 48],
      7,
      [
        [0, 1, 2, 7],
        [64, 96, 507],
      ],
      [
        [0, 5, 6, 7],
        [512, 32, 48],
      ],
    ],
    [
      [6, 2, 4, 4],
      [6, 130, 260, 4],
      8,
      [
        [0, 6, 8],
        [6, 130],
      ],
      [
        [0, 4, 8],
        [260, 4],
      ],
    ],
    [
      [3, 9, 3],
      [70, 300, 41],
      7,
      [
        [0, 3, 7],
        [70, 295],
      ],
      [
        [0, 5, 8],
        [300, 41],
      ],
    ],
    [
      [2, 20],
      [64, 300],
      11,
      [
        [0, 2, 11],
        [64, 289],
      ],
      [[0, 11], [300]],
    ],
  ])('query lengths %j cut at token %3$i', async (queryLens, seqLens, cut, first, second) => {
    const batch = await batchOf(queryLens, seqLens);
    const tokens = sum(queryLens);
    batch.buildPadded(tokens, queryLens.length);
    for (const [part, [begin, end], [starts, lengths]] of [
      [0, [0, cut], first],
      [1, [cut, tokens], second],
    ] as const) {
      const { local, tensors } = batch.buildCut(part, begin, end);
      expect(local.requests[1] - local.requests[0]).toBe(lengths.length);
      expect([...tensors.queryStartLoc.subarray(0, starts.length)]).toEqual(starts);
      expect([...tensors.seqLens.subarray(0, lengths.length)]).toEqual(lengths);
    }
    batch.dispose();
  });
});

describe('vLLM ubatch slices', () => {
  test('in three: a request that is cut on both sides is in all of them', async () => {
    using batch = await batchOf([1, 1, 10, 1, 1], [64, 96, 512, 32, 48]);
    const slices = vllmUbatchSlices(batch, { paddedTokens: 14, paddedRequests: 5, numUbatches: 3 });
    expect(slices.map(({ requests, tokens }) => ({ requests, tokens }))).toEqual([
      { requests: [0, 3], tokens: [0, 4] },
      { requests: [2, 3], tokens: [4, 8] },
      { requests: [2, 5], tokens: [8, 14] },
    ]);
    expect([...slices[1].queryStartLoc]).toEqual([0, 4]);
    expect([...slices[1].seqLens]).toEqual([508]);
  });

  test('the padding is the last slice', async () => {
    using batch = await batchOf([1, 1, 1, 1, 1, 1], [64, 64, 64, 64, 64, 64]);
    const [first, last] = vllmUbatchSlices(batch, { paddedTokens: 8, paddedRequests: 8, numUbatches: 2 });
    expect(first).toMatchObject({ requests: [0, 4], paddedRequests: [0, 4], tokens: [0, 4], paddedTokens: [0, 4] });
    expect(last).toMatchObject({ requests: [4, 6], paddedRequests: [4, 8], tokens: [4, 6], paddedTokens: [4, 8] });
  });

  test('a slice past the last real token is empty', async () => {
    using batch = await batchOf([1, 1], [9, 9]);
    const last = vllmUbatchSlices(batch, { paddedTokens: 16, paddedRequests: 2, numUbatches: 2 })[1];
    expect(last).toMatchObject({ requests: [2, 2], tokens: [8, 8], paddedTokens: [8, 16] });
    expect([...last.queryStartLoc]).toEqual([0]);
  });

  test('any batch is cut as vLLM writes it: prefix sums, searchsorted, the last sequence shortened', async () => {
    const batch = await batchOf([], [], { tokens: 400, requests: 24 });
    const request = fc.record({
      queryLen: fc.integer({ min: 1, max: 20 }),
      computed: fc.integer({ min: 0, max: 900 }),
    });
    fc.assert(
      fc.property(
        fc.array(request, { minLength: 1, maxLength: 16 }),
        fc.integer({ min: 2, max: 4 }),
        fc.nat(20),
        fc.nat(8),
        (requests, numUbatches, moreTokens, moreRequests) => {
          const queryLens = requests.map(({ queryLen }) => queryLen);
          const seqLens = requests.map(({ queryLen, computed }) => queryLen + computed);
          const starts = [0, ...queryLens.map((_, index) => sum(queryLens.slice(0, index + 1)))];
          const total = sum(queryLens);
          const paddedTokens = total + moreTokens;
          const share = Math.floor(paddedTokens / numUbatches);
          fc.pre(share > 0 && share * (numUbatches - 1) < total);
          batch.clear();
          schedule(batch, queryLens, seqLens);
          const slices = vllmUbatchSlices(batch, {
            paddedTokens,
            paddedRequests: requests.length + moreRequests,
            numUbatches,
          });
          for (const [index, slice] of slices.entries()) {
            const begin = index * share;
            const end = index + 1 === numUbatches ? total : begin + share;
            const first = starts.findLastIndex((start) => start <= begin);
            const stop = starts.findIndex((start) => start >= end);
            expect(slice.tokens).toEqual([begin, end]);
            expect(slice.requests).toEqual([first, stop]);
            expect(slice.paddedRequests).toEqual([
              first,
              index + 1 === numUbatches ? requests.length + moreRequests : stop,
            ]);
            const clipped = starts
              .slice(first, stop + 1)
              .map((start) => Math.min(Math.max(start - begin, 0), end - begin));
            expect([...slice.queryStartLoc]).toEqual(clipped);
            const lengths = seqLens.slice(first, stop);
            lengths[lengths.length - 1] -= Math.max(0, starts[stop] - end);
            expect([...slice.seqLens]).toEqual(lengths);
          }
        },
      ),
      runs(200),
    );
    batch.dispose();
  });
});

describe('raw batch', () => {
  test('counts below the batch or above the limits are refused', async () => {
    using batch = await batchOf([4, 4], [4, 4], { tokens: 16, requests: 4 });
    const refused = expect.objectContaining({ code: 'ERR_INPUT_INVALID' });
    expect(() => batch.buildPadded(7, 2)).toThrowError(refused);
    expect(() => batch.buildPadded(17, 2)).toThrowError(refused);
    expect(() => batch.buildPadded(8, 1)).toThrowError(refused);
    expect(() => batch.buildPadded(8, 5)).toThrowError(refused);
    batch.buildPadded(8, 2);
    expect(() => batch.buildCut(0, 4, 9)).toThrowError(refused);
    expect(() => batch.buildCut(4, 0, 4)).toThrowError(refused);
    expect(() => vllmUbatchSlices(batch, { paddedTokens: 8, paddedRequests: 2, numUbatches: 5 })).toThrowError(refused);
  });

  test('an edit ends what was built, and nothing works after dispose', async () => {
    const batch = await batchOf([4], [4]);
    batch.buildPadded(4, 1);
    batch.requests.schedule(batch.requests.add({ blockIds: [9] }), { phase: 'prefill', queryLen: 2 });
    expect(() => batch.buildCut(0, 0, 4)).toThrowError(expect.objectContaining({ code: 'ERR_STEP_ORDER' }));
    batch.dispose();
    const disposed = expect.objectContaining({ code: 'ERR_DISPOSED' });
    expect(() => batch.buildPadded(6, 2)).toThrowError(disposed);
    expect(() => batch.requests.add({ blockIds: [9] })).toThrowError(disposed);
    expect(() => batch.clear()).toThrowError(disposed);
  });
});
