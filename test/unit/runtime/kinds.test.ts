import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeKey, decodePlan, mixedKey, type Policy, piecewiseKey } from '../../../dist/entry/planner.js';
import { runWorkload } from '../../../dist/entry/run.js';
import { generateWorkload } from '../../../dist/entry/workload.js';
import { FULL_RUN, runs } from '../../support/property-runs.js';
import { checkLaws, powers } from '../../support/run-laws.js';

describe('a run on keys of every kind', () => {
  it.each<[string, Partial<Policy>]>([
    ['min-mode-padded', { ubatchAgreement: 'all-wish', lastPart: 'refuse' }],
    ['min-mode', { ubatchAgreement: 'min-tokens', lastPart: 'eager' }],
  ])('runs piecewise graphs cut into parts where the ranks agree by %s', async (graphAgreement, policy) => {
    const run = await runWorkload(generateWorkload({ requests: 40, seed: 2, requestsPerSecond: 200 }), {
      ranks: 2,
      plan: { keys: [...[1, 2, 4, 8, 16].map((n) => decodeKey(n, 1, 1)), ...powers(13).map(piecewiseKey)] },
      policy: {
        ...{ graphAgreement: graphAgreement as Policy['graphAgreement'], decodeMatch: 'uniform', mixedGraphs: 'never' },
        ...{ split: 'padded-share', sharedBlocks: 'veto' },
        ...{ ubatches: 2, ubatchThresholdDecode: 500, ubatchThresholdPrefill: 64, ...policy },
      },
    });
    checkLaws(run);
    expect(run.ubatchedSteps).toBeGreaterThan(0);
    expect(run.reasons['graph-piecewise']).toBeGreaterThanOrEqual(run.ubatchedSteps);
  });

  it('keeps its laws over random limits, policies and workloads', async () => {
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.nat(1000),
          requests: fc.integer({ min: 1, max: 25 }),
          ranks: fc.integer({ min: 1, max: 3 }),
          queryLen: fc.integer({ min: 1, max: 5 }),
          ubatches: fc.integer({ min: 1, max: 4 }),
          decode: fc.integer({ min: 1, max: 12 }),
          prefill: fc.integer({ min: 1, max: 200 }),
          tokenAlignment: fc.constantFrom(1, 2, 4),
          eagerEmptyPart: fc.constantFrom('dummy' as const, 'plain' as const),
          twins: fc.boolean(),
          blockSize: fc.constantFrom(1, 4, 16, 24),
          pool: fc.integer({ min: 500, max: 3000 }),
          maxNumSeqs: fc.integer({ min: 1, max: 20 }),
          maxNumBatchedTokens: fc.integer({ min: 16, max: 300 }),
          prefixes: fc.boolean(),
          mixed: fc.boolean(),
          piecewise: fc.boolean(),
          slots: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 20 })),
          maxPaddingFactor: fc.constantFrom(1.25, 2, 16),
          mixedMatch: fc.constantFrom('slots' as const, 'strict' as const),
          processes: fc.constantFrom(1, 1, 1, 2),
        }),
        async (c) => {
          const requests = generateWorkload({
            requests: c.requests,
            seed: c.seed,
            requestsPerSecond: 20,
            inputTokens: { median: 60, max: 700 },
            outputTokens: { median: 10, min: 1, max: 60 },
            prefixes: c.prefixes ? { count: 2, blocks: 1 } : null,
          });
          const limits = {
            queryLen: c.queryLen,
            blockSize: c.blockSize,
            numBlocks: 1 + Math.ceil(c.pool / c.blockSize),
            maxNumSeqs: c.maxNumSeqs,
            maxNumBatchedTokens: c.maxNumBatchedTokens,
            maxModelLen: 4096,
          };
          const policy: Partial<Policy> = {
            ubatches: c.ubatches,
            ubatchThresholdDecode: c.decode,
            ubatchThresholdPrefill: c.prefill,
            tokenAlignment: c.tokenAlignment,
            eagerEmptyPart: c.eagerEmptyPart,
            maxPaddingFactor: c.maxPaddingFactor,
            mixedMatch: c.mixedMatch,
          };
          const [prefillSlots, decodeSlots] = c.slots;
          const sizes = powers(9).filter((size) => size % c.tokenAlignment === 0);
          const mixed = sizes.filter((size) => size >= Math.max(c.queryLen, prefillSlots + decodeSlots));
          const { keys } = decodePlan({ sizes: [1, 3, 4, 8, 13, 20], limits, policy, twins: c.twins });
          const run = await runWorkload(requests, {
            ranks: c.ranks,
            tensorParallelSize: c.processes,
            plan: {
              keys: [
                ...keys,
                ...(c.mixed ? mixed.map((size) => mixedKey(size, prefillSlots, decodeSlots, c.queryLen)) : []),
                ...(c.piecewise ? sizes.map(piecewiseKey) : []),
              ],
            },
            seed: c.seed,
            checkShapes: true,
            limits,
            policy,
          });
          checkLaws(run);
          if (!c.mixed) expect(run.reasons['graph-mixed']).toBeUndefined();
          if (!c.piecewise) expect(run.reasons['graph-piecewise']).toBeUndefined();
          for (const [reason, count] of Object.entries(run.reasons)) seen.set(reason, (seen.get(reason) ?? 0) + count);
        },
      ),
      runs(40),
    );
    if (!FULL_RUN) return;
    for (const reason of ['graph', 'graph-mixed', 'graph-piecewise', 'above-padding-factor', 'no-key-for-phase'])
      expect(seen.get(reason), reason).toBeGreaterThan(0);
  });
});
