import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { checkPolicy, type Property } from '../../dist/check/index.js';
import { mixedKey } from '../../dist/planner/capture-key.js';
import { decodePlan } from '../../dist/planner/index.js';
import { keyCandidates } from '../../dist/planner/key-candidates.js';
import {
  CONFIG_BASE,
  DECISION_WORDS,
  decisionWords,
  ENUMS,
  type FACT_WORDS,
  KEY_WORDS,
  LAYOUT_VERSION,
  LIMIT_WORDS,
  POLICY_WORDS,
  VOTE_WORDS,
  word,
} from '../../dist/planner/layout.js';
import type { PlannerModules } from '../../dist/planner/modules.js';
import { RawRules } from '../../dist/planner/raw-rules.js';
import { candidatesPlain, resolvePlain } from '../oracles/resolve-oracle.js';
import { factsOf, type VoteRecord, votePlain } from '../oracles/vote-oracle.js';
import { fixtureOf, PAIRS, pairOver, placeTable, resolveTable } from '../support/check-fixture.js';
import { peerArbitrary, peerChunks } from '../support/planner-session.js';
import { decisionSetupArbitrary } from '../support/planner-setup.js';

/** What the rules must be; says what is broken under `modules`, or undefined. */
export interface Law {
  readonly name: string;
  broken(modules: PlannerModules): Promise<string | undefined>;
}

/** Domains that are made for one rule each, beside the policies'. */
const CORNERS = [
  [
    'two query lengths',
    pairOver({ decodeMatch: 'uniform' }, (keys) => [
      ...keys,
      ...decodePlan({ sizes: [2, 4], limits: { maxNumSeqs: 18, queryLen: 1 }, policy: {} }).keys,
    ]),
  ],
  [
    'two query lengths, drafts padded',
    pairOver({}, (keys) => [
      ...keys,
      ...decodePlan({ sizes: [2, 4], limits: { maxNumSeqs: 18, queryLen: 1 }, policy: {} }).keys,
    ]),
  ],
  ['mixed slots of one token', pairOver({}, (keys) => [...keys, mixedKey(12, 1, 3, 1)])],
  [
    'alignment of two requests',
    pairOver({ tokenAlignment: 4 }, () => [
      ...decodePlan({
        sizes: [12, 4],
        limits: { maxNumSeqs: 18, queryLen: 2 },
        policy: { tokenAlignment: 4, ubatches: 2, ubatchThresholdDecode: 8 },
      }).keys,
    ]),
  ],
] as const;

/** Every pair that is checked, with the properties that it breaks as the rules are. */
const checked = [...PAIRS, ...CORNERS].map(([name, pair]) => ({
  name,
  pair,
  known: undefined as Set<Property> | undefined,
}));

/** The model checker finds nothing in any pair that it does not find in the rules as they are. */
const check: Law = {
  name: 'check',
  async broken(modules) {
    for (const one of checked) {
      one.known ??= new Set((await checkPolicy({ pair: one.pair })).violations.map(({ property }) => property));
      const { violations } = await checkPolicy({ pair: one.pair, wasm: modules });
      const found = violations.map(({ property }) => property).filter((property) => !one.known?.has(property));
      if (found.length > 0) return `${found.join(', ')} (${one.name})`;
    }
    return undefined;
  },
};

/** The first run in which `holds` does not; the same runs every time. */
function firstFailure<T>(arbitrary: fc.Arbitrary<T>, runs: number, holds: (value: T) => boolean): boolean {
  return fc.check(
    fc.property(arbitrary, (value) => holds(value)),
    { numRuns: runs, seed: 1, endOnFailure: true },
  ).failed;
}

const setups = fc.record({
  setup: decisionSetupArbitrary,
  peers: fc.array(peerArbitrary, { minLength: 4, maxLength: 4 }),
  decodeOnly: fc.boolean(),
  lastParts: fc.constantFrom(0, 1, 2),
});

/** A random batch is voted, and a random table decided and every key's fate told, as the plain rules do. */
const oracle: Law = {
  name: 'oracle',
  async broken(modules) {
    let what = '';
    const failed = firstFailure(setups, 3000, ({ setup, peers, decodeOnly, lastParts }) => {
      const { limits, policy, plan, ranks } = setup;
      const rules = new RawRules(modules, { limits, policy, keys: plan.keys, ranks });
      const context = { step: 0, planHash: rules.planHash, plan, policy };
      const table = peers.slice(0, ranks).map((peer) => {
        const chunks = peerChunks(peer, setup, decodeOnly);
        return { facts: factsOf(chunks, policy.ubatches), vote: votePlain(chunks, { ...context, ...peer.intent }) };
      });
      what = 'a random vote';
      // What a batch is told beside its facts stands in the row as given.
      for (const [rank, { facts, vote }] of table.entries()) {
        const { control, variant, graphVeto, ubatchVeto } = vote;
        if (!isDeepStrictEqual([...rules.vote(rank, facts, { control, variant, graphVeto, ubatchVeto })], row(vote))) {
          return false;
        }
      }
      what = 'a random table';
      const votes = table.map(({ vote }) => vote);
      const status = rules.rules.resolve(
        rules.table.byteOffset,
        ranks,
        lastParts === 0 ? 0 : before(rules, -1, lastParts),
        rules.decision.words.byteOffset,
      );
      if (status !== ENUMS.RESOLVE.ok) return false;
      if (!isDeepStrictEqual(rules.decision.snapshot(), resolvePlain(votes, plan, policy, lastParts))) return false;
      what = 'a key of a random table';
      rules.rules.explainCandidates(rules.decision.words.byteOffset);
      const told = keyCandidates(rules.memory.words('candidates'), plan.keys.length);
      return isDeepStrictEqual([...told], candidatesPlain(votes, plan, policy, lastParts));
    });
    return failed ? what : undefined;
  },
};

