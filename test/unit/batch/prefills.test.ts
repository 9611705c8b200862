import { describe, expect, it } from 'vitest';
import { type CaptureKey, mixedKey, type Policy, piecewiseKey } from '../../../dist/entry/planner.js';
import { type Batch, gathers, IDLE, type Ranks, ranksOf } from '../../support/planner-deciding.js';

/** `count` prefills of `tokens` each. */
const prefills = (count: number, tokens: number): Batch => ({ prefills: Array.from({ length: count }, () => tokens) });

describe('steps with prefills on mixed graphs', () => {
  /** Slots for 4 prefills and 8 decodes. */
  const keys = [mixedKey(128, 4, 8, 1), mixedKey(64, 4, 8, 1)];
  const ranks = async (policy: Partial<Policy> = {}, given: readonly CaptureKey[] = keys): Promise<Ranks> =>
    await ranksOf(3, { keys: given, policy });

  it('some ranks prefill, some decode, one is idle: the smallest graph that holds each of them', async () => {
    const { decide } = await ranks();
    const decision = decide([{ prefills: [20, 15], decodes: 5 }, { decodes: 3 }, IDLE]);
    expect(decision).toMatchObject({
      run: 'full',
      reason: 'graph-mixed',
      phase: 'mixed',
      captureKey: 1,
      paddedTokens: 64,
      paddedRequests: 12,
      paddedPrefillRequests: 4,
      paddedDecodeRequests: 8,
      queryLen: 1,
    });
    expect(gathers(decision)).toEqual([['padded', 64, 64, 64]]);
    expect(decide([prefills(2, 40), IDLE, IDLE])).toMatchObject({ captureKey: 0, paddedTokens: 128, phase: 'prefill' });
  });

  it('a spare prefill slot holds a decode', async () => {
    const { decide } = await ranks();
    const spare = [{ prefills: [30], decodes: 11 }, IDLE, IDLE];
    expect(decide(spare)).toMatchObject({ reason: 'graph-mixed', paddedTokens: 64 });
    expect(decide([prefills(4, 10), { decodes: 12 }, IDLE])).toMatchObject({ reason: 'graph-mixed' });
    expect(decide([{ prefills: [30], decodes: 12 }, IDLE, IDLE])).toMatchObject({
      run: 'eager',
      reason: 'above-ladder',
      reasonRank: 0,
      reasonDetail: 1,
    });
    const strict = await ranks({ mixedMatch: 'strict' });
    expect(strict.decide(spare)).toMatchObject({ reason: 'above-ladder', reasonRank: 0, reasonDetail: 3 });
  });

  it('a decode slot never holds a prefill', async () => {
    const step = [{ decodes: 2 }, prefills(6, 8), IDLE];
    expect((await ranks()).decide(step)).toMatchObject({ reason: 'above-ladder', reasonRank: 1, reasonDetail: 2 });
    await expect(ranks({ mixedMatch: 'slot-count' } as object)).rejects.toThrow(/no row for some prefill/);
  });

  it('more tokens than any holds: eager, by how much', async () => {
    const { decide } = await ranks();
    const decision = decide([prefills(1, 30), prefills(3, 50), { decodes: 2 }]);
    expect(decision).toMatchObject({ run: 'eager', reason: 'above-ladder', reasonRank: 1, reasonDetail: 22 });
    expect(gathers(decision)).toEqual([['variable', 30, 150, 2]]);
  });

  it('a graph that would pad the largest batch beyond the factor: eager, and which one', async () => {
    const { decide } = await ranks();
    expect(decide([{ decodes: 3 }, prefills(1, 31), IDLE])).toMatchObject({
      run: 'eager',
      reason: 'above-padding-factor',
      reasonRank: 1,
      reasonDetail: 64,
    });
    expect(decide([{ decodes: 3 }, prefills(1, 32), IDLE])).toMatchObject({ reason: 'graph-mixed', paddedTokens: 64 });
    const wide = await ranks({ maxPaddingFactor: 6.4 });
    expect(wide.decide([{ decodes: 3 }, prefills(1, 10), IDLE])).toMatchObject({ reason: 'graph-mixed' });
    expect(wide.decide([{ decodes: 3 }, prefills(1, 9), IDLE])).toMatchObject({ reason: 'above-padding-factor' });
  });

  it('longer drafts than its decode slots hold, or longer prefills than its slots: eager, naming the length', async () => {
    const { decide } = await ranksOf(2, { keys, queryLen: 4 });
    const without = { run: 'eager', reason: 'no-key-for-query-length' };
    const long = decide([prefills(1, 40), { drafts: [1, 3] }]);
    expect(long).toMatchObject({ ...without, reasonRank: 1, reasonDetail: 3 });
    const short = await ranks({}, [{ ...mixedKey(64, 4, 8, 1), maxQueryLen: 16 }]);
    expect(short.decide([IDLE, prefills(2, 16), IDLE])).toMatchObject({ reason: 'graph-mixed' });
    expect(short.decide([IDLE, prefills(2, 17), IDLE])).toMatchObject({ ...without, reasonRank: 1, reasonDetail: 17 });
  });

  it('run on one rank alone, or never, where the policy says so', async () => {
    const step = [prefills(1, 40), { decodes: 2 }, IDLE];
    const one = { mixedGraphs: 'one-rank' } as const;
    const without = { run: 'eager', reason: 'no-key-for-phase', reasonRank: 0, reasonDetail: 3 };
    expect((await ranks(one)).decide(step)).toMatchObject(without);
    expect((await ranksOf(1, { keys, policy: one })).decide(step.slice(0, 1))).toMatchObject({ reason: 'graph-mixed' });
    expect((await ranks({ mixedGraphs: 'never' })).decide(step)).toMatchObject(without);
  });

  it('have variants like other graphs', async () => {
    const { decide } = await ranks({}, [{ ...mixedKey(64, 4, 8, 1), variant: 2 }]);
    expect(decide([{ ...prefills(1, 40), variant: 2 }, IDLE, IDLE])).toMatchObject({ reason: 'graph-mixed' });
    expect(decide([{ ...prefills(1, 40), variant: 1 }, IDLE, IDLE])).toMatchObject({
      reason: 'no-key-for-variant',
      reasonDetail: 1,
    });
  });

  it('a full graph for prefills runs where ranks agree by mode, too', async () => {
    const { decide } = await ranks({ graphAgreement: 'min-mode' });
    const decision = decide([prefills(1, 20), { prefills: [5], decodes: 5 }, IDLE]);
    expect(decision).toMatchObject({ run: 'full', reason: 'graph-mixed', paddedTokens: 64 });
  });
});

