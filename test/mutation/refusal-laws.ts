import { RawRules, type RawRulesOptions } from '../../dist/agreement/raw-rules.js';
import { decodePlan } from '../../dist/entry/planner.js';
import { ENUMS, LAYOUT_VERSION, MAX_PARTS, VOTE_WORDS, word } from '../../dist/layout/layout.js';
import type { PlannerModules } from '../../dist/memory/modules.js';
import { FOUR_DECODES } from './four-decodes.js';
import type { Law } from './law.js';

type VoteWord = (typeof VOTE_WORDS)[number];
type Words = Partial<Record<VoteWord, number>>;

/** Two ranks of at most 6 requests and 12 tokens, with graphs of up to 16 tokens. */
const OPTIONS = {
  limits: { maxNumSeqs: 6, maxNumBatchedTokens: 12, queryLen: 2 },
  policy: { ubatches: 2, ubatchThresholdDecode: 4, ubatchThresholdPrefill: 6 },
  keys: decodePlan({ sizes: [16], limits: { maxNumSeqs: 8, queryLen: 2 }, policy: {} }).keys,
  ranks: 2,
} satisfies RawRulesOptions;

/** Two votes of four decodes, of which the second has these words instead. */
function tableWith(modules: PlannerModules, words: Words, replicaSize = 1): RawRules {
  const rules = new RawRules(modules, { ...OPTIONS, replicaSize });
  for (const rank of [0, 1]) rules.vote(rank, FOUR_DECODES);
  for (const [name, value] of Object.entries(words)) {
    rules.table[VOTE_WORDS.length + word(VOTE_WORDS, name as VoteWord)] = value;
  }
  return rules;
}

function statusOf({ rules, table, decision }: RawRules): number {
  return rules.resolve(table.byteOffset, 2, 0, decision.words.byteOffset);
}

/** A table with one wrong word is refused. */
export const refusals: Law = {
  name: 'refused tables',
  async broken(modules) {
    const cases: readonly [what: string, status: keyof typeof ENUMS.RESOLVE, words: Words, replicaSize?: number][] = [
      ['nothing wrong', 'ok', {}],
      ['another version', 'version', { version: LAYOUT_VERSION + 1 }],
      ['another step', 'step', { step: 1 }],
      ['another plan', 'plan', { planHash: 7 }],
      ['more decodes than tokens', 'limits', { decodeRequests: 5 }],
      ['a fault', 'fault', { control: ENUMS.CONTROL.fault }],
      ['the same batch in a replica', 'ok', { graphVeto: 1 }, 2],
      ['another batch in a replica', 'replica', { variant: 1 }, 2],
    ];
    for (const [what, wanted, words, replicaSize] of cases) {
      if (statusOf(tableWith(modules, words, replicaSize)) !== ENUMS.RESOLVE[wanted]) return what;
    }
    return undefined;
  },
};

/** A vote may be as large as any planner of the plan can make it, and is refused one beyond that, for the word that is too large. */
export const limits: Law = {
  name: 'limits of a vote',
  async broken(modules) {
    const parts = (...tokens: number[]): Words =>
      Object.fromEntries(Array.from({ length: MAX_PARTS }, (_, part) => [`part${part}Tokens`, tokens[part] ?? 0]));
    const sized = (tokens: number, words: Words): Words => ({
      tokens,
      paddedTokens: Math.max(tokens, 16),
      ...parts(tokens),
      ...words,
    });
    const cases: readonly [what: string, refused: VoteWord | undefined, words: Words][] = [
      ['12 tokens', undefined, sized(12, {})],
      ['13 tokens', 'tokens', sized(13, {})],
      ['fewer than no token', 'tokens', sized(-1, { decodeRequests: 0 })],
      ['6 decodes', undefined, sized(12, { decodeRequests: 6 })],
      ['7 decodes', 'decodeRequests', sized(12, { decodeRequests: 7 })],
      ['6 prefills', undefined, sized(12, { prefillRequests: 6, decodeRequests: 0 })],
      ['7 prefills', 'prefillRequests', sized(12, { prefillRequests: 7, decodeRequests: 0 })],
      ['3 prefills and 3 decodes', undefined, sized(12, { prefillRequests: 3, decodeRequests: 3 })],
      ['3 prefills and 4 decodes', 'decodeRequests', sized(12, { prefillRequests: 3, decodeRequests: 4 })],
      ['tokens of no request', 'tokens', sized(12, { decodeRequests: 0 })],
      ['a request without a token', 'tokens', sized(3, { decodeRequests: 4 })],
      ['padded to the 16 tokens of the largest graph', undefined, { paddedTokens: 16 }],
      ['padded to 17', 'paddedTokens', { paddedTokens: 17 }],
      ['padded to fewer tokens than there are', 'paddedTokens', { paddedTokens: 3 }],
      ['a part too many', 'part0Tokens', parts(2, 2, 1)],
      ['a part of fewer than no token', 'part0Tokens', parts(4, 1, -1)],
      ['a control that there is not', 'control', { control: ENUMS.CONTROL.fault + 1 }],
      ['a control below all', 'control', { control: -1 }],
    ];
    for (const [what, refused, words] of cases) {
      const rules = tableWith(modules, words);
      const found = rules.rules.brokenLimit(rules.table.byteOffset, 1);
      if (found !== (refused === undefined ? -1 : word(VOTE_WORDS, refused))) return what;
      if (statusOf(rules) !== ENUMS.RESOLVE[refused === undefined ? 'ok' : 'limits']) return what;
    }
    return undefined;
  },
};

/** What each process of a replica says for itself. */
const OWN: readonly VoteWord[] = ['graphMode', 'wantsUbatches', 'canSplit', 'graphVeto', 'ubatchVeto', 'flags'];

/** Processes of a replica hold one batch: they may differ in what each can do, and in no other word. */
export const replicas: Law = {
  name: 'replicas',
  async broken(modules) {
    for (const name of VOTE_WORDS.slice(word(VOTE_WORDS, 'phase'), word(VOTE_WORDS, 'decisionHash'))) {
      const rules = tableWith(modules, {}, 2);
      rules.table[VOTE_WORDS.length + word(VOTE_WORDS, name)] ^= 1;
      const outlier = rules.rules.replicaOutlier(rules.table.byteOffset, 2);
      if (outlier !== (OWN.includes(name) ? -1 : VOTE_WORDS.length + word(VOTE_WORDS, name))) return name;
    }
    return undefined;
  },
};