const row = (vote: VoteRecord): number[] => VOTE_WORDS.map((name) => vote[name]);

/** A decision before a step, of another step and in so many parts; its address. */
function before({ memory }: RawRules, step: number, parts: number): number {
  const words = memory.words('previous').fill(0);
  words[word(DECISION_WORDS, 'step')] = step;
  words[word(DECISION_WORDS, 'parts')] = parts;
  return words.byteOffset;
}

type Words = Partial<Record<(typeof VOTE_WORDS)[number], number>>;
type Facts = Partial<Record<(typeof FACT_WORDS)[number], number>>;

const FOUR_DECODES: Facts = {
  tokens: 4,
  decodeRequests: 4,
  uniformQueryLen: 1,
  maxQueryLen: 1,
  maxDecodeQueryLen: 1,
  maxSeqLen: 9,
  canSplit: 1,
  part0Tokens: 2,
  part1Tokens: 2,
};
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
const votes: Law = {
  name: 'votes',
  async broken(modules) {
    const keys = decodePlan({ sizes: [6], limits: { maxNumSeqs: 8, queryLen: 1 }, policy: {} }).keys;
    const cases: readonly [what: string, facts: Facts, policy: object, wanted: Words][] = [
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
      ['what cannot be cut', { ...FOUR_DECODES, canSplit: 0 }, {}, { meetsMinimum: 1, wantsUbatches: 0 }],
    ];
    for (const [what, facts, policy, wanted] of cases) {
      const rules = new RawRules(modules, { policy: { ...TWO.policy, ...policy }, keys });
      const row = rules.vote(0, facts);
      for (const [name, value] of Object.entries(wanted)) {
        if (row[word(VOTE_WORDS, name as (typeof VOTE_WORDS)[number])] !== value) return what;
      }
    }
    return undefined;
  },
};

/** A table with one wrong word is refused, for that word. */
const refusals: Law = {
  name: 'refused tables',
  async broken(modules) {
    const cases: readonly [what: string, status: keyof typeof ENUMS.RESOLVE, words: Words, replicaSize?: number][] = [
      ['nothing wrong', 'ok', {}],
      ['another version', 'version', { version: LAYOUT_VERSION + 1 }],
      ['another step', 'step', { step: 1 }],
      ['another plan', 'plan', { planHash: 7 }],
      ['more decodes than tokens', 'limits', { decodeRequests: 5 }],
      ['padded to fewer tokens than there are', 'limits', { paddedTokens: 3 }],
      ['a part too many', 'limits', { part2Tokens: 1 }],
      ['a fault', 'fault', { control: ENUMS.CONTROL.fault }],
      ['the same batch in a replica', 'ok', { graphVeto: 1 }, 2],
      ['another batch in a replica', 'replica', { variant: 1 }, 2],
    ];
    for (const [what, wanted, words, replicaSize] of cases) {
      const rules = new RawRules(modules, { ...TWO, ranks: 2, ...(replicaSize !== undefined && { replicaSize }) });
      for (const rank of [0, 1]) rules.vote(rank, FOUR_DECODES);
      for (const [name, value] of Object.entries(words)) {
        rules.table[VOTE_WORDS.length + word(VOTE_WORDS, name as (typeof VOTE_WORDS)[number])] = value;
      }
      const status = rules.rules.resolve(rules.table.byteOffset, 2, 0, rules.decision.words.byteOffset);
      if (status !== ENUMS.RESOLVE[wanted]) return what;
    }
    return undefined;
  },
};

/** A decision remembers nothing but the number and parts of the one before it. */
const memory: Law = {
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
    for (let a = 0; a < local.length; a++) {
      for (let b = a; b < local.length; b += 7) {
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
const hash: Law = {
  name: 'plan hash',
  async broken(modules) {
    const rules = new RawRules(modules, {
      ...TWO,
      ranks: 2,
      keys: decodePlan({ sizes: [2, 4], limits: { maxNumSeqs: 4, queryLen: 1 }, policy: {} }).keys,
    });
    const seen = new Set([rules.planHash]);
    const changed = (words: Int32Array, index: number): boolean => {
      words[index] ^= 1 << 20;
      const other = rules.rules.installPlan();
      words[index] ^= 1 << 20;
      const fresh = !seen.has(other);
      seen.add(other);
      return fresh;
    };
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

/** In the order in which a mutation is held against them. */
export const LAWS: readonly Law[] = [check, oracle, votes, refusals, memory, hash];
