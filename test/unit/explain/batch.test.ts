import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { completeLimits } from '../../../dist/config.js';
import { type BatchDocument, explainBatch } from '../../../dist/explain/index.js';
import { decodePlan } from '../../../dist/keys/capture-plan.js';
import { completePolicy } from '../../../dist/policy/policy.js';
import { decode, many, prefill, ranks } from '../../support/batch-documents.js';
import { runs } from '../../support/property-runs.js';

function planOf(
  sizes: number[],
  given: { maxNumSeqs?: number; queryLen?: number; ubatches?: number; ubatchThresholdDecode?: number } = {},
) {
  const { ubatches, ubatchThresholdDecode, ...limitsGiven } = given;
  const limits = completeLimits(limitsGiven);
  const policy = completePolicy({
    ...(ubatches && { ubatches }),
    ...(ubatchThresholdDecode && { ubatchThresholdDecode }),
  });
  return { limits, policy, plan: decodePlan({ sizes, limits, policy }) };
}

describe('explainBatch', () => {
  test('a busy and an idle rank run one graph, each with its own tensors', async () => {
    const found = await explainBatch(ranks([decode(31, [5, 9]), decode(3, [7])], []), planOf([1, 2, 4]));
    expect(found.decision).toMatchObject({
      run: 'full',
      reason: 'graph',
      paddedTokens: 2,
      paddedRequests: 2,
      busyRanks: 1,
    });
    expect(found.votes.map(({ tokens, decodeRequests }) => [tokens, decodeRequests])).toEqual([
      [2, 2],
      [0, 0],
    ]);
    expect(Object.keys(found.votes[0]).some((name) => name.startsWith('reserved'))).toBe(false);
    expect(found.tensors[0].whole).toMatchObject({
      positions: [31, 3],
      slotMapping: [9 * 16 + 15, 7 * 16 + 3],
      queryStartLoc: [0, 1, 2],
      seqLens: [32, 4],
      logitsIndices: [0, 1],
      tokensPerRank: [2, 2],
    });
    expect(found.tensors[0]).toMatchObject({
      blockTable: [
        [5, 9],
        [7, 0],
      ],
      tableWidth: 8192,
      parts: [],
    });
    expect(found.tensors[1].whole).toMatchObject({
      slotMapping: [-1, -1],
      isPadding: [1, 1],
      seqLens: [0, 0],
      logitsIndices: [],
    });
    expect(found.inventedBlocks).toEqual([]);
  });

  test('without a plan every step is eager, and mixed batches put decodes first', async () => {
    const found = await explainBatch(ranks([prefill(3, [1]), decode(8, [2])], [decode(4, [1])]));
    expect(found.decision).toMatchObject({ run: 'eager', reason: 'no-key-for-phase', reasonRank: 0 });
    expect(found.local.map(({ order }) => order)).toEqual([[1, 0], [0]]);
    expect(found.tensors[0].whole).toMatchObject({ positions: [8, 0, 1, 2], seqLens: [9, 3], logitsIndices: [0, 3] });
    expect(found.decision.parts[0].gather).toEqual({ kind: 'variable', tokensPerRank: [4, 1] });
  });

  test('parts of a cut step have tensors of their own', async () => {
    const options = planOf([4, 8], { ubatches: 2, ubatchThresholdDecode: 4 });
    const found = await explainBatch(ranks(many(5), many(4)), options);
    expect(found.decision).toMatchObject({ run: 'full', reason: 'graph-ubatched', paddedTokens: 8 });
    expect(found.tensors[0].parts.map(({ slotMapping }) => slotMapping)).toEqual([
      [25, 41, 57, 73],
      [89, -1, -1, -1],
    ]);
    expect(found.tensors[1].parts[1].isPadding).toEqual([1, 1, 1, 1]);
    expect(found.local[0].parts.map(({ tableRow, attentionRequests }) => [tableRow, attentionRequests])).toEqual([
      [0, 4],
      [4, 4],
    ]);
  });

  test('given token ids reach the tensors, in the place of their request', async () => {
    const found = await explainBatch(
      ranks([
        { ...prefill(3, [1]), inputIds: [7, 8, 9] },
        { ...decode(8, [2]), inputIds: [42] },
      ]),
    );
    expect(found.tensors[0].whole.inputIds).toEqual([42, 7, 8, 9]);
  });

  test('when all ranks are idle nothing is built', async () => {
    const found = await explainBatch(ranks([], []), planOf([1]));
    expect(found.decision).toMatchObject({ run: 'park', reason: 'all-idle', parts: [] });
    expect(found.tensors[0]).toMatchObject({ blockTable: [], parts: [] });
    expect(Object.values(found.tensors[0].whole)).toEqual(Array(14).fill([]));
  });

  test('blocks left out are made up beside those that are given', async () => {
    const found = await explainBatch(ranks([decode(20), decode(3, [2]), decode(0)], [decode(3)]));
    expect(found.inventedBlocks).toEqual([
      { rank: 0, request: 0, blockIds: [1, 3] },
      { rank: 0, request: 2, blockIds: [4] },
      { rank: 1, request: 0, blockIds: [1] },
    ]);
    expect(found.tensors[0].blockTable).toEqual([
      [1, 3],
      [2, 0],
      [4, 0],
    ]);
  });

  test('a slot that a double cannot hold is a string', async () => {
    const blockSize = 2 ** 24;
    const limits = { blockSize, numBlocks: 2 ** 31 - 1, maxModelLen: blockSize };
    const block = 2 ** 31 - 2;
    const { tensors } = await explainBatch(ranks([decode(5, [block]), decode(5, [1])]), { limits });
    expect(tensors[0].whole.slotMapping).toEqual([String(BigInt(block) * BigInt(blockSize) + 5n), blockSize + 5]);
  });

  test('the order of the batch says which request each row is', async () => {
    const request = fc.record({
      phase: fc.constantFrom('decode' as const, 'prefill' as const),
      computed: fc.integer({ min: 1, max: 500 }),
      queryLen: fc.integer({ min: 1, max: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 12 }), async (given) => {
        const requests = given.map(({ phase, computed, queryLen }) => ({
          phase,
          numComputedTokens: computed,
          queryLen: phase === 'decode' ? 1 : queryLen,
        }));
        const { local, tensors } = await explainBatch({ ranks: [{ requests }] });
        const [{ order }] = local;
        expect([...order].sort((a, b) => a - b)).toEqual([...requests.keys()]);
        expect(tensors[0].whole.seqLens).toEqual(
          order.map((index) => requests[index].numComputedTokens + requests[index].queryLen),
        );
        expect(order.map((index) => requests[index].phase)).toEqual(requests.map(({ phase }) => phase).sort());
      }),
      runs(25),
    );
  });
});

