import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRawRules } from '../../dist/agreement/index.js';
import { auditKeys } from '../../dist/entry/capture.js';
import { type CaptureKey, decodeKey, mixedKey, piecewiseKey } from '../../dist/entry/planner.js';
import { captureCost } from '../../dist/entry/workload.js';
import { completePolicy } from '../../dist/policy/index.js';
import { runs } from '../support/property-runs.js';

const MOST = 9;
const queryLen = fc.integer({ min: 1, max: 3 });
const mixed = fc
  .record({
    prefills: fc.integer({ min: 1, max: 6 }),
    decodes: fc.integer({ min: 0, max: 6 }),
    slot: fc.integer({ min: 1, max: 3 }),
    more: fc.integer({ min: 0, max: 20 }),
    longest: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ prefills, decodes, slot, more, longest }): CaptureKey => {
    const key = mixedKey(prefills + decodes + more, prefills, decodes, slot);
    return { ...key, maxQueryLen: Math.max(longest, key.queryLen) };
  });

/** Drafts of up to so many requests, then of more; the last tier may end below the most requests. */
const schedule = fc
  .record({
    first: fc.integer({ min: 1, max: MOST - 1 }),
    more: fc.option(fc.integer({ min: 1, max: 3 })),
    drafts: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 2 }),
  })
  .map(({ first, more, drafts: [few, many] }) => [
    { maxRequests: first, drafts: few },
    { maxRequests: more === null ? null : first + more, drafts: many },
  ]);

test('decodes that the audit says are uncovered are those that the rules run on no full graph', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        queryLen,
        mixed: fc.array(mixed, { maxLength: 3 }),
        decodes: fc.array(fc.integer({ min: 1, max: MOST }), { maxLength: 2 }),
        pieces: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 2 }),
        draftSchedule: fc.option(schedule),
        lengths: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 2 }),
        maxNumBatchedTokens: fc.constantFrom(64, 14),
      }),
      fc.record({
        mixedGraphs: fc.constantFrom('any-step', 'decodes', 'agreed', 'never'),
        mixedMatch: fc.constantFrom('slots', 'strict'),
        maxPaddingFactor: fc.constantFrom(1, 1.5, 2, 1000),
        graphAgreement: fc.constantFrom('shape', 'min-mode'),
        decodeMatch: fc.constantFrom('padded', 'uniform', 'exact'),
      }),
      async (drawn, choices) => {
        const policy = completePolicy(choices as never);
        const { draftSchedule, maxNumBatchedTokens } = drawn;
        const most = draftSchedule === null ? drawn.queryLen : 4;
        const all = [
          ...drawn.mixed.map((key) => ({ ...key, queryLen: Math.min(key.queryLen, most) })),
          ...drawn.decodes.map((count, at) =>
            decodeKey(count, drawn.draftSchedule === null ? most : Math.min(most, drawn.lengths[at]), 1),
          ),
          ...drawn.pieces.map(piecewiseKey),
        ];
        const keys = [...new Map(all.map((key) => [JSON.stringify(key), key])).values()];
        const limits = { maxNumSeqs: MOST, maxNumBatchedTokens, maxModelLen: 64, queryLen: most };
        const rules = await createRawRules({ limits: { ...limits, numBlocks: 64 }, keys, policy });
        const found = auditKeys(
          keys,
          { ...limits, draftSchedule },
          captureCost('trtllm-deepseek-r1'),
          policy,
        ).uncovered.flatMap(({ from, to, run }) =>
          Array.from({ length: to - from + 1 }, (_, at) => `${from + at} ${run}`),
        );
        const hasFull = keys.some(
          ({ mode, prefillRequests }) =>
            mode === 'full' && (prefillRequests === 0 || ['any-step', 'decodes'].includes(choices.mixedGraphs)),
        );
        const expected: string[] = [];
        for (let count = 1; count <= MOST; count++) {
          const tier = draftSchedule?.find(({ maxRequests }) => maxRequests === null || count <= maxRequests);
          const length = draftSchedule === null ? most : 1 + (tier?.drafts ?? 0);
          const lengths = { uniformQueryLen: length, maxQueryLen: length };
          const tokens = count * length;
          if (tokens > maxNumBatchedTokens) continue;
          const parts = { tokens, part0Tokens: tokens, prefillRequests: 0, decodeRequests: count };
          rules.vote(0, { ...parts, ...lengths, maxDecodeQueryLen: length } as never);
          const { run } = rules.resolve();
          if (run === 'eager' || (run === 'piecewise' && hasFull)) expected.push(`${count} ${run}`);
        }
        expect(found).toEqual(expected);
      },
    ),
    runs(1000),
  );
});
