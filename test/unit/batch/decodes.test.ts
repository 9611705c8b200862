import { describe, expect, it } from 'vitest';
import { decodeKey, piecewiseKey } from '../../../dist/entry/planner.js';
import { gathers, IDLE, ranksOf } from '../../support/planner-deciding.js';

describe('all ranks decode', () => {
  it('sizes differ: everybody runs the graph of the ladder step above the largest', async () => {
    const { decide } = await ranksOf(3);
    const decision = decide([{ decodes: 3 }, { decodes: 17 }, { decodes: 9 }]);
    expect(decision).toMatchObject({
      run: 'full',
      reason: 'graph',
      paddedTokens: 24,
      paddedRequests: 24,
      paddedPrefillRequests: 0,
      paddedDecodeRequests: 24,
      maxTokens: 17,
    });
    expect(gathers(decision)).toEqual([['padded', 24, 24, 24]]);
  });

  it('some are idle: they run a dummy on the same graph', async () => {
    const { decide } = await ranksOf(2);
    const decision = decide([IDLE, { decodes: 5 }]);
    expect(decision).toMatchObject({ run: 'full', reason: 'graph', paddedTokens: 8, busyRanks: 1 });
    expect(gathers(decision)).toEqual([['padded', 8, 8]]);
  });

  it('short drafts: each request has a place for the captured query length', async () => {
    const { decide } = await ranksOf(2, { queryLen: 4, sizes: [4, 8, 16] });
    const decision = decide([{ drafts: [1, 4, 2] }, { drafts: [3] }]);
    expect(decision).toMatchObject({ run: 'full', reason: 'graph', paddedTokens: 16, paddedRequests: 4, queryLen: 4 });
  });

  it('runs the shortest captured query length that holds every draft', async () => {
    const keys = [decodeKey(8, 4, 1), decodeKey(8, 1, 1)];
    const { decide } = await ranksOf(2, { queryLen: 4, keys });
    expect(decide([{ decodes: 2 }, { decodes: 8 }])).toMatchObject({ captureKey: 1, paddedTokens: 8 });
    expect(decide([{ decodes: 2 }, { drafts: [2] }])).toMatchObject({ captureKey: 0, paddedTokens: 32 });
  });

  it('a policy that runs uniform decodes alone runs short drafts on no decode graph', async () => {
    const keys = [decodeKey(8, 2, 1), piecewiseKey(8)];
    const policy = { decodeMatch: 'uniform' } as const;
    const { decide } = await ranksOf(2, { queryLen: 2, keys, policy });
    expect(decide([{ drafts: [2, 2] }, { drafts: [2] }])).toMatchObject({ reason: 'graph', paddedTokens: 16 });
    expect(decide([{ drafts: [2, 2] }, { drafts: [1, 2, 2] }])).toMatchObject({ reason: 'graph-piecewise' });
    expect(decide([{ drafts: [2, 2, 2, 2, 1] }, IDLE])).toMatchObject({
      run: 'eager',
      reason: 'no-key-for-query-length',
      reasonRank: 0,
      reasonDetail: 2,
    });
  });

  it('above the ladder: eager on all, each with its own count, and by how much', async () => {
    const { decide } = await ranksOf(3, { sizes: [1, 2, 4, 8, 16] });
    const decision = decide([{ decodes: 2 }, { decodes: 19 }, IDLE]);
    expect(decision).toMatchObject({
      run: 'eager',
      reason: 'above-ladder',
      reasonRank: 1,
      reasonDetail: 3,
      captureKey: -1,
    });
    expect(gathers(decision)).toEqual([['variable', 2, 19, 1]]);
  });

  it('above the ladder, and within a piecewise key: that one, attention eager', async () => {
    const { decide } = await ranksOf(2, { keys: [decodeKey(16, 1, 1), piecewiseKey(32)] });
    expect(decide([{ decodes: 19 }, IDLE])).toMatchObject({
      run: 'piecewise',
      reason: 'graph-piecewise',
      paddedTokens: 32,
      paddedRequests: 0,
      queryLen: 0,
    });
    expect(decide([{ decodes: 33 }, IDLE])).toMatchObject({ reason: 'above-ladder', reasonDetail: 17 });
  });

  it('a draft longer than any captured one: eager, naming the length', async () => {
    const { decide } = await ranksOf(2, { queryLen: 4, keys: [decodeKey(64, 2, 1)] });
    const decision = decide([{ drafts: [1] }, { drafts: [2, 3] }]);
    expect(decision).toMatchObject({ run: 'eager', reason: 'no-key-for-query-length', reasonRank: 1, reasonDetail: 3 });
  });

  it('no graph at all: eager, as a phase without keys', async () => {
    const { decide } = await ranksOf(2, { sizes: [] });
    expect(decide([{ decodes: 1 }, IDLE])).toMatchObject({
      run: 'eager',
      reason: 'no-key-for-phase',
      reasonRank: 0,
      reasonDetail: 1,
    });
  });
});

describe('variants', () => {
  it('have graphs of their own, and none where the ranks differ', async () => {
    const keys = [8, 16].flatMap((requests) => [
      decodeKey(requests, 1, 1),
      { ...decodeKey(requests, 1, 1), variant: 3 },
    ]);
    const { decide } = await ranksOf(2, { keys });
    const [two, nine] = [
      { decodes: 2, variant: 3 },
      { decodes: 9, variant: 3 },
    ];
    expect(decide([two, nine])).toMatchObject({ captureKey: 3, variant: 3 });
    expect(decide([two, IDLE])).toMatchObject({ captureKey: 1, variant: 3 });
    const without = { run: 'eager', reason: 'no-key-for-variant' };
    expect(decide([{ decodes: 2 }, nine])).toMatchObject({ ...without, reasonDetail: -1, variant: -1 });
    expect(decide([{ decodes: 2, variant: 4 }, IDLE])).toMatchObject({ ...without, reasonDetail: 4 });
    expect(decide([{ decodes: 17, variant: 4 }, IDLE])).toMatchObject({ ...without, reasonDetail: 4 });
  });

  it('have ladders of their own to be above', async () => {
    const keys = [decodeKey(8, 1, 1), { ...decodeKey(2, 1, 1), variant: 1 }];
    const { decide } = await ranksOf(2, { keys });
    const above = { run: 'eager', reason: 'above-ladder' };
    const [one, four] = [
      { decodes: 1, variant: 1 },
      { decodes: 4, variant: 1 },
    ];
    expect(decide([one, four])).toMatchObject({ ...above, reasonRank: 1, reasonDetail: 2 });
    expect(decide([{ decodes: 9 }, IDLE])).toMatchObject({ ...above, reasonRank: 0, reasonDetail: 1 });
  });
});
