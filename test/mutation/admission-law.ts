import { RawRules } from '../../dist/agreement/raw-rules.js';
import { DECISION_WORDS, decisionPart, ENUMS, LAYOUT_VERSION, VOTE_WORDS, word } from '../../dist/layout/layout.js';
import { hashDecisionPlain, sealPlain, sealTable } from '../oracles/seal-oracle.js';
import { FOUR_DECODES } from './four-decodes.js';
import type { Law } from './law.js';

type Status = keyof typeof ENUMS.RESOLVE;
const WIDTH = VOTE_WORDS.length;
const SEAL = word(VOTE_WORDS, 'seal');

/** Only rows that their ranks sealed, after one decision and within the ranges of their words, are admitted. */
export const admission: Law = {
  name: 'admission',
  async broken(modules) {
    const rules = new RawRules(modules, { limits: { maxNumSeqs: 6, maxNumBatchedTokens: 12 }, ranks: 3 });
    for (const rank of [0, 1, 2]) rules.vote(rank, FOUR_DECODES);
    rules.resolve();
    if (rules.rules.hashDecision(rules.decision.words.byteOffset) !== hashDecisionPlain(rules.decision.words)) {
      return 'the hash of a decision';
    }
    for (const part of [0, 1]) {
      const words = rules.decision.words;
      const at = decisionPart(part, 3);
      words[word(DECISION_WORDS, 'parts')] = 2;
      words[at] += 8;
      const hash = rules.rules.hashDecision(words.byteOffset);
      if (hash !== hashDecisionPlain(words)) return `the hash of a decision with part ${part}`;
    }
    const table = sealTable(rules.table.slice(), 5);
    for (const rank of [0, 1, 2]) {
      rules.rules.sealVote(rules.rows[rank].byteOffset, rank, 5);
      if (rules.rows[rank][SEAL] !== table[rank * WIDTH + SEAL]) return `the seal of rank ${rank}`;
    }
    /** The status of the table with a word of rank 1 changed, and sealed again or not. */
    const statusWith = (name: (typeof VOTE_WORDS)[number], value: number, sealed: boolean): number => {
      rules.table.set(table);
      const row = rules.rows[1];
      row[word(VOTE_WORDS, name)] = value;
      if (sealed) row[SEAL] = sealPlain(row, 1);
      return rules.rules.admit(rules.table.byteOffset, 3);
    };
    const cases: readonly [name: (typeof VOTE_WORDS)[number], value: number, sealed: boolean, status: Status][] = [
      ['step', 0, true, 'ok'],
      ['tokens', 3, false, 'seal'],
      ['reserved29', 1, false, 'seal'],
      ['decisionHash', 6, false, 'seal'],
      ['seal', 0, false, 'seal'],
      ['version', LAYOUT_VERSION + 1, false, 'seal'],
      ['version', LAYOUT_VERSION + 1, true, 'version'],
      ['step', 1, true, 'step'],
      ['planHash', 1, true, 'plan'],
      ['decisionHash', 6, true, 'decision'],
      ['graphMode', -1, true, 'range'],
      ['graphMode', 3, true, 'range'],
      ['tokens', 13, true, 'range'],
      ['reserved29', 1, true, 'range'],
    ];
    for (const [name, value, sealed, status] of cases) {
      if (statusWith(name, value, sealed) !== ENUMS.RESOLVE[status]) return `${name} ${value}, sealed: ${sealed}`;
    }
    rules.table.set(table);
    rules.table.copyWithin(0, WIDTH, 2 * WIDTH);
    if (rules.rules.admit(rules.table.byteOffset, 3) !== ENUMS.RESOLVE.seal) return 'a row at the place of another';
    return undefined;
  },
};
