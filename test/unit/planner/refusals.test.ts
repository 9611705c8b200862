import { describe, expect, it } from 'vitest';
import { createPlanner, decodeKey, type LockstepError, piecewiseKey } from '../../../dist/entry/planner.js';
import { devicePort } from '../../../dist/planner/index.js';
import { tableOf, type VoteRecord } from '../../oracles/vote-oracle.js';
import { refusedWith } from '../../support/expectations.js';
import { decideOne, ranksOf, votesOf } from '../../support/planner-deciding.js';

describe('a table whose votes do not belong together', () => {
  it.each<[string, Partial<VoteRecord>]>([
    ['version', { version: 99 }],
    ['step', { step: 4 }],
    ['plan', { planHash: 12345 }],
    ['limits', { tokens: 5 }],
    ['limits', { decodeRequests: 2000 }],
  ])('one of another %s is refused, naming its rank', async (what, words) => {
    const planner = await createPlanner({ ranks: 3, limits: { maxModelLen: 64 } });
    const votes = votesOf(planner, [{ decodes: 2 }, { decodes: 3 }, { decodes: 1 }]);
    const table = tableOf(votes.map((vote, rank) => (rank === 2 ? { ...vote, ...words } : vote)));
    const error: LockstepError = refusedWith('ERR_RANKS_DIVERGED', () => decideOne(planner, table));
    expect(error.details).toMatchObject({ what, ranks: [2] });
  });

  it.each<[string, Partial<VoteRecord>, number[]]>([
    ['control (0 run, 1 leave, 2 fault) by rank is 0, 7', { control: 7 }, [0, 7]],
    ['control (0 run, 1 leave, 2 fault) by rank is 0, -1', { control: -1 }, [0, -1]],
    ['maxNumBatchedTokens 8192) by rank is 2, 9000', { tokens: 9000, part0Tokens: 9000 }, [2, 9000]],
    ['tokens (at least one a request', { tokens: 2, part0Tokens: 2 }, [2, 2]],
    ['decodeRequests (of maxNumSeqs 256 requests in all) by rank is 2, 257', { decodeRequests: 257 }, [2, 257]],
    ['prefillRequests (of maxNumSeqs 256', { prefillRequests: -1 }, [0, -1]],
    ['paddedTokens (at least as many as tokens: 2, 3; at most the', { paddedTokens: 2 }, [2, 2]],
    ["at most the largest key's) by rank is 2, 9000", { paddedTokens: 9000 }, [2, 9000]],
    ['the tokens of all parts (as many as tokens: 2, 3) by rank is 2, 4', { part1Tokens: 1 }, [2, 4]],
  ])('names the word of a vote that cannot be one: %s', async (said, words, values) => {
    const planner = await createPlanner({ ranks: 2, limits: { maxModelLen: 64 } });
    const [first, second] = votesOf(planner, [{ decodes: 2 }, { decodes: 3 }]);
    const table = tableOf([first, { ...second, ...words }]);
    const error = refusedWith('ERR_RANKS_DIVERGED', () => decideOne(planner, table));
    expect(error.message).toContain(said);
    expect(error.details).toMatchObject({ what: 'limits', ranks: [1], values });
  });

  it.each<[string, number[], number[]]>([
    ['of two', [0, 1], [0, 1]],
    ['where all differ', [0, 1, 2], [0, 1, 2]],
    ['where as many say one as another', [1, 0, 1, 0], [0, 1, 2, 3]],
    ['but those in the majority', [0, 5, 0, 6], [1, 3]],
  ])('names every rank that may be wrong: all %s', async (_name, steps, ranks) => {
    const { decide } = await ranksOf(steps.length);
    const error = refusedWith('ERR_RANKS_DIVERGED', () => decide(steps.map((step) => ({ step }))));
    expect(error.details).toMatchObject({ what: 'step', values: steps, ranks });
  });
});

describe('replicas', () => {
  const policy = { ubatches: 2, ubatchThresholdDecode: 8 } as const;
  const batches = [{ decodes: 30 }, { decodes: 30 }, { decodes: 20 }, { decodes: 20 }];
  const with2 = async (replicaSize = 2): ReturnType<typeof ranksOf> => await ranksOf(4, { policy, replicaSize });

  it('of equal batches decide as other ranks do', async () => {
    const { decide } = await with2();
    expect(decide(batches)).toMatchObject({ reason: 'graph-ubatched', busyRanks: 4, ubatchWishes: 4 });
  });

  it('what one process of a replica cannot do no rank does', async () => {
    const { decide } = await with2();
    const changed = (rank: number, words: object): object[] =>
      batches.map((batch, index) => (index === rank ? { ...batch, ...words } : batch));
    expect(decide(changed(1, { graphVeto: 'encoder-output' }))).toMatchObject({ reason: 'vetoed', reasonRank: 1 });
    expect(decide(changed(3, { ubatchVeto: 'other' }))).toMatchObject({ reason: 'plain-twin', reasonRank: 3 });
    const error = refusedWith('ERR_RANK_FAULT', () => decide(changed(2, { fault: 4 })));
    expect(error.details).toMatchObject({ ranks: [2], codes: [4] });
  });

  it('of different batches are refused, naming word and ranks: both of two', async () => {
    const { decide } = await with2();
    const error = refusedWith('ERR_RANKS_DIVERGED', () => decide([...batches.slice(0, 3), { decodes: 21 }]));
    expect(error.details).toMatchObject({ what: 'replica', word: 'tokens', values: [20, 21], ranks: [2, 3] });
    expect(error.message).toContain('Ranks 2 to 3 are one replica');
  });

  it('of different batches are refused, naming word and ranks: of more than two those outside the majority', async () => {
    const { decide } = await with2(4);
    const same = { drafts: [1, 1] };
    const error = refusedWith('ERR_RANKS_DIVERGED', () => decide([same, same, { ...same, variant: 1 }, same]));
    expect(error.details).toMatchObject({ what: 'replica', word: 'variant', values: [0, 0, 1, 0], ranks: [2] });
  });

  it('are part of what ranks must share: another size is another hash', async () => {
    const hashes = await Promise.all(
      [1, 2, 4].map(async (replicaSize) => (await createPlanner({ ranks: 4, replicaSize })).planHash),
    );
    expect(new Set(hashes).size).toBe(3);
  });
});

describe('a part of a step', () => {
  it('that no step has is refused', async () => {
    const planner = await createPlanner({ limits: { maxModelLen: 64 } });
    const key = decodeKey(8, 1, 2);
    const wrong: [parts: number, part: number][] = [
      [0, 0],
      [-1, 0],
      [1.5, 1],
      [2, 3],
      [2, -1],
      [Number.NaN, 0],
    ];
    for (const [parts, part] of wrong) {
      refusedWith('ERR_INPUT_INVALID', () => devicePort(planner).partCut({ ...key, parts }, part));
      refusedWith('ERR_INPUT_INVALID', () => devicePort(planner).partShare(piecewiseKey(16), parts, part));
    }
    expect([0, 1, 2].map((part) => devicePort(planner).partCut(key, part))).toEqual([0, 4, 8]);
    expect([0, 1].map((part) => devicePort(planner).partShare(piecewiseKey(16), 2, part))).toEqual([8, 8]);
  });
});
