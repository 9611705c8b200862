import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AtomVote,
  agreeAtom,
  agreeVllm,
  createAtomAdapter,
  createVllmDispatcher,
  type MegatronShape,
  matchMegatronShapes,
  sglangPadMode,
  type VllmVote,
} from '../../../dist/engines/index.js';
import {
  atomAgreementPlain,
  atomForwardModePlain,
  megatronMatchPlain,
  sglangPadModePlain,
  vllmAgreementPlain,
  vllmDispatchPlain,
  vllmSlotDispatchPlain,
} from '../../oracles/agreement-oracles.js';
import { runs } from '../../support/property-runs.js';

const refused = expect.objectContaining({ code: 'ERR_CONFIG_INVALID' });
/** Counts near each other, so that guards come up on both sides. */
const count = (most: number, least = 0): fc.Arbitrary<number> =>
  fc.oneof(fc.integer({ min: least, max: Math.min(most, 12) }), fc.integer({ min: least, max: most }));

describe('vLLM V1: coordinate_batch_across_dp', () => {
  const row = (
    numTokens: number,
    paddedTokens: number,
    wantsUbatch = true,
    graphMode: VllmVote['graphMode'] = 'full',
  ) => ({
    numTokens,
    paddedTokens,
    wantsUbatch,
    graphMode,
  });

  test.each([
    // 48 / 2 = 24 tokens are in the first micro-batch: a rank with 25 has one left for the last, one with 24 has none.
    ['25 tokens leave the last micro-batch one', [row(25, 32), row(40, 48)], true, [48, 48]],
    ['24 leave it none', [row(24, 32), row(40, 48)], false, [48, 48]],
    ['one rank does not wish', [row(25, 32, false), row(40, 48)], false, [48, 48]],
  ])('%s', async (_, rows, ubatching, paddedTokens) => {
    expect(await agreeVllm({ numUbatches: 2, rows })).toEqual({ graphMode: 'full', ubatching, paddedTokens });
  });

  test('the least mode of any rank counts, an idle one included', async () => {
    const found = await agreeVllm({ numUbatches: 2, rows: [row(40, 48), row(0, 0, false, 'none')] });
    expect(found).toEqual({ graphMode: 'none', ubatching: false, paddedTokens: [48, 0] });
  });

  test('2 tokens in 4 micro-batches stay 2, though 2 micro-batches are empty', async () => {
    const rows = [row(2, 2, true, 'none'), row(1, 2, true, 'none')];
    expect(await agreeVllm({ numUbatches: 4, rows })).toEqual({
      graphMode: 'none',
      ubatching: true,
      paddedTokens: [2, 2],
    });
  });

  test('follows the engine for any rows of 1 to 8 ranks and 2 to 4 micro-batches', async () => {
    const votes = fc
      .record({
        numTokens: count(600),
        padding: fc.constantFrom(0, 1, 7, 8),
        wantsUbatch: fc.boolean(),
        graphMode: fc.constantFrom<VllmVote['graphMode']>('none', 'piecewise', 'full', 'full'),
      })
      .map(({ numTokens, padding, ...rest }) => ({ numTokens, paddedTokens: numTokens + padding, ...rest }));
    // Wishes and modes of all ranks are often equal, or agreements would hardly come up.
    const tables = fc
      .record({
        rows: fc.array(votes, { minLength: 1, maxLength: 8 }),
        wish: fc.option(fc.boolean(), { nil: undefined }),
        mode: fc.option(fc.constantFrom<VllmVote['graphMode']>('none', 'piecewise', 'full'), { nil: undefined }),
      })
      .map(({ rows, wish, mode }) =>
        rows.map((own) => ({ ...own, wantsUbatch: wish ?? own.wantsUbatch, graphMode: mode ?? own.graphMode })),
      )
      // A step that no rank has a token for does not run.
      .filter((rows) => rows.some(({ numTokens }) => numTokens > 0));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 4 }), tables, async (numUbatches, rows) => {
        expect(await agreeVllm({ numUbatches, rows })).toEqual(vllmAgreementPlain(numUbatches, rows));
      }),
      runs(200),
    );
  });

  test('votes that cannot be are refused', async () => {
    await expect(agreeVllm({ numUbatches: 1, rows: [row(1, 1)] })).rejects.toThrowError(refused);
    await expect(agreeVllm({ numUbatches: 2, rows: [] })).rejects.toThrowError(refused);
    await expect(agreeVllm({ numUbatches: 2, rows: [row(9, 8)] })).rejects.toThrowError(refused);
  });
});