describe('steps with prefills on piecewise graphs', () => {
  const keys = [piecewiseKey(64), piecewiseKey(32)];

  it('the smallest that holds the largest batch, whatever its requests', async () => {
    const { decide } = await ranksOf(3, { keys });
    const decision = decide([prefills(30, 1), { decodes: 20, prefills: [3] }, IDLE]);
    expect(decision).toMatchObject({
      run: 'piecewise',
      reason: 'graph-piecewise',
      captureKey: 1,
      paddedTokens: 32,
      paddedRequests: 0,
    });
    expect(gathers(decision)).toEqual([['padded', 32, 32, 32]]);
  });

  it('above the largest, or beyond the padding factor of the smallest: eager', async () => {
    const { decide } = await ranksOf(2, { keys });
    expect(decide([prefills(1, 65), IDLE])).toMatchObject({ reason: 'above-ladder', reasonRank: 0, reasonDetail: 1 });
    const above = { reason: 'above-padding-factor', reasonRank: 1, reasonDetail: 32 };
    expect(decide([IDLE, prefills(1, 15)])).toMatchObject(above);
    expect(decide([{ decodes: 2 }, { decodes: 15 }])).toMatchObject(above);
  });

  it('a mixed graph that holds the step goes before', async () => {
    const { decide } = await ranksOf(2, { keys: [piecewiseKey(40), mixedKey(64, 2, 4, 1)] });
    expect(decide([prefills(1, 40), IDLE])).toMatchObject({ reason: 'graph-mixed', paddedTokens: 64 });
    expect(decide([prefills(3, 13), IDLE])).toMatchObject({ reason: 'graph-piecewise', paddedTokens: 40 });
  });
});

describe('steps with prefills and no graph for them', () => {
  it('prefill, or prefill beside decode, runs eager on all: no key for the phase', async () => {
    const { decide } = await ranksOf(3);
    const prefill = decide([prefills(1, 7), { prefills: [5, 6] }, IDLE]);
    expect(prefill).toMatchObject({ run: 'eager', reason: 'no-key-for-phase', phase: 'prefill', reasonDetail: 2 });
    const mixed = decide([{ decodes: 4 }, { decodes: 1, prefills: [9] }, IDLE]);
    expect(mixed).toMatchObject({
      run: 'eager',
      reason: 'no-key-for-phase',
      phase: 'mixed',
      reasonRank: 1,
      reasonDetail: 3,
      paddedTokens: 10,
    });
    expect(gathers(mixed)).toEqual([['variable', 4, 10, 1]]);
  });
});
