import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyCandidates, RawRules } from '../../dist/agreement/index.js';
import { type CaptureKey, decodeKey, keyKind, mixedKey, type Policy, piecewiseKey } from '../../dist/entry/planner.js';
import { VOTE_WORDS, word } from '../../dist/layout/index.js';
import { loadModules } from '../../dist/memory/index.js';
import { completePolicy } from '../../dist/policy/index.js';
import { candidatesPlain, resolvePlain } from '../oracles/resolve-oracle.js';
import { factsOf, type VotedChunk, votePlain } from '../oracles/vote-oracle.js';
import { FULL_RUN, runs } from '../support/property-runs.js';

const modules = await loadModules();

const LIMITS = { maxNumSeqs: 16, maxNumBatchedTokens: 8192, maxModelLen: 16384, queryLen: 2 };

/** Thousands of sizes, most of them piecewise, in one or two variants and in any order: more than a step can look through. */
const keysArbitrary: fc.Arbitrary<CaptureKey[]> = fc
  .record({
    piecewise: fc.uniqueArray(fc.integer({ min: 1, max: 9000 }), { minLength: 2000, maxLength: 4096, size: 'max' }),
    mixed: fc.uniqueArray(
      fc.tuple(fc.integer({ min: 4, max: 9000 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 16 })),
      { maxLength: 400, size: 'max', selector: String },
    ),
    decodes: fc.subarray([1, 2, 4, 8, 16]),
    variants: fc.constantFrom(1, 1, 2),
    order: fc.constantFrom('ascending', 'descending', 'shuffled'),
    seed: fc.nat(),
  })
  .map(({ piecewise, mixed, decodes, variants, order, seed }) => {
    const sizes = order === 'shuffled' ? piecewise : piecewise.toSorted((a, b) => a - b);
    const keys = [
      ...decodes.map((requests) => decodeKey(requests, 1, 1)),
      ...mixed.map(([tokens, prefills, slots]) =>
        mixedKey(Math.max(tokens, prefills + slots), prefills, slots, Math.min(slots, 2)),
      ),
      ...(order === 'descending' ? sizes.reverse() : sizes).map((tokens) => piecewiseKey(tokens)),
    ];
    const all = keys.map((key, index) => ({ ...key, variant: variants > 1 ? (index + seed) % variants : 0 }));
    return [...new Map(all.map((key) => [JSON.stringify(key), key])).values()];
  });

const policyArbitrary: fc.Arbitrary<Policy> = fc
  .record({
    graphAgreement: fc.constantFrom('shape', 'shape', 'min-mode', 'min-mode-padded'),
    maxPaddingFactor: fc.constantFrom(1, 1.01, 2, 4),
    mixedMatch: fc.constantFrom('slots', 'strict'),
    decodeMatch: fc.constantFrom('padded', 'uniform', 'exact', 'exact-all'),
    mixedGraphs: fc.constantFrom('agreed', 'one-rank', 'never', 'any-step', 'decodes'),
  })
  .map((choices) => completePolicy(choices));

const batchArbitrary: fc.Arbitrary<VotedChunk[]> = fc
  .record({
    decodes: fc.array(fc.constantFrom(1, 1, 1, 2), { maxLength: 8 }),
    prefills: fc.array(fc.integer({ min: 1, max: 2700 }), { maxLength: 3 }),
  })
  .map(({ decodes, prefills }) => [
    ...decodes.map((queryLen): VotedChunk => ({ phase: 'decode', queryLen, seqLen: 9 })),
    ...prefills.map((queryLen): VotedChunk => ({ phase: 'prefill', queryLen, seqLen: queryLen })),
  ]);

const rank = fc.record({ chunks: batchArbitrary, variant: fc.constantFrom(0, 0, 0, 1) });

describe('plans of thousands of keys', () => {
  it('are searched as the plain rules do, which look at every key', () => {
    const found = new Set<string>();
    const reasons = new Set<string>();
    fc.assert(
      fc.property(
        keysArbitrary,
        policyArbitrary,
        fc.array(fc.array(rank, { minLength: 2, maxLength: 2 }), { minLength: 6, maxLength: 6 }),
        (keys, policy, tables) => {
          const plan = { keys };
          const rules = new RawRules(modules, { limits: LIMITS, policy, keys, ranks: 2 });
          for (const table of tables) {
            const context = { step: 0, planHash: rules.planHash, plan, policy };
            const votes = table.map(({ chunks, variant }) => votePlain(chunks, { ...context, variant }));
            for (const [index, { chunks, variant }] of table.entries()) {
              const row = rules.vote(index, factsOf(chunks, policy), { variant });
              expect(row[word(VOTE_WORDS, 'paddedTokens')]).toBe(votes[index].paddedTokens);
              expect(row[word(VOTE_WORDS, 'graphMode')]).toBe(votes[index].graphMode);
            }
            const decision = rules.resolve(0).snapshot();
            expect(decision).toEqual(resolvePlain(votes, plan, policy));
            rules.rules.explainCandidates(rules.decision.words.byteOffset);
            const told = keyCandidates(rules.memory.words('candidates'), keys.length);
            expect(told).toEqual(candidatesPlain(votes, plan, policy));
            reasons.add(decision.reason);
            if (decision.captureKey >= 0) found.add(keyKind(keys[decision.captureKey]));
          }
        },
      ),
      // Making a failure smaller takes minutes where plans are so large.
      { ...runs(12), endOnFailure: true },
    );
    if (!FULL_RUN) return;
    expect(found).toContain('piecewise');
    expect(reasons.size).toBeGreaterThan(2);
  });
});
