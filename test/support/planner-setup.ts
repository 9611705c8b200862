import fc from 'fast-check';
import {
  type CaptureKey,
  DEFAULT_LIMITS,
  type DeviceSupplied,
  decodePlan,
  type KeyKind,
  type KvGroup,
  type Limits,
  LOCKSTEP_POLICY,
  mixedKey,
  type PaddingName,
  type Policy,
  piecewiseKey,
  type TensorChoices,
} from '../../dist/entry/planner.js';

/** All that a planner is built from, complete. */
export interface PlannerSetup {
  readonly limits: Limits;
  readonly policy: Policy;
  readonly plan: { readonly keys: readonly CaptureKey[] };
  readonly rank: number;
  readonly ranks: number;
  readonly padding: PaddingName;
  readonly tensors: Required<TensorChoices>;
  readonly deviceSupplied: readonly DeviceSupplied[];
}

const divisorOf = (value: number): fc.Arbitrary<number> =>
  fc.constantFrom(...Array.from({ length: value }, (_, index) => index + 1).filter((unit) => value % unit === 0));

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** KV cache groups beside the first: mostly none, else up to three, of other block sizes and with other pools. */
const kvGroupsArbitrary: fc.Arbitrary<Required<KvGroup>[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Required<KvGroup>[]>([]) },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.constantFrom(1, 2, 3, 4, 6, 8, 16).chain((blockSize) =>
        fc.record({
          blockSize: fc.constant(blockSize),
          kernelBlockSize: divisorOf(blockSize),
          numBlocks: fc.constantFrom(700, 1024, 2 ** 31 / 16 - 1),
          window: fc.constantFrom(0, 0, 1, 5, 20),
        }),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  },
);

/** Small limits, so that every one of them is met: a few requests, tens of tokens, blocks of 1 to 16 tokens. */
const limitsArbitrary: fc.Arbitrary<Limits> = fc
  .record({
    maxNumSeqs: fc.integer({ min: 1, max: 7 }),
    maxNumBatchedTokens: fc.integer({ min: 4, max: 48 }),
    maxModelLen: fc.integer({ min: 4, max: 64 }),
    blockSize: fc.constantFrom(1, 2, 3, 4, 6, 8, 16),
    queryLen: fc.integer({ min: 1, max: 4 }),
    contextParallelSize: fc.constantFrom(1, 1, 1, 2, 3),
    hugeCache: fc.boolean(),
    others: kvGroupsArbitrary,
  })
  .chain(({ hugeCache, others, ...sizes }) =>
    fc
      .record({
        kernelBlockSize: divisorOf(sizes.blockSize),
        interleaveSize: divisorOf([sizes, ...others].map(({ blockSize }) => blockSize).reduce(greatestDivisor)),
        contextParallelRank: fc.integer({ min: 0, max: sizes.contextParallelSize - 1 }),
      })
      .map(({ kernelBlockSize, ...rest }): Limits => {
        const first = { blockSize: sizes.blockSize, kernelBlockSize, numBlocks: hugeCache ? 2 ** 31 / 16 - 1 : 1024 };
        const limits = { ...DEFAULT_LIMITS, ...sizes, ...rest, ...first };
        return others.length === 0 ? limits : { ...limits, kvGroups: [first, ...others] };
      }),
  );

/** Choices that a step's tensors depend on as well as its decision, small enough that every threshold is met. */
const stepChoices = {
  ubatches: fc.constantFrom(1, 2, 2, 3, 4),
  ubatchThresholdDecode: fc.integer({ min: 1, max: 8 }),
  ubatchThresholdPrefill: fc.integer({ min: 1, max: 16 }),
  ubatchHysteresis: fc.constantFrom(0, 0, 1, 3, 20),
  tokenAlignment: fc.constantFrom(1, 1, 1, 2, 3, 4),
  split: fc.constantFrom('token-share', 'token-share', 'balanced', 'token-midpoint', 'padded-share'),
  eagerEmptyPart: fc.constantFrom('dummy' as const, 'plain' as const),
  enforceEager: fc.integer({ min: 0, max: 19 }).map((value) => value === 0),
} satisfies { [name in keyof Policy]?: fc.Arbitrary<Policy[name]> };

