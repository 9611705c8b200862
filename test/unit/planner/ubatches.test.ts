import { describe, expect, it } from 'vitest';
import { assertShapeContract, createPlanner, decodeKey, type ScheduledChunk } from '../../../dist/entry/planner.js';
import { gathers, IDLE, partSizes, ranksOf } from '../../support/planner-deciding.js';
import { policyWith } from '../../support/planner-setup.js';

const policy = { ubatches: 2, ubatchThresholdDecode: 26 } as const;

describe('micro-batches of decodes', () => {
  it('two ranks with 25 to 30 decodes each never run eager', async () => {
    const { decide } = await ranksOf(2, { policy });
    for (let a = 25; a <= 30; a++) {
      for (let b = 25; b <= 30; b++) {
        const decision = decide([{ decodes: a }, { decodes: b }]);
        const wishes = Number(a >= 26) + Number(b >= 26);
        expect(decision).toMatchObject({
          run: 'full',
          reason: ['graph', 'plain-twin', 'graph-ubatched'][wishes],
          paddedTokens: 32,
          ubatchWishes: wishes,
          plainTwin: wishes === 1,
          overlap: wishes === 2,
        });
        expect(partSizes(decision)).toEqual(wishes === 2 ? [16, 16] : [32]);
      }
    }
  });

  it('without plain twins they run eager wherever one of them holds 25', async () => {
    const { decide } = await ranksOf(2, { policy, twins: false });
    for (let a = 25; a <= 30; a++) {
      for (let b = 25; b <= 30; b++) {
        const decision = decide([{ decodes: a }, { decodes: b }]);
        if (a > 25 && b > 25) expect(decision).toMatchObject({ run: 'full', reason: 'graph-ubatched' });
        else {
          const reasonRank = a === 25 ? 0 : 1;
          expect(decision).toMatchObject({ run: 'eager', reason: 'no-plain-twin', reasonRank, reasonDetail: 32 });
        }
      }
    }
  });

  it('an idle rank neither asks nor refuses, and runs a dummy in each part, all padding', async () => {
    const { decide } = await ranksOf(3, { policy });
    const decision = decide([IDLE, { decodes: 30 }, { ubatchVeto: 'other' }]);
    expect(decision).toMatchObject({ run: 'full', reason: 'graph-ubatched', ubatchWishes: 1, busyRanks: 1 });
    expect(gathers(decision)).toEqual([
      ['padded', 16, 16, 16],
      ['padded', 16, 16, 16],
    ]);
  });

  it('a rank whose ubatches are vetoed gets the plain twin for all', async () => {
    const { decide } = await ranksOf(2, { policy });
    const decision = decide([{ decodes: 30 }, { decodes: 30, ubatchVeto: 'shared-block' }]);
    expect(decision).toMatchObject({ reason: 'plain-twin', reasonRank: 1, plainTwin: true, overlap: false });
  });

  it('agreed at a size that has no ubatched key: the plain graph, and not a twin', async () => {
    const { decide } = await ranksOf(2, { policy, keys: [decodeKey(32, 1, 1), decodeKey(16, 1, 2)] });
    const decision = decide([{ decodes: 30 }, { decodes: 28 }]);
    expect(decision).toMatchObject({ run: 'full', reason: 'plain-only', plainTwin: false, reasonRank: -1 });
  });

  it.each([
    [2, [16, 16]],
    [3, [10, 11, 11]],
    [4, [8, 8, 8, 8]],
  ])('%i parts of 32 requests are %j', async (ubatches, sizes) => {
    const { decide } = await ranksOf(2, { policy: { ...policy, ubatches } });
    const decision = decide([{ decodes: 30 }, { decodes: 26 }]);
    expect(decision).toMatchObject({ reason: 'graph-ubatched', paddedTokens: 32 });
    expect(partSizes(decision)).toEqual(sizes);
    expect(decision.parts.map(({ paddedRequests }) => paddedRequests)).toEqual(sizes);
  });

  it('are cut at whole requests and at the token alignment', async () => {
    const aligned = { ubatches: 3, ubatchThresholdDecode: 1, tokenAlignment: 4 };
    const { decide } = await ranksOf(2, { policy: aligned, queryLen: 2, sizes: [40] });
    const decision = decide([{ drafts: Array.from({ length: 18 }, () => 2) }, IDLE]);
    expect(partSizes(decision)).toEqual([12, 12, 16]);
  });

  it('a rank with fewer requests than the policy cuts from keeps all from it', async () => {
    const atom = { ubatches: 2, ubatchThresholdDecode: 1, ubatchMinRequests: 3 };
    const { decide } = await ranksOf(2, { policy: atom });
    expect(decide([{ decodes: 2 }, { decodes: 8 }])).toMatchObject({ reason: 'plain-twin', reasonRank: 0 });
    expect(decide([{ decodes: 3 }, { decodes: 8 }])).toMatchObject({ reason: 'graph-ubatched', reasonRank: -1 });
  });

  it('overlap unless their ops share a resource of which there is one', async () => {
    const shared = { ...policy, exclusiveResources: ['custom-all-gather'] } as const;
    const step = [{ decodes: 30 }, { decodes: 30 }];
    const overlaps = async (choices: object): Promise<boolean> =>
      (await ranksOf(2, { policy: choices })).decide(step).overlap;
    expect(await overlaps(policy)).toBe(true);
    expect(await overlaps(shared)).toBe(false);
    expect(await overlaps({ ...shared, onSharedResource: 'overlap' })).toBe(true);
    expect(await overlaps({ ...shared, ubatches: 1 })).toBe(false);
  });
});