describe('ATOM: the sync before a step', () => {
  const decode = (numTokens: number, canSplit = true): AtomVote => ({
    numTokens,
    isPrefill: false,
    meetsMinTokens: true,
    canSplit,
    ubatchTokens: [Math.floor(numTokens / 2), Math.ceil(numTokens / 2)],
  });

  test('sizes of micro-batches are maxima over the ranks, though their sum is beyond the largest batch', async () => {
    const rows = [
      { ...decode(300), ubatchTokens: [200, 100] },
      { ...decode(250), ubatchTokens: [100, 150] },
    ];
    expect(await agreeAtom(rows)).toEqual({
      uniformDecode: true,
      ubatching: true,
      paddedTokens: [300, 300],
      ubatchMaxTokens: [200, 150],
    });
  });

  test('a rank without a request is no prefill: among prefills it keeps all from micro-batches', async () => {
    const prefill = { ...decode(600), isPrefill: true };
    const idle = { ...decode(0), ubatchTokens: [0, 0] };
    expect(await agreeAtom([prefill, prefill])).toMatchObject({ uniformDecode: false, ubatching: true });
    expect(await agreeAtom([prefill, idle])).toMatchObject({ ubatching: false, paddedTokens: [600, 0] });
  });

  test('follows the engine for any rows of 1 to 8 ranks and 2 to 4 micro-batches', async () => {
    const votes = fc
      .record({
        tokens: count(700),
        isPrefill: fc.boolean(),
        meetsMinTokens: fc.boolean(),
        canSplit: fc.boolean(),
        cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
      })
      .map((row) => ({ ...row, isPrefill: row.isPrefill && row.tokens > 0 }));
    const tables = fc
      .record({
        rows: fc.array(votes, { minLength: 1, maxLength: 8 }),
        parts: fc.integer({ min: 2, max: 4 }),
        prefill: fc.option(fc.boolean(), { nil: undefined }),
        split: fc.option(fc.constant(true), { nil: undefined }),
      })
      .map(({ rows, parts, prefill, split }) =>
        rows.map(({ tokens, cuts, ...row }): AtomVote => {
          // A rank that can be split has a token for each part.
          const numTokens = (split ?? row.canSplit) ? Math.max(tokens, parts) : tokens;
          const bounds = cuts.slice(1, parts).map((cut) => 1 + Math.floor(cut * (numTokens - parts)));
          const starts = bounds.sort((a, b) => a - b).map((bound, index) => bound + index);
          const edges = [0, ...(numTokens >= parts ? starts : starts.map(() => 0)), numTokens];
          return {
            ...row,
            numTokens,
            isPrefill: numTokens > 0 && (prefill ?? row.isPrefill),
            canSplit: split ?? row.canSplit,
            ubatchTokens: edges.slice(1).map((edge, index) => edge - edges[index]),
          };
        }),
      );
    await fc.assert(
      fc.asyncProperty(tables, async (rows) => {
        expect(await agreeAtom(rows)).toEqual(atomAgreementPlain(rows));
      }),
      runs(200),
    );
  });

  test('votes that cannot be are refused', async () => {
    await expect(agreeAtom([])).rejects.toThrowError(refused);
    await expect(agreeAtom([{ ...decode(9), ubatchTokens: [4, 4] }])).rejects.toThrowError(refused);
    await expect(agreeAtom([decode(9), { ...decode(9), ubatchTokens: [3, 3, 3] }])).rejects.toThrowError(refused);
    await expect(agreeAtom([{ ...decode(0), isPrefill: true, ubatchTokens: [0, 0] }])).rejects.toThrowError(refused);
  });
});

