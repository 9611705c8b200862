import { DECISION_WORDS, PART_WORDS, VOTE_WORDS, word } from '../../dist/layout/layout.js';

const WIDTH = VOTE_WORDS.length;
const HASH = word(VOTE_WORDS, 'decisionHash');
const SEAL = word(VOTE_WORDS, 'seal');

/** The first digits of pi, as Blowfish takes them: the keys of the four lanes. */
const KEYS = [0x243f6a88, 0x05a308d3, 0x13198a2e, 0x03707344];
/** What each byte of a word's place adds to its key: the root of 2, as SHA-512 takes it. */
const PLACE = 0x3c6ef372;

/** Checksum of `words`, each mixed with its place: the sum, modulo 2^32. */
function checksum(
  words: ArrayLike<number>,
  placeOf: (index: number) => number = (index) => 4 * (index - (index % 4)),
): number {
  let sum = 0;
  for (let index = 0; index < words.length; index++) {
    let x = (words[index] + KEYS[index % 4] + Math.imul(placeOf(index), PLACE)) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d) >>> 0;
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b) >>> 0;
    sum = (sum + ((x ^ (x >>> 16)) >>> 0)) % 2 ** 32;
  }
  return sum | 0;
}

/** The seal of a row as that of `rank`: int32[32], whatever its last word holds. */
export function sealPlain(row: ArrayLike<number>, rank: number): number {
  const words = Array.from(row).with(SEAL, rank);
  const last = WIDTH - 4;
  return checksum(words, (index) => (index >= last ? -1 : 4 * (index - (index % 4))));
}

/** The hash of a decision's words: of the parts it has, up to a multiple of four words. */
export function hashDecisionPlain(words: ArrayLike<number>): number {
  const all = Array.from(words);
  const parts = Math.max(1, all[word(DECISION_WORDS, 'parts')]);
  const used = DECISION_WORDS.length + parts * (PART_WORDS.length + all[word(DECISION_WORDS, 'ranks')]);
  return checksum(all.slice(0, 4 * Math.ceil(used / 4))) || 1;
}

/** Seals the rows of a table, int32[ranks, 32], in place, after the decision with this hash. Returns it. */
export function sealTable(table: Int32Array, decisionHash = 0): Int32Array {
  for (let rank = 0; rank < table.length / WIDTH; rank++) {
    const row = table.subarray(rank * WIDTH, (rank + 1) * WIDTH);
    row[HASH] = decisionHash;
    row[SEAL] = sealPlain(row, rank);
  }
  return table;
}
