import { isDeepStrictEqual } from 'node:util';
import { type RawIntent, RawRules } from '../../dist/agreement/raw-rules.js';
import { decodePlan } from '../../dist/entry/planner.js';
import {
  CONFIG_BASE,
  decisionWords,
  ENUMS,
  KEY_WORDS,
  LIMIT_WORDS,
  POLICY_WORDS,
  VOTE_WORDS,
  word,
} from '../../dist/layout/layout.js';
import { fixtureOf, PAIRS, placeTable, resolveTable } from '../support/check-fixture.js';
import { type Facts, FOUR_DECODES } from './four-decodes.js';
import type { Law } from './law.js';
import { before } from './oracle-law.js';

type Words = Partial<Record<(typeof VOTE_WORDS)[number], number>>;

const FOUR_PREFILLED: Facts = {
  ...FOUR_DECODES,
  decodeRequests: 0,
  prefillRequests: 1,
  maxQueryLen: 4,
  uniformQueryLen: 4,
};
const TWO: ConstructorParameters<typeof RawRules>[1] = {
  policy: { ubatches: 2, ubatchThresholdDecode: 4, ubatchThresholdPrefill: 6 },
};

/** What a rank says of itself, with the numbers in sight. */
export const votes: Law = {
  name: 'votes',
  async broken(modules) {
    const keys = decodePlan({ sizes: [6], limits: { maxNumSeqs: 8, queryLen: 1 }, policy: {} }).keys;
    const cases: readonly [what: string, facts: Facts, policy: object, wanted: Words, intent?: RawIntent][] = [
      [
        '4 decodes at a threshold of 4',
        FOUR_DECODES,
        {},
        { meetsMinimum: 1, canSplit: 1, wantsUbatches: 1, paddedTokens: 6 },
      ],
      [
        '4 decodes, of which at least 4 are cut',
        FOUR_DECODES,
        { ubatchMinRequests: 4 },
        { canSplit: 1, wantsUbatches: 1 },
      ],
      [
        '4 decodes, of which at least 5 are cut',
        FOUR_DECODES,
        { ubatchMinRequests: 5 },
        { canSplit: 0, wantsUbatches: 0 },
      ],
      [
        'a prefill of 4 at a threshold of 6',
        FOUR_PREFILLED,
        {},
        { meetsMinimum: 0, wantsUbatches: 0, paddedTokens: 4 },
      ],
      [
        'a shared block',
        { ...FOUR_DECODES, sharedBlock: 1 },
        {},
        { ubatchVeto: ENUMS.VETO['shared-block'], wantsUbatches: 0 },
      ],
      [
        'a shared block beside another veto, which was said first',
        { ...FOUR_DECODES, sharedBlock: 1 },
        {},
        { ubatchVeto: ENUMS.VETO.other, wantsUbatches: 0 },
        { ubatchVeto: ENUMS.VETO.other },
      ],
      ['what cannot be cut', { ...FOUR_DECODES, canSplit: 0 }, {}, { meetsMinimum: 1, wantsUbatches: 0 }],
      ['the code of a fault', FOUR_DECODES, {}, { faultCode: 7 }, { control: ENUMS.CONTROL.fault, faultCode: 7 }],
      ['a code where there is no fault', FOUR_DECODES, {}, { faultCode: 0 }, { faultCode: 7 }],
      [
        'a code of a rank that leaves',
        FOUR_DECODES,
        {},
        { faultCode: 0 },
        { control: ENUMS.CONTROL.leave, faultCode: 7 },
      ],
    ];
    for (const [what, facts, policy, wanted, intent] of cases) {
      const rules = new RawRules(modules, { policy: { ...TWO.policy, ...policy }, keys });
      const row = rules.vote(0, facts, intent);
      for (const [name, value] of Object.entries(wanted)) {
        if (row[word(VOTE_WORDS, name as (typeof VOTE_WORDS)[number])] !== value) return what;
      }
    }
    return undefined;
  },
};

/** A decision remembers nothing but the number and parts of the one before it: not what its memory held. */
export const memory: Law = {
  name: 'one step remembered',
  async broken(modules) {
    const [[, pair]] = PAIRS.filter(([name]) => name.startsWith('hysteresis'));
    const fixture = await fixtureOf(pair, 2, modules);
    const { rules, local } = fixture;
    const decide = (states: readonly number[], previous: number): Int32Array | number => {
      placeTable(fixture, states);
      const status = resolveTable(fixture, previous);
      return status === ENUMS.RESOLVE.ok ? rules.decision.words.slice(0, decisionWords(2)) : status;
    };
    const poison = (value: number): void => {
      for (const name of ['reduction', 'ownReduction', 'decision', 'local'] as const)
        rules.memory.words(name).fill(value);
    };
    for (let a = 0; a < local.length; a++) {
      for (let b = a; b < local.length; b += 7) {
        poison(0);
        const clean = decide([a, b], 0);
        poison(-7);
        if (!isDeepStrictEqual(decide([a, b], 0), clean)) return 'a step over other memory';
        if (!isDeepStrictEqual(decide([a, b], before(rules, 0, 1)), decide([a, b], 0)))
          return 'a step after one that was not cut';
        // Votes say step 1: the step before them is 0.
        if (decide([a, b], before(rules, -1, 1)) !== ENUMS.RESOLVE.previous) return 'a step that does not follow';
      }
    }
    return undefined;
  },
};

/** Whatever ranks must share changes the hash they compare. */
export const hash: Law = {
  name: 'plan hash',
  async broken(modules) {
    const rules = new RawRules(modules, {
      ...TWO,
      ranks: 2,
      keys: decodePlan({ sizes: [2, 4], limits: { maxNumSeqs: 4, queryLen: 1 }, policy: {} }).keys,
    });
    const seen = new Set([rules.planHash]);
    /** Each byte of a word counts. */
    const changed = (words: Int32Array, index: number): boolean =>
      [1, 1 << 8, 1 << 16, 1 << 24].every((bit) => {
        words[index] ^= bit;
        const other = rules.rules.installPlan();
        words[index] ^= bit;
        const fresh = !seen.has(other);
        seen.add(other);
        return fresh;
      });
    const used = POLICY_WORDS.filter((name) => !name.startsWith('reserved'));
    for (const name of used) {
      if (!changed(rules.memory.words('policy'), word(POLICY_WORDS, name))) return `policy ${name}`;
    }
    const config = new Int32Array(rules.memory.arena.buffer, CONFIG_BASE);
    for (const name of ['ranks', 'replicaSize', 'maxRequests', 'maxTokens', 'queryLen'] as const) {
      if (!changed(config, word(LIMIT_WORDS, name))) return `limit ${name}`;
    }
    const keyed = KEY_WORDS.filter((name) => !name.startsWith('reserved'));
    for (let key = 0; key < rules.keys.length; key++) {
      // A query length chooses the dispatch table, which has no place for one that is not configured.
      for (const name of keyed.filter((one) => one === 'maxQueryLen' || one === 'variant' || one === 'collectives')) {
        if (!changed(rules.memory.words('keys'), key * KEY_WORDS.length + word(KEY_WORDS, name)))
          return `key ${key} ${name}`;
      }
    }
    return undefined;
  },
};