test('ATOM: ForwardMode follows the engine for any ladder and query length', async () => {
  const cases = fc
    .record({
      isPrefill: fc.boolean(),
      numRequests: count(300, 1),
      more: count(100),
      uniformDecodeAcrossRanks: fc.boolean(),
      enforceEager: fc.boolean(),
      captureSizes: fc.uniqueArray(fc.integer({ min: 1, max: 320 }), { minLength: 1, maxLength: 12 }),
      queryLen: fc.integer({ min: 1, max: 6 }),
      short: fc.nat(5),
    })
    .map(({ more, short, ...given }) => ({
      ...given,
      paddedTokensAcrossRanks: (given.numRequests + more) * given.queryLen - (short % given.queryLen),
    }));
  await fc.assert(
    fc.asyncProperty(cases, async (given) => {
      using adapter = await createAtomAdapter({ ...given, maxNumSeqs: 400 });
      expect(adapter.forwardMode(given)).toEqual(atomForwardModePlain(given));
    }),
    runs(150),
  );
});

describe('SGLang: get_dp_padding_mode', () => {
  test.each([
    [[1, 1, 1, 1], false, 'max-len'],
    [[4, 0, 0, 0], false, 'sum-len'],
    [[4, 4, 0, 0], false, 'max-len'],
    [[4, 3, 0, 0], false, 'sum-len'],
    [[0, 0, 0, 0], false, 'max-len'],
    [[2, 1, 1, 0], false, 'max-len'],
    [[8192, 0, 0, 0, 0, 0, 0, 0], true, 'sum-len'],
    [[3, 2, 0, 0, 0, 0, 0, 0], true, 'sum-len'],
  ])('%j, some rank extends: %s, gives %s', async (tokensPerRank, anyExtend, mode) => {
    expect(await sglangPadMode({ tokensPerRank, anyExtend })).toBe(mode);
  });

  test('follows the engine for 1 to 8 ranks, aligned or not; a tie pads to the largest', async () => {
    const tokens = fc.array(count(40), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(tokens, fc.boolean(), fc.constantFrom(1, 2, 4, 8), async (tokensPerRank, extend, alignment) => {
        const anyExtend = extend && tokensPerRank.some((own) => own > 0);
        const options = { tokensPerRank, anyExtend, tokenAlignment: alignment };
        expect(await sglangPadMode(options)).toBe(sglangPadModePlain(tokensPerRank, anyExtend, alignment));
      }),
      runs(300),
    );
  });

  test('sums beyond 32 bits are compared as what they are', async () => {
    // 1024 ranks of 2^22 tokens: their sum, and the largest times the ranks, are 2^32.
    const full = Array.from({ length: 1024 }, () => 1 << 22);
    expect(await sglangPadMode({ tokensPerRank: full, anyExtend: false })).toBe('max-len');
    const skewed = full.map((tokens, rank) => (rank < 256 ? tokens : 0));
    expect(await sglangPadMode({ tokensPerRank: skewed, anyExtend: false })).toBe('sum-len');
  });

  test('an extension of no token is refused', async () => {
    await expect(sglangPadMode({ tokensPerRank: [0, 0], anyExtend: true })).rejects.toThrowError(refused);
  });
});

