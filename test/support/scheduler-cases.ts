import fc from 'fast-check';
import { type Request, type SchedulerLimits, schedulerLimits } from '../../dist/workload/index.js';

/** Requests of up to `longest` prompt tokens; about half begin with one of a few chains of hash ids. */
function requestsUpTo(longest: number): fc.Arbitrary<Omit<Request, 'id'>[]> {
  const request = fc
    .record({
      arrivalMs: fc.constantFrom(0, 0, 1, 30, 200, 5000),
      inputTokens: fc.oneof(fc.integer({ min: 1, max: Math.min(40, longest) }), fc.integer({ min: 1, max: longest })),
      outputTokens: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 4, max: 40 })),
      chain: fc.option(fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 3, maxLength: 3 }), { nil: null }),
    })
    .map(({ chain, ...rest }) => ({
      ...rest,
      hashIds: chain === null ? null : chain.slice(0, Math.ceil(rest.inputTokens / 512)),
    }));
  return fc.array(request, { minLength: 1, maxLength: 16, size: 'max' });
}

/** A workload and what it is scheduled under. */
export interface SchedulerCase {
  readonly rows: Omit<Request, 'id'>[];
  readonly limits: SchedulerLimits;
}

function casesOf(longest: number, poolTokens: [number, number], blockSizes: number[]): fc.Arbitrary<SchedulerCase> {
  return fc
    .record({
      rows: requestsUpTo(longest),
      pool: fc.integer({ min: poolTokens[0], max: poolTokens[1] }),
      blockSize: fc.constantFrom(...blockSizes),
      maxNumBatchedTokens: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 100, max: 2000 })),
      other: fc.record({
        ranks: fc.constantFrom(1, 1, 2, 3),
        maxNumSeqs: fc.constantFrom(1, 2, 5, 9, 256),
        maxModelLen: fc.constantFrom(1200, 131072),
        queryLen: fc.integer({ min: 1, max: 4 }),
        acceptRate: fc.constantFrom(0, 0.5, 0.7, 1),
        seed: fc.nat(),
        speed: fc.constantFrom(0.5, 1, 3),
        stepTime: fc.constantFrom([8, 0.096, 0] as const, [0, 0, 0] as const, [1, 0.5, 0.01] as const),
      }),
    })
    .map(({ rows, pool, blockSize, maxNumBatchedTokens, other }) => ({
      rows,
      limits: schedulerLimits({
        ...other,
        blockSize,
        maxNumBatchedTokens,
        numBlocks: Math.max(3, Math.ceil(pool / blockSize)),
      }),
    }));
}

/** Long prompts over several 512-token blocks, and short ones in pools so tight that they keep preempting each other. */
export const schedulerCases: fc.Arbitrary<SchedulerCase> = fc.oneof(
  casesOf(1300, [300, 3000], [16, 48, 100, 512, 600]),
  casesOf(60, [60, 150], [1, 3, 4, 16]),
  casesOf(12, [50, 80], [1, 3, 4]),
);