describe('hysteresis', () => {
  it('holds a wish up to so many tokens below the threshold, after a step in micro-batches alone', async () => {
    const { decide } = await ranksOf(2, { policy: { ...policy, ubatchHysteresis: 4 } });
    const step = [{ decodes: 30 }, { decodes: 22 }];
    expect(decide(step, 0)).toMatchObject({ reason: 'plain-twin', ubatchWishes: 1, heldWishes: 0, reasonRank: 1 });
    expect(decide(step, 1)).toMatchObject({ reason: 'plain-twin', ubatchWishes: 1, heldWishes: 0 });
    expect(decide(step, 2)).toMatchObject({ reason: 'graph-ubatched', ubatchWishes: 1, heldWishes: 1 });
    expect(decide([{ decodes: 30 }, { decodes: 21 }], 2)).toMatchObject({ reason: 'plain-twin', heldWishes: 0 });
    const vetoed = [{ decodes: 30 }, { decodes: 22, ubatchVeto: 'other' as const }];
    expect(decide(vetoed, 2)).toMatchObject({ reason: 'plain-twin', heldWishes: 0, reasonRank: 1 });
  });

  it('is off by default', async () => {
    const { decide } = await ranksOf(2, { policy });
    expect(decide([{ decodes: 30 }, { decodes: 25 }], 2)).toMatchObject({ reason: 'plain-twin', heldWishes: 0 });
  });

  it('keeps both ranks cut down to sizes that have ubatched keys for it', async () => {
    const held = { ...policy, ubatchHysteresis: 10 };
    const { decide } = await ranksOf(2, { policy: held });
    expect(decide([{ decodes: 16 }, { decodes: 16 }], 2)).toMatchObject({
      reason: 'graph-ubatched',
      paddedTokens: 16,
      ubatchWishes: 0,
      heldWishes: 2,
    });
  });
});