describe('vLLM V2: CudaGraphManager.dispatch', () => {
  test.each([
    [4, 12, 3, { mode: 'full', numTokens: 18, numRequests: 6 }],
    [3, 9, 3, { mode: 'full', numTokens: 9, numRequests: 3 }],
    [2, 12, null, { mode: 'piecewise', numTokens: 16, numRequests: null }],
    [9, 27, 3, { mode: 'none', numTokens: 27, numRequests: 9 }],
    [3, 6, 2, { mode: 'piecewise', numTokens: 8, numRequests: null }],
    [0, 0, null, { mode: 'none', numTokens: 0, numRequests: 0 }],
  ])('%i requests of %i tokens, uniform %j: %j', async (numRequests, numTokens, uniformQueryLen, found) => {
    const dispatcher = await createVllmDispatcher({ captureSizes: [1, 2, 4, 8, 16, 24], queryLen: 3, maxNumSeqs: 8 });
    expect(dispatcher.dispatch({ numRequests, numTokens, uniformQueryLen })).toEqual(found);
  });

  test('follows the engine for any ladder, query length and batches', async () => {
    const batches = fc.array(
      fc.record({
        requests: count(90, 1),
        length: fc.integer({ min: 1, max: 7 }),
        extra: count(40),
        mixed: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    );
    const ladders = fc.record({
      captureSizes: fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 12 }),
      queryLen: fc.integer({ min: 1, max: 6 }),
      maxNumSeqs: fc.integer({ min: 1, max: 80 }),
    });
    await fc.assert(
      fc.asyncProperty(ladders, batches, async ({ captureSizes, queryLen, maxNumSeqs }, given) => {
        const dispatcher = await createVllmDispatcher({
          captureSizes,
          queryLen,
          maxNumSeqs,
          maxNumBatchedTokens: 1024,
        });
        for (const { requests, length, extra, mixed } of given) {
          // Lengths near the query length: most batches are those that could decode.
          const uniformQueryLen = mixed ? null : extra % 3 > 0 ? queryLen : length;
          const numTokens = uniformQueryLen === null ? requests + extra : requests * uniformQueryLen;
          const batch = { numRequests: requests, numTokens, uniformQueryLen };
          expect(dispatcher.dispatch(batch)).toEqual(vllmDispatchPlain(captureSizes, queryLen, maxNumSeqs, batch));
        }
      }),
      runs(100),
    );
  });

  const SIZES = [1, 2, 4, 8, 16, 24, 32];
  test.each([
    // Decodes of one to three tokens each run on one graph of their tokens; a batch with a prefill on pieces.
    [{ adaptiveVerification: true }, 3, 6, 3, { mode: 'full', numTokens: 8, numRequests: 8 }],
    [{ adaptiveVerification: true }, 3, 6, undefined, { mode: 'piecewise', numTokens: 8, numRequests: null }],
    [{ adaptiveVerification: true }, 8, 24, 3, { mode: 'full', numTokens: 24, numRequests: 8 }],
    // No decode has 25 tokens, so that the size of 32 is for pieces alone.
    [{ adaptiveVerification: true }, 4, 25, undefined, { mode: 'piecewise', numTokens: 32, numRequests: null }],
    [{ graphMode: 'FULL' }, 3, 6, 3, { mode: 'full', numTokens: 8, numRequests: 8 }],
    [{ graphMode: 'FULL' }, 2, 30, undefined, { mode: 'full', numTokens: 32, numRequests: 8 }],
    [{ graphMode: 'FULL' }, 2, 33, undefined, { mode: 'none', numTokens: 33, numRequests: 2 }],
  ] as const)(
    '%j: %i requests of %i tokens, the longest decode of %j: %j',
    async (own, requests, tokens, longest, found) => {
      const vllm = await createVllmDispatcher({ profile: { ...own, sizes: SIZES, queryLen: 3, maxNumSeqs: 8 } });
      const batch = { numRequests: requests, numTokens: tokens, uniformQueryLen: null };
      expect(vllm.dispatch({ ...batch, ...(longest !== undefined && { longestDecode: longest }) })).toEqual(found);
    },
  );

  test('follows the engine where full graphs have slots, for any ladder, query length and batches', async () => {
    const ladders = fc.record({
      full: fc.constantFrom('any-step' as const, 'decodes' as const),
      sizes: fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 12 }),
      queryLen: fc.integer({ min: 2, max: 6 }),
      maxNumSeqs: fc.integer({ min: 1, max: 80 }),
    });
    const batches = fc.array(
      fc.record({ requests: count(90, 1), extra: count(120), longest: fc.option(fc.integer({ min: 1, max: 6 })) }),
      { minLength: 1, maxLength: 12 },
    );
    const modes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(ladders, batches, async ({ full, sizes, queryLen, maxNumSeqs }, given) => {
        const mode = full === 'decodes' ? { adaptiveVerification: true } : { graphMode: 'FULL' as const };
        const profile = { ...mode, sizes, queryLen, maxNumSeqs, maxNumBatchedTokens: 1024 };
        const vllm = await createVllmDispatcher({ profile });
        for (const { requests, extra, longest } of given) {
          const length = longest === null ? Infinity : Math.min(longest, queryLen);
          const most = Math.min(extra, requests * (length - 1));
          // Every request has a token, so that the longest has no more than those that are left.
          const own = longest === null ? {} : { longestDecode: Math.min(length, 1 + most) };
          const batch = { numRequests: requests, numTokens: requests + most, uniformQueryLen: null, ...own };
          const found = vllm.dispatch(batch);
          expect(found).toEqual(vllmSlotDispatchPlain(sizes, queryLen, maxNumSeqs, batch, full));
          modes.add(`${full} ${found.mode}`);
        }
      }),
      runs(200),
    );
    expect(modes).toContain('decodes full');
    expect(modes).toContain('any-step full');
  });

  test('a batch that cannot be is refused', async () => {
    const dispatcher = await createVllmDispatcher({ captureSizes: [1, 8], maxNumSeqs: 8 });
    expect(() => dispatcher.dispatch({ numRequests: 3, numTokens: 4, uniformQueryLen: 1 })).toThrowError(refused);
    expect(() => dispatcher.dispatch({ numRequests: 5, numTokens: 4, uniformQueryLen: null })).toThrowError(refused);
    expect(() => dispatcher.dispatch({ numRequests: 1, numTokens: 8193, uniformQueryLen: null })).toThrowError(refused);
  });
});