/** The choices of how ranks agree, of which half the policies have lockstep's own. */
const agreementChoices = {
  ubatchMinRequests: fc.constantFrom(0, 0, 1, 3, 5),
  ubatchCaptureMinRequests: fc.constantFrom(0, 0, 0, 2, 4),
  ubatchAgreement: fc.constantFrom('busy-wish', 'all-wish', 'min-tokens', 'any-minimum', 'same-phase'),
  lastPart: fc.constantFrom('run', 'run', 'refuse', 'eager'),
  graphAgreement: fc.constantFrom('shape', 'shape', 'min-mode-padded', 'min-mode'),
  decodeMatch: fc.constantFrom('padded', 'padded', 'uniform', 'exact', 'exact-all'),
  mixedGraphs: fc.constantFrom('agreed', 'agreed', 'one-rank', 'never', 'any-step', 'decodes'),
  mixedMatch: fc.constantFrom('slots', 'strict'),
  maxPaddingFactor: fc.constantFrom(1, 1.25, 2, 2, 4),
  eagerGather: fc.constantFrom('variable', 'padded-decode', 'max-or-sum', 'own-padded'),
  exclusiveResources: fc.subarray(['custom-all-gather', 'side-stream', 'communicator'] as const),
  onSharedResource: fc.constantFrom('serialize', 'serialize', 'overlap'),
} satisfies { [name in keyof Policy]?: fc.Arbitrary<Policy[name]> };

/** Policies whose eager parts are the ranks' own, as the split of a batch without an agreed size has it. */
export const policyArbitrary: fc.Arbitrary<Policy> = fc
  .record({ step: fc.record(stepChoices), agreement: fc.option(fc.record(agreementChoices)) })
  .map(({ step, agreement }) => withCuts(policyWith({ ...step, ...agreement })));

/** Every choice that a decision is made by. */
const decisionPolicyArbitrary: fc.Arbitrary<Policy> = fc
  .record({ policy: policyArbitrary, eagerParts: fc.constantFrom('maxima' as const, 'equal-shares' as const) })
  .map(({ policy, eagerParts }) => withCuts({ ...policy, eagerParts }));

/** The policy with the choices that go with parts cut at agreed sizes. */
export function withCuts(policy: Policy): Policy {
  const agreed = policy.eagerParts === 'equal-shares' || policy.graphAgreement === 'min-mode-padded';
  return agreed && policy.ubatches > 1 ? { ...policy, split: 'padded-share', sharedBlocks: 'veto' } : policy;
}

/** What kinds of keys a plan holds. Default: all of them. */
export interface PlanKinds {
  readonly kinds: readonly KeyKind[];
}

/**
 * Ladders of one or two query lengths, with or without twins, sometimes for two variants; mixed and piecewise keys beside them. Of
 * some plans only some keys are kept, in any order, as after a capture that had no room for all.
 */
function planArbitrary(
  limits: Limits,
  policy: Policy,
  { kinds }: PlanKinds = { kinds: ['decode', 'mixed', 'piecewise'] },
): fc.Arbitrary<{ keys: CaptureKey[] }> {
  const none = fc.constant<CaptureKey[]>([]);
  return fc
    .record({
      decode: kinds.includes('decode') ? decodeKeys(limits, policy) : none,
      mixed: kinds.includes('mixed') ? fc.option(mixedKeys(limits, policy), { nil: [] }) : none,
      piecewise: kinds.includes('piecewise') ? fc.option(piecewiseKeys(limits, policy), { nil: [] }) : none,
      twoVariants: fc.integer({ min: 0, max: 7 }).map((value) => value === 0),
    })
    .map(({ decode, mixed, piecewise, twoVariants }) => {
      const keys = [...decode, ...mixed, ...piecewise];
      return twoVariants ? keys.flatMap((key) => [key, { ...key, variant: 1 }]) : keys;
    })
    .chain((keys) =>
      fc.oneof(
        { weight: 3, arbitrary: fc.constant(keys) },
        { weight: 1, arbitrary: fc.shuffledSubarray(keys, { minLength: Math.ceil(keys.length / 2) }) },
      ),
    )
    .map((keys) => ({ keys }));
}

function decodeKeys(limits: Limits, policy: Policy): fc.Arbitrary<CaptureKey[]> {
  const size = fc.integer({ min: 1, max: (limits.maxNumSeqs + 1) * limits.queryLen });
  return fc
    .record({
      sizes: fc.array(size, { maxLength: 4 }),
      full: fc.boolean(),
      lengths: fc.constantFrom('full', 'full', 'both', 'short'),
      twins: fc.boolean(),
    })
    .map(({ sizes, full, lengths, twins }) => {
      const { maxNumSeqs, queryLen } = limits;
      const ladder = full ? [...sizes, maxNumSeqs * queryLen] : sizes;
      const queryLens = { full: [queryLen], both: [...new Set([1, queryLen])], short: [1] }[lengths];
      return queryLens.flatMap(
        (length) => decodePlan({ sizes: ladder, limits: { maxNumSeqs, queryLen: length }, policy, twins }).keys,
      );
    });
}

