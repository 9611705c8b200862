import { isDeepStrictEqual } from 'node:util';
import { RawRules } from '../../dist/agreement/raw-rules.js';
import { decodeKey, mixedKey, piecewiseKey } from '../../dist/entry/planner.js';
import { ENUMS, VOTE_WORDS, word } from '../../dist/layout/layout.js';
import { type Facts, FOUR_DECODES } from './four-decodes.js';
import type { Law } from './law.js';

const TWO_DECODES: Facts = { ...FOUR_DECODES, tokens: 2, decodeRequests: 2, part0Tokens: 1, part1Tokens: 1 };
const DRAFTS: Facts = { ...TWO_DECODES, tokens: 4, uniformQueryLen: 2, maxQueryLen: 2, maxDecodeQueryLen: 2 };
const UNLIKE: Facts = { ...TWO_DECODES, tokens: 4, uniformQueryLen: 0, maxQueryLen: 3, maxDecodeQueryLen: 3 };
const FOUR_UNLIKE: Facts = { ...DRAFTS, tokens: 6, decodeRequests: 4, uniformQueryLen: 0 };
const FIVE_UNLIKE: Facts = { ...FOUR_UNLIKE, decodeRequests: 5 };
const PREFILL: Facts = { tokens: 4, prefillRequests: 1, uniformQueryLen: 4, maxQueryLen: 4, part0Tokens: 4 };
const BESIDE: Facts = { ...PREFILL, decodeRequests: 1, uniformQueryLen: 0, maxQueryLen: 3, maxDecodeQueryLen: 1 };
const LONGER: Facts = { ...BESIDE, maxDecodeQueryLen: 2 };
const TWO_PREFILLS: Facts = { ...BESIDE, tokens: 6, prefillRequests: 2 };
const THREE_PREFILLS: Facts = { ...TWO_PREFILLS, prefillRequests: 3 };
const LONGER_PREFILL: Facts = { ...TWO_PREFILLS, maxQueryLen: 4 };
const BATCHES = [
  ...[FOUR_DECODES, TWO_DECODES, DRAFTS, UNLIKE, FOUR_UNLIKE, FIVE_UNLIKE, PREFILL, BESIDE, LONGER],
  ...[TWO_PREFILLS, THREE_PREFILLS, LONGER_PREFILL, {}],
];

const KEYS = [
  decodeKey(8, 1, 1),
  decodeKey(4, 2, 1),
  { ...decodeKey(6, 1, 1), variant: 1 },
  { ...mixedKey(8, 2, 4, 1), maxQueryLen: 3 },
  mixedKey(12, 1, 4, 1),
  mixedKey(16, 2, 4, 2),
  piecewiseKey(16),
];

/** What a vote is cast of. */
interface Cast {
  readonly facts: Facts;
  readonly variant: number;
  readonly graphVeto: number;
}

const CASTS: readonly Cast[] = BATCHES.flatMap((facts) =>
  [0, 1].flatMap((variant) =>
    [ENUMS.VETO.none, ENUMS.VETO['cascade-attention']].map((graphVeto) => ({ facts, variant, graphVeto })),
  ),
);

/** A vote that is cast is the one that is written and sealed, whatever was cast before it and with which plan; and a table is refused whose row of this rank is another. */
export const cast: Law = {
  name: 'cast votes',
  async broken(modules) {
    const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 16, queryLen: 2 };
    const options = { limits, keys: KEYS, policy: { graphAgreement: 'min-mode', mixedGraphs: 'agreed' } } as const;
    const caster = new RawRules(modules, options);
    const writer = new RawRules(modules, options);
    const votes = (one: Cast): boolean => {
      writer.vote(0, one.facts, one);
      writer.rules.sealVote(writer.rows[0].byteOffset, 0, 5);
      caster.facts.set(writer.facts);
      caster.rules.castVote(0, caster.planHash, 5, 0, 0, one.variant, one.graphVeto, 0);
      return isDeepStrictEqual(caster.rows[0], writer.rows[0]);
    };
    for (const [index, one] of CASTS.entries()) {
      for (const [before, other] of CASTS.entries()) {
        if (!votes(other) || !votes(one)) return `vote ${index} after vote ${before}`;
      }
      for (const keys of [KEYS.toReversed(), KEYS.slice(1), KEYS]) {
        for (const rules of [caster, writer]) rules.memory.installPlan({ keys });
        if (!votes(one)) return `vote ${index} with ${keys.length} keys`;
      }
    }
    const { table, decision, rules } = caster;
    const resolved = (): number => rules.resolveSealed(table.byteOffset, 1, 0, decision.words.byteOffset);
    votes({ facts: FOUR_DECODES, variant: 0, graphVeto: 0 });
    if (resolved() !== ENUMS.RESOLVE.ok) return 'the table of the vote';
    table[word(VOTE_WORDS, 'maxSeqLen')]++;
    return resolved() === ENUMS.RESOLVE.seal ? undefined : 'a row that is not the vote';
  },
};