describe('Megatron: which shape serves a batch', () => {
  interface Match {
    readonly in: { numTokens: number; numPrefillRequests: number; numDecodeRequests: number; strict: boolean };
    readonly out: MegatronShape | null;
  }
  const file = path.join(import.meta.dirname, '../../vectors/ladder-megatron.json');
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as {
    cases: { out: { shapes: MegatronShape[]; matches: Match[] } }[];
  };

  test("every match of the engine's vectors, against their own shapes", async () => {
    let matched = 0;
    for (const { out } of cases) {
      for (const match of out.matches) {
        expect(await matchMegatronShapes(out.shapes, match.in, match.in.strict), JSON.stringify(match)).toEqual(
          match.out,
        );
        if (match.out !== null) matched += 1;
      }
    }
    expect(matched).toBe(47);
  });

  test('follows the engine for any shapes and batches, strict or not', async () => {
    const shapes = fc.array(
      fc.record({ tokens: count(300, 1), prefills: count(20), decodes: count(40) }).map(
        // A shape has a token for each request, and Megatron's prefill-only ones have no decodes.
        ({ tokens, prefills, decodes }): MegatronShape => [
          Math.max(tokens, prefills + decodes, 1),
          prefills,
          prefills + decodes === 0 ? 1 : decodes,
        ],
      ),
      { maxLength: 16 },
    );
    const batches = fc.record({ extra: count(200), prefills: count(12), decodes: count(30), strict: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(shapes, batches, async (given, { extra, prefills, decodes, strict }) => {
        const requests = Math.max(1, prefills + decodes);
        const batch = {
          numTokens: requests + extra,
          numPrefillRequests: prefills,
          numDecodeRequests: requests - prefills,
        };
        expect(await matchMegatronShapes(given, batch, strict)).toEqual(megatronMatchPlain(given, batch, strict));
      }),
      runs(300),
    );
  });

  test('a batch without a request is refused, and a shape without one', async () => {
    const none = { numTokens: 1, numPrefillRequests: 0, numDecodeRequests: 0 };
    await expect(matchMegatronShapes([[4, 0, 4]], none, true)).rejects.toThrowError(refused);
    const one = { numTokens: 1, numPrefillRequests: 0, numDecodeRequests: 1 };
    await expect(matchMegatronShapes([[4, 0, 0]], one, true)).rejects.toThrowError(refused);
    const wrong = [[4, 1n, 4]] as unknown as [number, number, number][];
    await expect(matchMegatronShapes(wrong, one, true)).rejects.toThrowError(refused);
  });
});