/** Sizes from a token to beyond the largest batch, in whole aligned tokens. */
function sizeArbitrary(limits: Limits, policy: Policy): fc.Arbitrary<number> {
  const { tokenAlignment } = policy;
  const most = Math.ceil((limits.maxNumBatchedTokens * 1.25) / tokenAlignment);
  return fc.integer({ min: 1, max: most }).map((units) => units * tokenAlignment);
}

function mixedKeys(limits: Limits, policy: Policy): fc.Arbitrary<CaptureKey[]> {
  const key = fc
    .record({
      tokens: fc.oneof(sizeArbitrary(limits, policy), fc.constant(aligned(limits.maxNumBatchedTokens, policy))),
      prefills: fc.integer({ min: 1, max: 3 }),
      decodes: fc.integer({ min: 0, max: limits.maxNumSeqs }),
      queryLen: fc.integer({ min: 1, max: limits.queryLen }),
      longest: fc.constantFrom(1, 1, 1, 2),
      narrower: fc.option(fc.constantFrom('queryLen', 'maxQueryLen'), { freq: 2 }),
    })
    .map(({ tokens, prefills, decodes, queryLen, longest, narrower }) => {
      const inDecodes = Math.min(decodes, Math.max(0, tokens - prefills));
      const mixed = mixedKey(Math.max(tokens, aligned(prefills, policy)), prefills, inDecodes, queryLen);
      const one = { ...mixed, maxQueryLen: Math.max(queryLen, Math.ceil(mixed.maxQueryLen / longest)) };
      // Beside some keys one of the same slots with places for fewer tokens.
      const fewer = {
        queryLen: Math.min(1, one.queryLen),
        maxQueryLen: Math.max(1, one.queryLen, one.maxQueryLen - 1),
      };
      return narrower === null ? [one] : [one, { ...one, [narrower]: fewer[narrower] }];
    });
  const keys = fc.array(key, { maxLength: 4 }).map((some) => some.flat());
  return keys.map((some) => [...new Map(some.map((one) => [JSON.stringify(one), one])).values()]);
}

function aligned(tokens: number, policy: Policy): number {
  return Math.ceil(tokens / policy.tokenAlignment) * policy.tokenAlignment;
}

function piecewiseKeys(limits: Limits, policy: Policy): fc.Arbitrary<CaptureKey[]> {
  return fc
    .uniqueArray(sizeArbitrary(limits, policy), { maxLength: 4 })
    .map((sizes) => sizes.map((tokens) => piecewiseKey(tokens)));
}

/** Planners whose decisions and tensors are both compared with the plain ones: decode keys alone, and the policies whose tensors are told. */
export const setupArbitrary: fc.Arbitrary<PlannerSetup> = setupOf(policyArbitrary, { kinds: ['decode'] });

/** Planners of every kind of key and with every choice, however their steps are cut. */
export const everySetupArbitrary: fc.Arbitrary<PlannerSetup> = setupOf(decisionPolicyArbitrary, {
  kinds: ['decode', 'mixed', 'piecewise'],
});

function setupOf(policies: fc.Arbitrary<Policy>, kinds: PlanKinds): fc.Arbitrary<PlannerSetup> {
  return fc
    .record({
      limits: limitsArbitrary,
      policy: policies,
      ranks: fc.integer({ min: 1, max: 4 }),
      padding: fc.constantFrom<PaddingName[]>('lockstep', 'lockstep', 'sglang', 'flashinfer', 'trtllm'),
      csr: fc.boolean(),
      deviceSupplied: fc.oneof(fc.constant([]), fc.subarray<DeviceSupplied>(['inputIds', 'positions', 'seqLens'])),
    })
    .chain(({ limits, policy, ranks, padding, csr, deviceSupplied }) =>
      fc
        .record({ plan: planArbitrary(limits, policy, kinds), rank: fc.integer({ min: 0, max: ranks - 1 }) })
        .map(({ plan, rank }) => ({ limits, policy, plan, ranks, rank, padding, tensors: { csr }, deviceSupplied })),
    );
}

/** The policy `lockstep` with some choices changed. */
export function policyWith(changes: Partial<Policy>): Policy {
  return { ...LOCKSTEP_POLICY, ...changes };
}
