import { describe, expect, it } from 'vitest';
import { createRawRules } from '../../../dist/agreement/raw-rules.js';
import { createPlanner, LOCKSTEP_POLICY, type LockstepError, type Policy } from '../../../dist/entry/planner.js';
import { type CheckedPolicy, completeCheckedPolicy, completePolicy } from '../../../dist/policy/policy.js';

const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 32, maxModelLen: 64 };

/** Of every choice that ranks must share another value than lockstep's, and one that is none. */
const CHOICES: { readonly [name in keyof Policy]?: readonly [other: Policy[name], wrong: unknown] } = {
  ubatches: [2, 5],
  ubatchThresholdDecode: [33, 0],
  ubatchThresholdPrefill: [511, 1.5],
  ubatchHysteresis: [1, -1],
  ubatchMinRequests: [3, -1],
  ubatchAgreement: ['all-wish', 'all'],
  lastPart: ['refuse', 'run '],
  eagerEmptyPart: ['plain', 'skip'],
  eagerParts: ['equal-shares', 'toString'],
  split: ['balanced', 'half'],
  sharedBlocks: ['veto', true],
  tokenAlignment: [2, 0],
  enforceEager: [true, 1],
  graphAgreement: ['min-mode', 'max-mode'],
  decodeMatch: ['uniform', null],
  mixedGraphs: ['any-step', false],
  mixedMatch: ['strict', 'slot'],
  maxPaddingFactor: [1.5, 0.5],
  eagerGather: ['padded-decode', 'max'],
  exclusiveResources: [['side-stream'], ['stream']],
  onSharedResource: ['overlap', ''],
  ubatchCaptureMinRequests: [2, -1],
};

/** Rules as they once were: another than today's, and one that never was. */
const FORMER_RULES = {
  partSizes: ['local', 'own'],
  prepare: ['local', 'run'],
  captureGuard: ['none', 'some'],
} as const;

/** The name is a label, and twins are what the keys say. */
const NOT_SHARED = ['name', 'twins'];

describe('a policy', () => {
  it('is of these choices', () => {
    expect([...Object.keys(CHOICES), ...NOT_SHARED].sort()).toEqual(Object.keys(LOCKSTEP_POLICY).sort());
  });

  it('has another hash for another choice, whatever its name', async () => {
    // Former rules are choices of the checker's, though no planner takes them.
    const hash = async (policy: Partial<CheckedPolicy>): Promise<number> =>
      (await createRawRules({ limits, policy })).planHash;
    const others = Object.entries({ ...CHOICES, ...FORMER_RULES });
    const hashes = await Promise.all(
      others.map(([name, [other]]) => hash({ [name]: other } as Partial<CheckedPolicy>)),
    );
    const own = await hash({});
    expect(new Set([...hashes, own]).size).toBe(hashes.length + 1);
    expect(await hash({ name: 'mine' })).toBe(own);
  });

  it.each(Object.entries({ ...CHOICES, ...FORMER_RULES }))('refuses a wrong %s by name', async (name, [, wrong]) => {
    const error: LockstepError = await createPlanner({ policy: { [name]: wrong } as Partial<Policy> }).then(
      () => expect.unreachable(),
      (reason: LockstepError) => reason,
    );
    expect(error.code).toBe('ERR_CONFIG_INVALID');
    expect(error.message).toContain(name);
  });

  it.each([
    [{ eagerParts: 'equal-shares' }, 'eagerParts "equal-shares"', 'or eagerParts: "maxima"'],
    [{ graphAgreement: 'min-mode-padded' }, 'graphAgreement "min-mode-padded"', 'or graphAgreement: "shape"'],
  ] as const)(
    'that cuts at agreed sizes takes the split and the veto that go with them: %j',
    (choice, cause, remedy) => {
      const wrong = (policy: Partial<Policy>): string => {
        try {
          completePolicy({ ubatches: 2, ...choice, ...policy });
        } catch (error) {
          return String(error);
        }
        return 'taken';
      };
      const split = `split is "token-share", but with ${cause} micro-batches are cut at shares of the size that the ranks agree on: set split: "padded-share", ${remedy}`;
      expect(wrong({})).toContain(split);
      expect(wrong({})).toContain('set sharedBlocks: "veto"');
      expect(wrong({ sharedBlocks: 'veto' })).toContain(split);
      expect(wrong({ sharedBlocks: 'veto' })).not.toContain('sharedBlocks is');
      expect(wrong({ split: 'padded-share' })).toMatch(/^LockstepError: .*sharedBlocks is "layer-order"/s);
      expect(wrong({ split: 'padded-share', sharedBlocks: 'veto' })).toBe('taken');
      expect(wrong({ ubatches: 1 })).toBe('taken');
    },
  );

  it.each(Object.entries(FORMER_RULES))(
    'takes the %s of today from a file, and a former one for the checker alone',
    async (name, [former]) => {
      const today = { partSizes: 'agreed', prepare: 'decision', captureGuard: 'all' }[name];
      expect(completePolicy({ [name]: today } as Partial<Policy>)).toEqual(LOCKSTEP_POLICY);
      expect(() => completePolicy({ [name]: former } as Partial<Policy>)).toThrow('only `lockstep check` explores');
      expect(completeCheckedPolicy({ [name]: former } as Partial<CheckedPolicy>)).toMatchObject({ [name]: former });
      await expect(createPlanner({ limits, policy: { [name]: former } as Partial<Policy> })).rejects.toThrow(name);
    },
  );

  it('is frozen, and keeps no hold of what it was given', async () => {
    const exclusiveResources: Policy['exclusiveResources'][number][] = ['side-stream'];
    const { policy } = await createPlanner({ limits, policy: { exclusiveResources } });
    exclusiveResources.push('communicator');
    expect(policy).toEqual({ ...LOCKSTEP_POLICY, exclusiveResources: ['side-stream'] });
    expect(() => Object.assign(policy, { ubatches: 2 })).toThrow(TypeError);
  });
});