describe('micro-batches of prefills', () => {
  it('are wished from the threshold of prefills on, and run eager, each part of the largest size', async () => {
    const { decide } = await ranksOf(2, { policy: { ubatches: 2, ubatchThresholdPrefill: 20 } });
    const decision = decide([{ prefills: [20] }, { prefills: [30] }]);
    expect(decision).toMatchObject({ run: 'eager', reason: 'no-key-for-phase', paddedTokens: 30, overlap: true });
    expect(gathers(decision)).toEqual([
      ['padded', 15, 15],
      ['padded', 15, 15],
    ]);
    expect(gathers(decide([{ prefills: [19] }, { prefills: [30] }]))).toEqual([['variable', 19, 30]]);
  });

  const EQUAL_SHARES = { eagerParts: 'equal-shares', split: 'padded-share', sharedBlocks: 'veto' } as const;

  it('equal shares of the largest batch, aligned, the last with what is left', async () => {
    const shares = { ubatches: 3, ubatchThresholdPrefill: 10, ...EQUAL_SHARES };
    const step = [{ prefills: [20] }, { prefills: [31] }];
    expect(partSizes((await ranksOf(2, { policy: shares })).decide(step))).toEqual([10, 10, 11]);
    const aligned = await ranksOf(2, { policy: { ...shares, tokenAlignment: 4 } });
    expect(partSizes(aligned.decide(step))).toEqual([8, 8, 16]);
  });

  it('equal shares hold on every rank the tokens that end there, however its own batch is cut', async () => {
    const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 64, maxModelLen: 64, numBlocks: 64, queryLen: 4 };
    const policy = policyWith({
      ...{ ubatches: 3, ubatchThresholdPrefill: 3, ubatchThresholdDecode: 3 },
      ...EQUAL_SHARES,
    });
    const planners = await Promise.all([0, 1].map((rank) => createPlanner({ limits, policy, rank, ranks: 2 })));
    const step = (...batches: readonly (readonly ScheduledChunk[])[]): [number, number][][] => {
      for (const [rank, { requests }] of planners.entries()) {
        for (const chunk of batches[rank]) requests.schedule(requests.add({ blockIds: [1 + requestCount++] }), chunk);
      }
      const table = Int32Array.from(planners.flatMap((planner) => [...planner.vote()]));
      return planners.map((planner) => {
        const decision = planner.resolve(table);
        const local = planner.build(decision);
        assertShapeContract(decision, local);
        return [0, 1, 2].map((index) => [...local.part(index).tokens] as [number, number]);
      });
    };
    let requestCount = 0;
    const prefill = (queryLen: number): ScheduledChunk => ({ phase: 'prefill', queryLen });
    const decode = (queryLen: number): ScheduledChunk => ({ phase: 'decode', queryLen });
    // Three shares of 5 tokens alone would be 1, 1 and 3.
    expect(step([prefill(6)], [prefill(5)])).toEqual([
      [
        [0, 2],
        [2, 4],
        [4, 6],
      ],
      [
        [0, 2],
        [2, 4],
        [4, 5],
      ],
    ]);
    // Decodes cut by requests would be of 4, 4 and 1 tokens.
    expect(step([decode(4), decode(4), decode(1)], [decode(1), decode(1), decode(2)])).toEqual([
      [
        [0, 3],
        [3, 6],
        [6, 9],
      ],
      [
        [0, 3],
        [3, 4],
        [4, 4],
      ],
    ]);
  });

  it('a part that is all padding somewhere: a dummy, or no cut, as the policy says', async () => {
    const cut = { ubatches: 2, ubatchThresholdPrefill: 10 };
    const step = [{ prefills: [20] }, IDLE];
    expect(gathers((await ranksOf(2, { policy: cut })).decide(step))).toEqual([
      ['padded', 10, 10],
      ['padded', 10, 10],
    ]);
    const plain = { ...cut, eagerEmptyPart: 'plain' } as const;
    expect(gathers((await ranksOf(2, { policy: plain })).decide(step))).toEqual([['variable', 20, 1]]);
    const shares = await ranksOf(2, { policy: { ...plain, ...EQUAL_SHARES } });
    expect(gathers(shares.decide([{ prefills: [21] }, { prefills: [10] }]))).toEqual([['variable', 21, 10]]);
    expect(partSizes(shares.decide([{ prefills: [21] }, { prefills: [11] }]))).toEqual([10, 11]);
  });
});
