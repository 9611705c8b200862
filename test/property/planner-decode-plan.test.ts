import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPlanner, decodePlan, type Policy } from '../../dist/entry/planner.js';
import { decodePlanPlain } from '../oracles/decode-plan-oracle.js';
import { policyArbitrary, policyWith } from '../support/planner-setup.js';
import { runs } from '../support/property-runs.js';

const ladder = fc.array(fc.integer({ min: 1, max: 600 }), { maxLength: 12 });

describe('decodePlan', () => {
  it('gives the keys of the plain rules: rounded, lowered to maxNumSeqs, aligned, once each, largest first', () => {
    fc.assert(
      fc.property(
        ladder,
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 8 }),
        policyArbitrary,
        fc.boolean(),
        (sizes, maxNumSeqs, queryLen, policy, twins) => {
          const { keys } = decodePlan({ sizes, limits: { maxNumSeqs, queryLen }, policy, twins });
          const found = keys.map(({ decodeRequests, parts }) => [decodeRequests, parts]);
          expect(found).toEqual(decodePlanPlain(sizes, maxNumSeqs, queryLen, policy, twins));
          for (const key of keys) {
            expect(key.tokens).toBe(key.decodeRequests * queryLen);
            expect(key.tokens % policy.tokenAlignment).toBe(0);
            expect(key).toMatchObject({
              mode: 'full',
              queryLen,
              maxQueryLen: queryLen,
              prefillRequests: 0,
              variant: 0,
            });
          }
        },
      ),
      runs(3000),
    );
  });

  it('is accepted by a planner of the same limits and policy', async () => {
    await fc.assert(
      fc.asyncProperty(ladder, fc.integer({ min: 1, max: 8 }), policyArbitrary, async (sizes, queryLen, policy) => {
        const limits = { maxNumSeqs: 20, maxNumBatchedTokens: 160, maxModelLen: 64, queryLen };
        const plan = decodePlan({ sizes, limits, policy });
        const planner = await createPlanner({ limits, policy, plan });
        expect(planner.plan.keys).toHaveLength(plan.keys.length);
      }),
      runs(150),
    );
  });
});

describe('decodePlan by example', () => {
  const limits = { maxNumSeqs: 24, queryLen: 1 };
  const pairs = (plan: ReturnType<typeof decodePlan>): string[] =>
    plan.keys.map(({ tokens, parts }) => (parts > 1 ? `${tokens}/${parts}` : `${tokens}`));

  it('captures sizes from the threshold on twice, the ubatched one first', () => {
    const policy = policyWith({ ubatches: 2, ubatchThresholdDecode: 8 });
    expect(pairs(decodePlan({ sizes: [1, 2, 4, 8, 16], limits, policy }))).toEqual([
      '16/2',
      '16',
      '8/2',
      '8',
      '4',
      '2',
      '1',
    ]);
    expect(pairs(decodePlan({ sizes: [1, 2, 4, 8, 16], limits, policy, twins: false }))).toEqual([
      '16/2',
      '8/2',
      '4',
      '2',
      '1',
    ]);
  });

  it('captures ubatched from the least size that ranks can agree at', () => {
    const sizes = [1, 2, 4, 8, 16, 24];
    const from = (choices: Partial<Policy>, queryLen = 1): string[] => {
      const policy = policyWith({ ubatches: 2, ubatchThresholdDecode: 16, ...choices });
      return pairs(decodePlan({ sizes, limits: { ...limits, queryLen }, policy })).filter((pair) =>
        pair.endsWith('/2'),
      );
    };
    expect(from({})).toEqual(['24/2', '16/2']);
    expect(from({ ubatchHysteresis: 8 })).toEqual(['24/2', '16/2', '8/2']);
    const prefills = { ubatchAgreement: 'min-tokens', ubatchThresholdPrefill: 4 } as const;
    expect(from(prefills)).toEqual(['24/2', '16/2']);
    // Only decodes of several lengths are held to the threshold of prefills, and 4 tokens hold none that reach it.
    expect(from(prefills, 2)).toEqual(['24/2', '16/2', '8/2']);
    expect(from({ ...prefills, decodeMatch: 'uniform' }, 2)).toEqual(['24/2', '16/2']);
    expect(from({ ubatchAgreement: 'same-phase' })).toEqual(['24/2', '16/2', '8/2', '4/2', '2/2']);
    expect(from({ ubatchAgreement: 'same-phase', ubatchMinRequests: 3 })).toEqual(['24/2', '16/2', '8/2', '4/2']);
    expect(from({ ubatchCaptureMinRequests: 20 })).toEqual(['24/2']);
  });

  it('rounds tokens up to whole requests, and lowers what maxNumSeqs requests cannot reach', () => {
    const sizes = [1, 4, 5, 8, 90, 1000];
    const plan = decodePlan({ sizes, limits: { maxNumSeqs: 24, queryLen: 4 }, policy: policyWith({}) });
    expect(pairs(plan)).toEqual(['96', '92', '8', '4']);
  });

  it('rounds up to the token alignment, and cuts no part below it', () => {
    const policy = policyWith({ ubatches: 2, ubatchThresholdDecode: 1, tokenAlignment: 4 });
    expect(pairs(decodePlan({ sizes: [1, 5, 9, 23], limits, policy }))).toEqual([
      '24/2',
      '24',
      '12/2',
      '12',
      '8/2',
      '8',
      '4',
    ]);
  });
});
