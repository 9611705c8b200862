import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atomUbatchSlices, createRawBatch, sglangDecodeSplit, sglangExtendSplit } from '../../../dist/entry/engines.js';
import { refusedWith } from '../../support/expectations.js';
import { runs } from '../../support/property-runs.js';

describe('sglangExtendSplit', () => {
  it.each([
    [[], 0, 0],
    [[42], 0, 21],
    [[42, 999], 1, 520],
    [[999, 42], 0, 520],
    [[498, 502], 1, 498],
    [[4095, 4096, 4096, 4096, 1], 2, 8191],
    [[1, 1, 1, 1, 99999], 4, 50001],
    // The first half ends with a sequence of which it has no token; a tie goes right.
    [[4, 4, 1], 1, 4],
    [[1], 0, 0],
    [[5, 0, 5], 2, 5],
  ])('%j is cut in sequence %d, at token %d', (queryLens, sequence, token) => {
    expect(sglangExtendSplit(queryLens)).toEqual({ sequence, token });
  });

  it('gives either half its share of tokens, and cuts no sequence with a threshold of 0', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(lengths, fc.double({ min: 0.01, max: 0.49, noNaN: true }), (queryLens, threshold) => {
        const total = queryLens.reduce((sum, length) => sum + length, 0);
        const { token } = sglangExtendSplit(queryLens, threshold);
        expect(Math.min(token, total - token)).toBeGreaterThanOrEqual(
          Math.floor(Math.min(total * threshold, total / 2)),
        );
        const whole = sglangExtendSplit(queryLens, 0);
        const before = queryLens.slice(0, whole.sequence).reduce((sum, length) => sum + length, 0);
        expect(whole.token).toBe(before);
      }),
      runs(1000),
    );
  });

  it('refuses a threshold above a half, and lengths that are none', () => {
    refusedWith('ERR_CONFIG_INVALID', () => sglangExtendSplit([4], 0.6));
    refusedWith('ERR_CONFIG_INVALID', () => sglangExtendSplit([-1, 4]));
  });
});

describe('sglangDecodeSplit', () => {
  it.each([
    [0, 1, 0, 0],
    [100, 1, 50, 50],
    [99, 1, 49, 49],
    [99, 3, 16, 48],
  ])('%d tokens of %d each: sequence %d, token %d', (tokens, each, sequence, token) => {
    expect(sglangDecodeSplit(tokens, each)).toEqual({ sequence, token });
  });

  it('refuses sequences of no tokens', () => {
    refusedWith('ERR_CONFIG_INVALID', () => sglangDecodeSplit(4, 0));
  });
});

describe('atomUbatchSlices', () => {
  const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 64, queryLen: 4 };

  it('gives the rest of the decodes to the last ubatch, where vLLM spreads them', async () => {
    using batch = await createRawBatch({ limits, parts: 4, split: 'balanced' });
    for (let block = 1; block <= 7; block++) {
      batch.requests.schedule(batch.requests.add({ blockIds: [block] }), { phase: 'decode', queryLen: 2 });
    }
    expect(atomUbatchSlices(batch, { numUbatches: 3 })).toEqual([
      { requests: [0, 2], tokens: [0, 4] },
      { requests: [2, 4], tokens: [4, 8] },
      { requests: [4, 7], tokens: [8, 14] },
    ]);
    refusedWith('ERR_INPUT_INVALID', () => atomUbatchSlices(batch, { numUbatches: 5 }));
  });

  it('of two boundaries as near takes the later, and refuses fewer requests than ubatches', async () => {
    using batch = await createRawBatch({ limits, parts: 2, split: 'balanced' });
    const add = (queryLen: number, block: number): void =>
      batch.requests.schedule(batch.requests.add({ blockIds: [block] }), { phase: 'prefill', queryLen });
    add(5, 1);
    expect(atomUbatchSlices(batch, { numUbatches: 2 })).toBeNull();
    add(4, 2);
    add(5, 3);
    // Shares of 7: boundaries at 5 and 9 are both 2 away.
    expect(atomUbatchSlices(batch, { numUbatches: 2 })?.[0]).toEqual({ requests: [0, 2], tokens: [0, 9] });
    expect(atomUbatchSlices(batch, { numUbatches: 2, maxTokensPerUbatch: 8 })).toBeNull();
  });
});
