import fc from 'fast-check';
import {
  type CaptureKey,
  DEFAULT_LIMITS,
  decodePlan,
  type Limits,
  LOCKSTEP_POLICY,
  type PaddingName,
  type Policy,
} from '../../dist/planner/index.js';

/** All that a planner is built from, complete. */
export interface PlannerSetup {
  readonly limits: Limits;
  readonly policy: Policy;
  readonly plan: { readonly keys: readonly CaptureKey[] };
  readonly rank: number;
  readonly ranks: number;
  readonly padding: PaddingName;
}

const divisorOf = (value: number): fc.Arbitrary<number> =>
  fc.constantFrom(...Array.from({ length: value }, (_, index) => index + 1).filter((unit) => value % unit === 0));

/** Small limits, so that every one of them is met: a few requests, tens of tokens, blocks of 1 to 16 tokens. */
export const limitsArbitrary: fc.Arbitrary<Limits> = fc
  .record({
    maxNumSeqs: fc.integer({ min: 1, max: 7 }),
    maxNumBatchedTokens: fc.integer({ min: 4, max: 48 }),
    maxModelLen: fc.integer({ min: 4, max: 64 }),
    blockSize: fc.constantFrom(1, 2, 3, 4, 6, 8, 16),
    queryLen: fc.integer({ min: 1, max: 4 }),
    contextParallelSize: fc.constantFrom(1, 1, 1, 2, 3),
    hugeCache: fc.boolean(),
  })
  .chain(({ hugeCache, ...sizes }) =>
    fc
      .record({
        kernelBlockSize: divisorOf(sizes.blockSize),
        interleaveSize: divisorOf(sizes.blockSize),
        contextParallelRank: fc.integer({ min: 0, max: sizes.contextParallelSize - 1 }),
      })
      .map(
        (rest): Limits => ({
          ...DEFAULT_LIMITS,
          ...sizes,
          ...rest,
          numBlocks: hugeCache ? 2 ** 31 / 16 - 1 : 1024,
        }),
      ),
  );

export const policyArbitrary: fc.Arbitrary<Policy> = fc
  .record({
    ubatches: fc.constantFrom(1, 2, 2, 3, 4),
    ubatchThresholdDecode: fc.integer({ min: 1, max: 8 }),
    ubatchThresholdPrefill: fc.integer({ min: 1, max: 16 }),
    tokenAlignment: fc.constantFrom(1, 1, 1, 2, 3, 4),
    split: fc.constantFrom<Policy['split'][]>(
      'token-share',
      'token-share',
      'balanced',
      'token-midpoint',
      'padded-share',
    ),
    eagerEmptyPart: fc.constantFrom('dummy' as const, 'plain' as const),
    enforceEager: fc.integer({ min: 0, max: 19 }).map((value) => value === 0),
  })
  .map((choices) => ({ ...LOCKSTEP_POLICY, ...choices }));

/** Ladders of one or two query lengths, with or without twins, sometimes captured for two variants. */
export function planArbitrary(limits: Limits, policy: Policy): fc.Arbitrary<{ keys: CaptureKey[] }> {
  const size = fc.integer({ min: 1, max: (limits.maxNumSeqs + 1) * limits.queryLen });
  return fc
    .record({
      sizes: fc.array(size, { maxLength: 4 }),
      full: fc.boolean(),
      lengths: fc.constantFrom('full', 'full', 'both', 'short'),
      twins: fc.boolean(),
      twoVariants: fc.integer({ min: 0, max: 7 }).map((value) => value === 0),
    })
    .map(({ sizes, full, lengths, twins, twoVariants }) => {
      const { maxNumSeqs, queryLen } = limits;
      const ladder = full ? [...sizes, maxNumSeqs * queryLen] : sizes;
      const queryLens = { full: [queryLen], both: [...new Set([1, queryLen])], short: [1] }[lengths];
      const keys = queryLens.flatMap(
        (length) => decodePlan({ sizes: ladder, limits: { maxNumSeqs, queryLen: length }, policy, twins }).keys,
      );
      return { keys: twoVariants ? keys.flatMap((key) => [key, { ...key, variant: 1 }]) : [...keys] };
    });
}

export const setupArbitrary: fc.Arbitrary<PlannerSetup> = fc
  .record({
    limits: limitsArbitrary,
    policy: policyArbitrary,
    ranks: fc.integer({ min: 1, max: 4 }),
    padding: fc.constantFrom<PaddingName[]>('lockstep', 'lockstep', 'sglang', 'flashinfer', 'trtllm'),
  })
  .chain(({ limits, policy, ranks, padding }) =>
    fc
      .record({ plan: planArbitrary(limits, policy), rank: fc.integer({ min: 0, max: ranks - 1 }) })
      .map(({ plan, rank }) => ({ limits, policy, plan, ranks, rank, padding })),
  );

/** The policy `lockstep` with some choices changed. */
export function policyWith(changes: Partial<Policy>): Policy {
  return { ...LOCKSTEP_POLICY, ...changes };
}
