import { describe, expect, it } from 'vitest';
import { decodeKey, decodePlan, type Policy, piecewiseKey } from '../../../dist/entry/planner.js';
import { gathers, IDLE, partSizes, type Ranks, ranksOf } from '../../support/planner-deciding.js';
import { policyWith } from '../../support/planner-setup.js';

const cut = { reason: 'graph-ubatched', reasonRank: -1 };

describe('who must want micro-batches', () => {
  const ranks = async (ubatchAgreement: Policy['ubatchAgreement'], choices: Partial<Policy> = {}): Promise<Ranks> =>
    await ranksOf(3, { policy: { ubatches: 2, ubatchThresholdDecode: 26, ubatchAgreement, ...choices } });

  it('all-wish: the idle ranks too (vLLM V1)', async () => {
    const { decide } = await ranks('all-wish');
    expect(decide([{ decodes: 30 }, { decodes: 26 }, { decodes: 27 }])).toMatchObject(cut);
    expect(decide([{ decodes: 30 }, { decodes: 26 }, IDLE])).toMatchObject({ reason: 'plain-twin', reasonRank: 2 });
    const alone = await ranksOf(1, { policy: { ubatches: 2, ubatchAgreement: 'all-wish' } });
    expect(alone.decide([{ decodes: 40 }])).toMatchObject({ reason: 'plain-twin', reasonRank: -1 });
  });

  it('min-tokens: the least tokens of any rank reach the threshold, and every rank can be cut (vLLM V2)', async () => {
    const { decide } = await ranks('min-tokens');
    expect(decide([{ decodes: 30 }, { decodes: 26 }, { decodes: 28 }])).toMatchObject(cut);
    expect(decide([{ decodes: 30 }, { decodes: 25 }, { decodes: 28 }])).toMatchObject({
      reason: 'plain-twin',
      reasonRank: 1,
    });
    const vetoed = [{ decodes: 30 }, { decodes: 26 }, { decodes: 28, ubatchVeto: 'shared-block' as const }];
    expect(decide(vetoed)).toMatchObject({ reason: 'plain-twin', reasonRank: 2 });
  });

  it('min-tokens: decodes of several lengths are held to the threshold of prefills', async () => {
    const drafts = (count: number): number[] => Array.from({ length: count }, () => 2);
    const policy = { ubatches: 2, ubatchThresholdDecode: 26, ubatchThresholdPrefill: 40 } as const;
    const keys = [decodeKey(64, 2, 2), decodeKey(64, 2, 1)];
    const { decide } = await ranksOf(2, { queryLen: 2, keys, policy: { ...policy, ubatchAgreement: 'min-tokens' } });
    expect(decide([{ drafts: drafts(20) }, { drafts: drafts(13) }])).toMatchObject(cut);
    expect(decide([{ drafts: drafts(20) }, { decodes: 39 }])).toMatchObject({ reason: 'plain-twin', reasonRank: 1 });
    expect(decide([{ drafts: drafts(20) }, { decodes: 40 }])).toMatchObject(cut);
  });

  it('any-minimum: one rank reaches it, all can be cut, and all prefill or none (ATOM)', async () => {
    const { decide } = await ranks('any-minimum', { ubatchThresholdPrefill: 100 });
    expect(decide([{ decodes: 30 }, { decodes: 3 }, { decodes: 3 }])).toMatchObject(cut);
    expect(decide([{ decodes: 30 }, { decodes: 3 }, { decodes: 1 }])).toMatchObject({
      reason: 'plain-twin',
      reasonRank: 2,
    });
    expect(decide([{ decodes: 25 }, { decodes: 3 }, { decodes: 3 }])).toMatchObject({ reason: 'graph' });
    expect(decide([{ prefills: [100] }, { prefills: [7] }, { decodes: 3, prefills: [4] }]).parts).toHaveLength(2);
    expect(decide([{ prefills: [100] }, { prefills: [7] }, { decodes: 30 }]).parts).toHaveLength(1);
  });

  it('same-phase: busy ranks hold one phase and can be cut, whatever their tokens (SGLang)', async () => {
    const { decide } = await ranks('same-phase');
    expect(decide([{ decodes: 3 }, { decodes: 2 }, { ubatchVeto: 'other' }])).toMatchObject({
      ...cut,
      paddedTokens: 4,
      ubatchWishes: 0,
    });
    // A split at 0 still cuts.
    expect(decide([{ decodes: 3 }, { decodes: 1 }, IDLE])).toMatchObject({ ...cut, paddedTokens: 4 });
    expect(decide([{ prefills: [9] }, { prefills: [8] }, IDLE]).parts).toHaveLength(2);
    expect(decide([{ prefills: [9] }, { decodes: 2, prefills: [8] }, IDLE]).parts).toHaveLength(1);
  });
});

