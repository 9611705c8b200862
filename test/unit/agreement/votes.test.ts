import { describe, expect, it } from 'vitest';
import { createRawRules, type VoteWord } from '../../../dist/agreement/raw-rules.js';
import { createPlanner, decodeKey, mixedKey, type PlannerOptions, piecewiseKey } from '../../../dist/entry/planner.js';
import { ENUMS, VOTE_WORDS } from '../../../dist/layout/layout.js';

const said = (row: Int32Array, ...names: VoteWord[]): Record<string, number> =>
  Object.fromEntries(names.map((name) => [name, row[VOTE_WORDS.indexOf(name)]]));

/** The vote of a rank that holds decodes and prefills of these lengths. */
async function vote(
  options: PlannerOptions,
  decodes: readonly number[],
  prefills: readonly number[] = [],
  variant = 0,
): Promise<Int32Array> {
  const limits = { maxNumBatchedTokens: 256, maxModelLen: 64, ...options.limits };
  const planner = await createPlanner({ ...options, limits });
  const schedule = (phase: 'decode' | 'prefill', queryLen: number): void =>
    planner.requests.schedule(planner.requests.add({ blockIds: [1, 2, 3, 4] }), { phase, queryLen });
  for (const length of decodes) schedule('decode', length);
  for (const length of prefills) schedule('prefill', length);
  return planner.vote({ variant });
}

describe('a vote', () => {
  it('tells the counts of its batch', async () => {
    const row = await vote({ limits: { queryLen: 4 } }, [1, 3], [20, 7]);
    const counts = ['tokens', 'prefillRequests', 'decodeRequests', 'maxQueryLen', 'maxDecodeQueryLen'] as const;
    expect(said(row, 'phase', ...counts, 'uniformQueryLen')).toEqual({
      phase: ENUMS.PHASE.mixed,
      tokens: 31,
      prefillRequests: 2,
      decodeRequests: 2,
      maxQueryLen: 20,
      maxDecodeQueryLen: 3,
      uniformQueryLen: 0,
    });
  });

  it('tells what its own graph pads it to: of its variant, plain before ubatched, full before piecewise', async () => {
    const keys = [
      decodeKey(8, 1, 1),
      { ...decodeKey(2, 1, 1), variant: 1 },
      decodeKey(1, 1, 1),
      decodeKey(12, 1, 2),
      mixedKey(40, 2, 8, 1),
      piecewiseKey(32),
    ];
    const options: PlannerOptions = { plan: { keys }, policy: { ubatches: 2 } };
    const padded = async (...batch: [number[], number[]?, number?]): Promise<number> =>
      said(await vote(options, ...batch), 'paddedTokens').paddedTokens;
    expect([await padded([1, 1]), await padded([1, 1], [], 1), await padded([1, 1], [], 2)]).toEqual([8, 2, 2]);
    const ones = (count: number): number[] => Array.from({ length: count }, () => 1);
    expect([await padded(ones(9)), await padded(ones(13)), await padded(ones(16))]).toEqual([12, 13, 32]);
    expect([await padded([1], [30]), await padded([1], [5, 5, 5]), await padded([1], [60])]).toEqual([40, 32, 61]);
    expect(await padded([])).toBe(0);
  });

  it('tells the mode of that graph where ranks agree by mode, and full where they agree by shape', async () => {
    const plan = { keys: [decodeKey(8, 1, 1), piecewiseKey(16)] };
    const modes = async (graphAgreement: 'shape' | 'min-mode', ...batch: [number[], number[]?]): Promise<number> =>
      said(await vote({ plan, policy: { graphAgreement } }, ...batch), 'graphMode').graphMode;
    const { none, piecewise, full } = ENUMS.MODE;
    const batches: [number[], number[]?][] = [[[1]], [[1], [9]], [[1], [30]], [[]]];
    const found = async (agreement: 'shape' | 'min-mode'): Promise<number[]> =>
      await Promise.all(batches.map((batch) => modes(agreement, ...batch)));
    expect(await found('min-mode')).toEqual([full, piecewise, none, full]);
    expect(await found('shape')).toEqual([full, full, full, full]);
  });

  it.each([
    [31, 0, 0],
    [32, 0, 1],
    [0, 511, 0],
    [0, 512, 1],
    [40, 471, 0],
    [40, 472, 1],
  ])(
    'of %i decoded and %i prefilled tokens wishes micro-batches: %i (thresholds 32 and 512)',
    async (decodes, prefill, wish) => {
      const rules = await createRawRules({ policy: { ubatches: 2 } });
      const tokens = decodes + prefill;
      const row = rules.vote(0, {
        tokens,
        decodeRequests: decodes,
        prefillRequests: Number(prefill > 0),
        part0Tokens: tokens,
        canSplit: 1,
      });
      expect(said(row, 'meetsMinimum', 'wantsUbatches')).toEqual({ meetsMinimum: wish, wantsUbatches: wish });
    },
  );

  it('of a batch that writes and reads one block vetoes micro-batches; a veto it was given goes before', async () => {
    const rules = await createRawRules({ policy: { ubatches: 2 } });
    const facts = { tokens: 40, decodeRequests: 40, part0Tokens: 40, canSplit: 1 };
    const shared = { ...facts, sharedBlock: 1 };
    const words = (...args: Parameters<typeof rules.vote>): Record<string, number> =>
      said(rules.vote(...args), 'meetsMinimum', 'canSplit', 'wantsUbatches', 'ubatchVeto');
    const able = { meetsMinimum: 1, canSplit: 1 };
    expect(words(0, facts)).toEqual({ ...able, wantsUbatches: 1, ubatchVeto: 0 });
    expect(words(0, shared)).toEqual({ ...able, wantsUbatches: 0, ubatchVeto: ENUMS.VETO['shared-block'] });
    expect(words(0, shared, { ubatchVeto: ENUMS.VETO.other })).toEqual({ ...able, wantsUbatches: 0, ubatchVeto: 5 });
  });

  it('that is a fault keeps what it holds, so that the others can say it', async () => {
    const rules = await createRawRules({});
    const facts = { tokens: 3, decodeRequests: 3, part0Tokens: 3 };
    const row = rules.vote(0, facts, { control: ENUMS.CONTROL.fault, faultCode: 7 });
    expect(said(row, 'control', 'faultCode', 'tokens')).toEqual({ control: 2, faultCode: 7, tokens: 3 });
    expect(said(rules.vote(0, facts, { faultCode: 7 }), 'faultCode')).toEqual({ faultCode: 0 });
  });
});