describe('refused batches', () => {
  test.each([
    [[], 'the document is []'],
    [{}, 'ranks is missing; it must be an array'],
    [{ ranks: [] }, 'ranks is []'],
    [
      { ranks: [{ requests: [{ phase: 'decode', queryLen: 1, numComputedTokens: 1, blocks: [1] }] }] },
      'ranks[0].requests[0] has no blocks',
    ],
    [
      { ranks: [{ requests: [] }, { requests: [{ phase: 'x' }] }] },
      'ranks[1].requests[0].phase is "x"; it must be "decode" or "prefill"',
    ],
    [{ ranks: [{ requests: [{ phase: 'decode', queryLen: 1.5, numComputedTokens: 1 }] }] }, 'queryLen is 1.5'],
    [{ ranks: [{ requests: [{ phase: 'decode', queryLen: 1 }] }] }, 'numComputedTokens is missing'],
    [{ ranks: [{ requests: [{ ...decode(1, [1]), blockIds: [2 ** 31] }] }] }, 'blockIds is [2147483648]'],
    [{ ranks: [{ requests: [{ ...decode(1, [1]), inputIds: [1, 2] }] }] }, 'as many ids as queryLen (1)'],
  ])('%j: %s', async (document, message) => {
    await expect(explainBatch(document as BatchDocument)).rejects.toThrowError(
      expect.objectContaining({ code: 'ERR_INPUT_INVALID', message: expect.stringContaining(message) }),
    );
  });

  test.each([
    ['ERR_BLOCK_INVALID', decode(1, [0]), {}],
    ['ERR_POSITION_BEYOND_BLOCKS', decode(16, [1]), {}],
    ['ERR_BATCH_LIMIT', decode(1, [1], 2), {}],
    ['ERR_BATCH_LIMIT', prefill(101), { maxModelLen: 100 }],
    ['ERR_BATCH_LIMIT', prefill(100), { numBlocks: 3 }],
  ])('%s comes from the planner, with rank and request', async (code, request, limits) => {
    await expect(explainBatch(ranks([], [decode(1), request]), { limits })).rejects.toThrowError(
      expect.objectContaining({
        code,
        message: expect.stringMatching(/^ranks\[1\]\.requests\[1\]: /),
        details: expect.objectContaining({ rank: 1, request: 1 }),
      }),
    );
  });
});