describe('a last part that would be all padding on the rank with the fewest tokens', () => {
  const policy = { ubatches: 2, ubatchThresholdDecode: 8, ubatchAgreement: 'any-minimum' } as const;
  const steps = { filled: [{ decodes: 30 }, { decodes: 17 }], empty: [{ decodes: 30 }, { decodes: 16 }] };

  it('runs as a dummy by default', async () => {
    expect((await ranksOf(2, { policy })).decide(steps.empty)).toMatchObject({ ...cut, paddedTokens: 32 });
  });

  it('is no reason not to run, but not to cut (vLLM V1)', async () => {
    const { decide } = await ranksOf(2, { policy: { ...policy, lastPart: 'refuse' } });
    expect(decide(steps.filled)).toMatchObject(cut);
    expect(decide(steps.empty)).toMatchObject({ run: 'full', reason: 'plain-twin', reasonRank: 1 });
  });

  it('runs eager, in micro-batches (vLLM V2)', async () => {
    const { decide } = await ranksOf(2, { policy: { ...policy, lastPart: 'eager' } });
    expect(decide(steps.filled)).toMatchObject(cut);
    const decision = decide(steps.empty);
    expect(decision).toMatchObject({ run: 'eager', reason: 'empty-part', reasonRank: 1, reasonDetail: 16 });
    expect(partSizes(decision)).toEqual([15, 15]);
  });

  it.each([
    [2, 64],
    [3, 84],
    [4, 96],
  ])('of %i parts of 128 tokens begins after %i: equal shares, rounded down', async (ubatches, least) => {
    const keys = [decodeKey(64, 2, ubatches), decodeKey(64, 2, 1)];
    const choices = { ubatches, ubatchThresholdDecode: 1, ubatchAgreement: 'any-minimum', lastPart: 'eager' } as const;
    const { decide } = await ranksOf(2, { queryLen: 2, keys, policy: choices });
    const drafts = (tokens: number): { drafts: number[] } => ({
      drafts: Array.from({ length: Math.ceil(tokens / 2) }, (_, index) => (2 * index + 1 === tokens ? 1 : 2)),
    });
    expect(decide([drafts(128), drafts(least)])).toMatchObject({ reason: 'empty-part', reasonDetail: least });
    expect(decide([drafts(128), drafts(least + 1)])).toMatchObject(cut);
  });
});

