import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DecisionValue } from '../../../dist/entry/planner.js';
import { DECISION_WORDS, decisionWords, ENUMS, word } from '../../../dist/layout/layout.js';
import {
  type CheckFixture,
  fixtureOf,
  judgeTable,
  PAIRS,
  placeTable,
  resolveTable,
} from '../../support/check-fixture.js';
import { runs } from '../../support/property-runs.js';

/** A decision without the rank it names, and what it says of that rank: counts by rank in the order of `states`. */
function unnamed(decision: DecisionValue, order: readonly number[]): object {
  const { reasonRank, reasonDetail, parts, ...rest } = decision;
  return {
    ...rest,
    named: reasonRank >= 0,
    detail: decision.reason === 'vetoed' ? null : reasonDetail,
    parts: parts.map(({ gather, ...part }) => ({
      ...part,
      kind: gather.kind,
      tokens: order.map((rank) => gather.tokensPerRank[rank]),
    })),
  };
}

function decide(fixture: CheckFixture, states: readonly number[], previous: number): object | number {
  placeTable(fixture, states);
  const status = resolveTable(fixture, previous);
  if (status !== ENUMS.RESOLVE.ok) return status;
  // Each state where it comes in the order of all states.
  const order = [...states.keys()].sort((a, b) => states[a] - states[b]);
  return { ...unnamed(fixture.rules.decision.snapshot(), order), broken: judgeTable(fixture) };
}

/** A decision before this step, in as many parts as `parts`; the address of none where that is 0. */
function previousOf({ rules }: CheckFixture, parts: number): number {
  if (parts === 0) return 0;
  const words = rules.memory.words('previous').subarray(0, decisionWords(rules.ranks)).fill(0);
  words[word(DECISION_WORDS, 'parts')] = parts;
  return words.byteOffset;
}

const shuffled = fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4, maxLength: 4 });
const fixtures = await Promise.all(PAIRS.map(async ([name, pair]) => [name, await fixtureOf(pair, 4)] as const));

test.each(fixtures)('%s: which rank holds which state changes nothing but who is named', (_name, fixture) => {
  const state = fc.nat(fixture.local.length - 1);
  const table = fc.array(state, { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(table, shuffled, fc.nat(fixture.pair.policy.ubatches), (states, order, parts) => {
      const previous = previousOf(fixture, parts);
      const permuted = order.map((rank) => states[rank]);
      expect(decide(fixture, permuted, previous)).toEqual(decide(fixture, states, previous));
    }),
    runs(300),
  );
});

test.each(fixtures)('%s: a decision remembers nothing but the parts of the one before it', (_name, fixture) => {
  const { rules, local } = fixture;
  const scratch = ['reduction', 'ownReduction', 'local', 'candidates', 'decision', 'facts'] as const;
  const state = fc.nat(local.length - 1);
  fc.assert(
    fc.property(fc.array(state, { minLength: 4, maxLength: 4 }), fc.integer(), (states, poison) => {
      const decided = [0, poison].map((value) => {
        for (const name of scratch) rules.memory.words(name).fill(value);
        const outcome = decide(fixture, states, 0);
        return { outcome, words: rules.decision.words.slice(0, decisionWords(rules.ranks)) };
      });
      expect(decided[1].outcome).toEqual(decided[0].outcome);
      if (typeof decided[0].outcome !== 'number') expect(decided[1].words).toEqual(decided[0].words);
      // A step after one that was not cut is a first step.
      expect(decide(fixture, states, previousOf(fixture, 1))).toEqual(decided[0].outcome);
    }),
    runs(200),
  );
});