describe('the least mode of any rank', () => {
  // vLLM's own test: sizes 1 to 24, uniform decodes of 3 tokens, full graphs for decodes and piecewise ones for the rest.
  const uniform = { graphAgreement: 'min-mode', decodeMatch: 'uniform', mixedGraphs: 'never' } as const;
  const sizes = [1, 2, 4, 8, 16, 24];
  const { keys } = decodePlan({ sizes, limits: { maxNumSeqs: 8, queryLen: 3 }, policy: policyWith(uniform) });
  const both = [...keys, ...sizes.map((tokens) => piecewiseKey(tokens))];
  const drafts = (count: number): { drafts: number[] } => ({ drafts: Array.from({ length: count }, () => 3) });

  it('of one rank is that of its own batch', async () => {
    const { decide } = await ranksOf(1, { queryLen: 3, keys: both, policy: uniform });
    expect(keys.map(({ tokens }) => tokens)).toEqual([24, 18, 9, 6, 3]);
    expect(decide([drafts(4)])).toMatchObject({ run: 'full', paddedTokens: 18, paddedRequests: 6 });
    expect(decide([drafts(3)])).toMatchObject({ run: 'full', paddedTokens: 9, paddedRequests: 3 });
    expect(decide([{ prefills: [6, 6] }])).toMatchObject({ run: 'piecewise', paddedTokens: 16 });
    expect(decide([drafts(9)])).toMatchObject({ run: 'eager', reason: 'rank-eager', reasonRank: 0 });
  });

  it('runs at the largest size any rank padded to (V1), or at the largest real size (V2)', async () => {
    const step = [drafts(4), { prefills: [6, 6] }, IDLE];
    const v1 = await ranksOf(3, {
      queryLen: 3,
      keys: both,
      policy: { ...uniform, graphAgreement: 'min-mode-padded' },
    });
    const v2 = await ranksOf(3, { queryLen: 3, keys: both, policy: uniform });
    expect(v1.decide(step)).toMatchObject({ run: 'piecewise', reason: 'graph-piecewise', paddedTokens: 24 });
    expect(v2.decide(step)).toMatchObject({ run: 'piecewise', reason: 'graph-piecewise', paddedTokens: 16 });
  });

  it('none: eager on all, each with what it padded its own batch to (V1)', async () => {
    const policy = { ...uniform, graphAgreement: 'min-mode-padded', eagerGather: 'own-padded' } as const;
    const { decide } = await ranksOf(3, { queryLen: 3, keys: both, policy });
    const decision = decide([drafts(4), { prefills: [25] }, IDLE]);
    expect(decision).toMatchObject({ run: 'eager', reason: 'rank-eager', reasonRank: 1 });
    expect(gathers(decision)).toEqual([['variable', 18, 25, 1]]);
  });

  it('full: the graph must be captured with the agreed parts, or all run eager', async () => {
    const policy = { graphAgreement: 'min-mode', ubatches: 2, ubatchThresholdDecode: 26 } as const;
    const plain = await ranksOf(2, { keys: [decodeKey(32, 1, 1)], policy });
    const ubatched = await ranksOf(2, { keys: [decodeKey(32, 1, 2)], policy });
    expect(plain.decide([{ decodes: 30 }, { decodes: 30 }])).toMatchObject({
      run: 'eager',
      reason: 'no-ubatched-key',
      reasonRank: -1,
      reasonDetail: 32,
    });
    expect(plain.decide([{ decodes: 30 }, { decodes: 20 }])).toMatchObject({ run: 'full', reason: 'graph' });
    expect(ubatched.decide([{ decodes: 30 }, { decodes: 20 }])).toMatchObject({
      run: 'eager',
      reason: 'no-plain-twin',
      reasonRank: 1,
      reasonDetail: 32,
    });
  });

  it('piecewise: a graph is cut when it runs, where each part has an aligned token', async () => {
    const cuts = { ubatches: 2, ubatchThresholdPrefill: 2, tokenAlignment: 4 };
    const agreed = { graphAgreement: 'min-mode-padded', split: 'padded-share', sharedBlocks: 'veto' } as const;
    const policy = { ...cuts, ...agreed };
    const { decide } = await ranksOf(2, { keys: [piecewiseKey(24), piecewiseKey(4)], policy });
    expect(partSizes(decide([{ prefills: [21] }, { prefills: [17] }]))).toEqual([12, 12]);
    expect(partSizes(decide([{ prefills: [3] }, { prefills: [2] }]))).toEqual([4]);
  });
});

describe('a size that is captured plain alone, below a larger one with micro-batches', () => {
  it('runs plain, though all wish to be cut', async () => {
    const keys = [decodeKey(256, 1, 2), decodeKey(256, 1, 1), decodeKey(4, 1, 1)];
    const policy = { ubatches: 2, ubatchThresholdDecode: 2, tokenAlignment: 4 };
    const { decide } = await ranksOf(2, { keys, policy });
    expect(decide([{ decodes: 4 }, { decodes: 4 }])).toMatchObject({ paddedTokens: 4, reason: 'plain-only' });
    expect(decide([{ decodes: 5 }, { decodes: 5 }])).toMatchObject({ paddedTokens: 256, reason: 'graph-ubatched' });
  });
});

describe('hooks of older rules', () => {
  it.each([
    ['prepare', 'local'],
    ['partSizes', 'local'],
    ['captureGuard', 'none'],
  ] as const)('%s: no planner acts on it, and none takes it', async (name, value) => {
    const refused = ranksOf(1, { policy: { [name]: value } });
    await expect(refused).rejects.toThrow(`policy.${name} is "${value}": it names a former rule`);
  });
});
